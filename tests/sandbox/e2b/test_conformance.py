"""What every back end does, asked of E2B: the shape of `test_local.py`, `test_artifacts.py` and `test_limits.py`."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.sandbox import Environment, Execution, ExecutionSpec, Limits, Protection, run_all
from counterproof.sandbox._e2b_wire import BASE
from counterproof.sandbox.e2b import BY_PROVIDER, E2BSandbox

from .conftest import Run
from .server import LoopbackE2B


def test_probe_is_made_once_and_names_what_holds(shared: LoopbackE2B, sandbox: E2BSandbox) -> None:
    attestation = asyncio.run(sandbox.probe())
    assert asyncio.run(sandbox.probe()) is attestation
    assert set(attestation.protections) >= {Protection.NETWORK, Protection.ENV, Protection.WALL, Protection.OUTPUT}
    assert not set(attestation.protections) & (BY_PROVIDER | {Protection.DISK_TOTAL, Protection.INODES})
    assert attestation.host["isolation"] == "remote"
    assert attestation.host["held_by_provider_only"] == "fs_read, ipc, orphans, processes, syscalls"
    assert {"disk_total", "inodes"} <= set(attestation.host["not_held"].split(", "))
    if not shared.rootless:
        assert attestation.host["not_held"] == "disk_total, inodes"


def test_execution_names_what_is_degraded(run: Run, shared: LoopbackE2B) -> None:
    done = run("pass")
    assert set(done.attestation.degraded) >= BY_PROVIDER | {Protection.DISK_TOTAL, Protection.INODES}
    assert (Protection.MEM_TOTAL in done.attestation.degraded) == shared.rootless
    assert "degraded" in done.attestation.deterministic()


def test_run_collects_results_tables_and_figures(run: Run) -> None:
    done = run("""
        import os
        os.mkdir('tables'); os.mkdir('figures')
        for name in ('results.json', 'flow.json', 'tables/cox.csv', 'figures/km.png', 'figures/km.svg'):
            open(name, 'w').write(name)
        print('done')
    """)
    assert (done.status, done.exit_code, done.stdout.data) == ("ok", 0, b"done\n")
    names = [item.name for item in done.artifacts]
    assert names == ["figures/km.png", "figures/km.svg", "flow.json", "results.json", "tables/cox.csv"]
    assert all(item.sha256 == sha256_bytes(item.data) for item in done.artifacts)
    assert done.rejected == ()


def test_run_gives_the_promised_environment(run: Run) -> None:
    done = run("import json, os; json.dump(dict(os.environ), open('results.json', 'w'))", seed=7)
    env = json.loads(done.artifacts[0].data)
    assert env["COUNTERPROOF_SEED"] == "7"
    assert (env["COUNTERPROOF_DATA"], env["COUNTERPROOF_OUT"]) == (f"{BASE}/data", f"{BASE}/out")
    assert (env["TZ"], env["LANG"], env["PYTHONHASHSEED"]) == ("UTC", "C.UTF-8", "0")
    assert not [name for name in env if name.startswith("E2B") or name.startswith("LD_")]


def test_run_reads_inputs_and_folders(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "a.csv").chmod(0o600)
    inner = tmp_path / "folder" / "inner"
    inner.mkdir(parents=True)
    (inner / "b.csv").write_bytes(b"\xff\x00y")
    (inner / "link.csv").symlink_to("/etc/passwd")
    done = run(
        """
        import os
        data = os.environ['COUNTERPROOF_DATA']
        print(open(f'{data}/a.csv').read().split(), open(f'{data}/set/inner/b.csv', 'rb').read())
        print(os.listdir(f'{data}/set/inner'))
        """,
        {"a.csv": tmp_path / "a.csv", "set": tmp_path / "folder"},
    )
    assert done.stdout.data == b"['x', '1'] b'\\xff\\x00y'\n['b.csv']\n"


def test_run_imports_the_locked_packages(run: Run) -> None:
    done = run("import pandas; print(pandas.DataFrame({'a': [1, 2]})['a'].sum())")
    assert (done.status, done.stdout.data) == ("ok", b"3\n"), done.stderr.data.decode()


def test_streams_keep_their_bytes_and_stay_apart(run: Run) -> None:
    done = run(
        "import sys; sys.stdout.buffer.write(b'\\xff\\x1b[2J\\0'); sys.stderr.write('{\"event\": \"ended\"}\\n')"
    )
    assert (done.stdout.data, done.stderr.data) == (b"\xff\x1b[2J\0", b'{"event": "ended"}\n')
    assert done.status == "ok"


def test_run_reports_exit_code_exception_and_signal(run: Run) -> None:
    assert run("raise SystemExit(7)").exit_code == 7
    failed = run("open('results.json', 'w').write('{}')\n1/0")
    assert (failed.status, failed.exit_code) == ("error", 1)
    assert failed.stderr.data.endswith(b"ZeroDivisionError: division by zero\n")
    assert [item.name for item in failed.artifacts] == ["results.json"]
    ended = run("import os; os.abort()")
    assert (ended.status, ended.exit_code, ended.signal) == ("error", None, 6)


def test_run_twice_gives_the_same_bytes(run: Run) -> None:
    source = "import random, os; random.seed(int(os.environ['COUNTERPROOF_SEED'])); print(random.random(), {'a', 'b'})"
    assert run(source, seed=3).stdout == run(source, seed=3).stdout


def test_put_lays_a_file_that_is_not_collected(sandbox: E2BSandbox, environment: Environment) -> None:
    async def given() -> Execution:
        session = await sandbox.open(ExecutionSpec(program=b"print(open('notes.txt').read())", environment=environment))
        await session.put("notes.txt", b"hello")
        with pytest.raises(UsageError, match="Choose another name"):
            await session.put("results.json", b"{}")
        done = await session.run()
        await session.close()
        return done

    done = asyncio.run(given())
    assert (done.stdout.data, done.artifacts, done.rejected) == (b"hello\n", (), ())


PLANTED = {
    "symlink": ("os.symlink('/etc/passwd', 'results.json')", "results.json", "link"),
    "symlinked-folder": ("os.symlink('/etc', 'tables')", "tables", "not one of"),
    "hard-link": ("open('a', 'w').write('x'); os.link('a', 'results.json')", "results.json", "hard link"),
    "fifo": ("os.mkfifo('results.json')", "results.json", "not a regular file"),
    "sparse": ("open('results.json', 'wb').truncate(1 << 20)", "results.json", "sparse"),
    "oversize": ("open('results.json', 'wb').write(b'x' * (3 << 20))", "results.json", "more than is left"),
    "other-name": ("open('data.csv', 'w').write('x')", "data.csv", "not one of"),
    "pickle": ("os.mkdir('tables'); open('tables/x.pkl', 'w').write('x')", "tables/x.pkl", "not one of"),
    "deep": ("os.makedirs('tables/deep'); open('tables/deep/a.csv', 'w')", "tables/deep", "too deep"),
    "right-to-left": ("os.mkdir('tables'); open('tables/a\\u202e.csv', 'w')", "tables/a\\u202e.csv", "characters"),
    "unreadable": ("os.close(os.open('results.json', os.O_CREAT, 0))", "results.json", "can't be opened"),
}  # fmt: skip


@pytest.mark.abuse
@pytest.mark.parametrize("name", PLANTED)
def test_planted_artifact_is_refused(name: str, run: Run) -> None:
    plant, expected, reason = PLANTED[name]
    done = run(f"import os\n{plant}", artifact_mib=2)
    assert done.status == "ok", done.stderr.data.decode()
    assert done.artifacts == ()
    assert [item.name for item in done.rejected if reason in item.reason] == [expected], done.rejected


@pytest.mark.abuse
def test_report_can_not_be_planted(run: Run, shared: LoopbackE2B) -> None:
    done = run(f"""
        import os
        try:
            os.makedirs('{BASE}/report', exist_ok=True)
            os.symlink('/etc/passwd', '{BASE}/report/frames')
        except OSError: print('held')
    """)
    expected = ("lost", b"") if shared.rootless else ("ok", b"held\n")
    assert (done.status, done.stdout.data) == expected


def test_wall_time_fires_at_the_asked_time(run: Run) -> None:
    begin_s = time.monotonic()
    done = run("import time; print('start', flush=True); open('flow.json', 'w'); time.sleep(60)", wall_s=2)
    assert (done.status, done.stdout.data, done.artifacts) == ("timeout", b"start\n", ())
    assert 1.9 < done.usage.wall_s < 3.0  # twice would be 4
    assert time.monotonic() - begin_s < 6.0


@pytest.mark.abuse
@pytest.mark.parametrize(
    ("source", "limits", "status"),
    [
        ("while True: pass", {"cpu_s": 1}, "timeout"),
        (
            "kept = []\nwhile True: kept.append(b'x' * (1 << 20)); __import__('time').sleep(.002)",
            {"memory_mib": 128},
            "oom",
        ),
        ("import sys\nwhile True: sys.stdout.write('x' * 65536)", {"stdout_kib": 64}, "output_limit"),
        ("import sys\nwhile True: sys.stderr.write('x' * 65536)", {"stderr_kib": 64}, "output_limit"),
        ("open('big', 'wb').write(bytes(64 << 20)); __import__('time').sleep(5)", {}, "disk_limit"),
        ("open('big', 'wb').write(bytes(64 << 20))", {}, "disk_limit"),
        ("for n in range(2000): open(f'{n}', 'w').close()", {"work_files": 500}, "disk_limit"),
        (
            "import threading, time\nfor n in range(30): threading.Thread(target=time.sleep, args=(3,)).start()",
            {"processes": 16},
            "process_limit",
        ),
    ],
    ids=["cpu", "memory", "stdout", "stderr", "disk", "disk-at-the-end", "files", "threads"],
)
def test_limit_ends_the_program(source: str, limits: dict[str, int], status: str, run: Run) -> None:
    done = run(source, **limits)
    refused = b"can't start new thread" in done.stderr.data  # loopback machines share one kernel's count per user
    assert done.status == status or (status == "process_limit" and refused), done.stderr.data.decode()
    assert done.artifacts == ()
    assert done.usage.wall_s < 10


def test_output_above_the_kept_part_is_cut(run: Run) -> None:
    done = run("print('x' * 100_000)", stdout_kib=64)
    assert (done.status, len(done.stdout.data), done.stdout.total_bytes) == ("ok", 64 << 10, 100_001)
    assert done.stdout.truncated


@pytest.mark.abuse
def test_orphans_end_before_outputs_are_collected(run: Run) -> None:
    done = run("""
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                while True: open('results.json', 'a').write('x'); time.sleep(0.001)
        time.sleep(0.3)
    """)
    assert done.status == "ok"
    assert set(done.artifacts[0].data) == {ord("x")}
    assert done.usage.wall_s < 3


@pytest.mark.abuse
def test_program_that_ends_its_runner_is_never_ok(run: Run, shared: LoopbackE2B) -> None:
    begin_s = time.monotonic()
    done = run("import os, time; os.kill(os.getppid(), 9); time.sleep(60)", wall_s=1)
    assert done.status == ("lost" if shared.rootless else "error")
    assert time.monotonic() - begin_s < 10


@pytest.mark.abuse
def test_program_that_stops_its_runner_meets_the_adapters_clock(run: Run, shared: LoopbackE2B) -> None:
    done = run("import os, time; os.kill(os.getppid(), 19); time.sleep(60)", wall_s=1)
    assert done.status == ("timeout" if shared.rootless else "error")
    assert done.usage.wall_s < 2.5
    assert not shared.hosted


def test_two_run_at_the_same_time_and_apart(sandbox: E2BSandbox, shared: LoopbackE2B, environment: Environment) -> None:
    source = b"import os, time\nopen('/tmp/mine', 'x').close(); time.sleep(1); print(os.environ['COUNTERPROOF_SEED'])"
    specs = [ExecutionSpec(program=source, environment=environment, seed=seed) for seed in range(2)]
    asyncio.run(sandbox.probe())
    shared.most_hosted = 0
    done = run_all(sandbox, specs)
    assert [item.stdout.data for item in done] == [b"0\n", b"1\n"]
    assert shared.most_hosted == 2


def _session(sandbox: E2BSandbox, environment: Environment, how: str) -> tuple[Execution | None, float]:
    async def start() -> tuple[Execution | None, float]:
        limits = Limits(wall_s=30)
        session = await sandbox.open(ExecutionSpec(program=SLEEP, environment=environment, limits=limits))
        running = asyncio.create_task(session.run())
        await asyncio.sleep(1.0)
        begin_s = time.monotonic()
        await {"cancel": session.cancel, "close": session.close, "abandon": _cancelling(running)}[how]()
        result = (await asyncio.gather(running, return_exceptions=True))[0]
        await session.close()
        await session.close()
        return (result if isinstance(result, Execution) else None), time.monotonic() - begin_s

    return asyncio.run(start())


SLEEP = b"import time; time.sleep(60)"


def _cancelling(task: asyncio.Task[Execution]):  # type: ignore[no-untyped-def]  # a function of none
    async def cancel() -> None:
        task.cancel()

    return cancel


@pytest.mark.parametrize("how", ["cancel", "close", "abandon"])
def test_session_ends_the_machine(how: str, sandbox: E2BSandbox, shared: LoopbackE2B, environment: Environment) -> None:
    done, took_s = _session(sandbox, environment, how)
    assert done is None if how == "abandon" else done is not None and done.status == "killed"
    assert took_s < 5
    assert not shared.hosted


def test_session_runs_once(sandbox: E2BSandbox, environment: Environment) -> None:
    async def twice() -> None:
        session = await sandbox.open(ExecutionSpec(program=b"pass", environment=environment))
        try:
            await session.run()
            await session.run()
        finally:
            await session.close()

    with pytest.raises(UsageError, match="it runs once"):
        asyncio.run(twice())


def test_session_that_never_ran_sends_nothing(
    sandbox: E2BSandbox, shared: LoopbackE2B, environment: Environment
) -> None:
    async def unused() -> None:
        session = await sandbox.open(ExecutionSpec(program=b"pass", environment=environment))
        await session.cancel()
        await session.close()
        with pytest.raises(UsageError, match="is closed"):
            await session.run()

    asyncio.run(sandbox.probe())
    before = len(shared.requests)
    asyncio.run(unused())
    assert len(shared.requests) == before


def test_other_language_is_refused(sandbox: E2BSandbox, environment: Environment) -> None:
    r = replace(environment, language="r")
    with pytest.raises(UsageError, match=r"'r'.*Python only"):
        run_all(sandbox, [ExecutionSpec(program=b"x <- 1", environment=r, program_name="program.R")])


def test_missing_input_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'gone.csv' is not a file.*Check the path"):
        run("pass", {"gone.csv": tmp_path / "gone.csv"})
