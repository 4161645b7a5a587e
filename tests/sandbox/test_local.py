"""What an honest program gets from the local sandbox."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.sandbox import Environment, ExecutionSpec, LocalSandbox, Mount, Protection, run_all
from counterproof.sandbox._probe import HOG

from .conftest import Run


def test_probe_holds_every_protection(sandbox: LocalSandbox) -> None:
    attestation = asyncio.run(sandbox.probe())
    assert set(attestation.protections) == set(Protection)
    assert "kernel" in attestation.host
    assert "kernel" not in attestation.deterministic()


def test_probe_is_made_once(sandbox: LocalSandbox) -> None:
    assert asyncio.run(sandbox.probe()) is asyncio.run(sandbox.probe())


def test_the_probe_that_takes_all_memory_stays_until_it_is_seen() -> None:
    code = b"import resource; resource.setrlimit(resource.RLIMIT_DATA, (256 << 20, 256 << 20))\n" + HOG
    with subprocess.Popen([sys.executable, "-c", code]) as hog:
        with pytest.raises(subprocess.TimeoutExpired):
            hog.wait(2)
        about = Path(f"/proc/{hog.pid}/status").read_text()
        assert int(about.partition("VmRSS:")[2].split()[0]) > 200 << 10
        hog.kill()


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
    assert done.artifact("flow.json") is not None
    assert done.rejected == ()


def test_run_gives_the_promised_environment(run: Run) -> None:
    done = run("import json, os; json.dump(dict(os.environ), open('results.json', 'w'))", seed=7)
    env = json.loads(done.artifacts[0].data)
    assert env["COUNTERPROOF_SEED"] == "7"
    assert (env["COUNTERPROOF_DATA"], env["COUNTERPROOF_OUT"], env["HOME"]) == ("/data", "/out", "/tmp")
    assert (env["TZ"], env["LANG"], env["PYTHONHASHSEED"]) == ("UTC", "C.UTF-8", "0")


def test_run_reads_an_input(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    done = run("print(open('/data/a.csv').read(), end='')", {"a.csv": tmp_path / "a.csv"})
    assert done.stdout.data == b"x\n1\n"


def test_run_reads_an_input_that_only_its_owner_may_read(run: Run, tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    vault.mkdir(mode=0o700)
    secret = vault / "patients.csv"
    secret.write_text("x\n2\n")
    secret.chmod(0o600)
    done = run("print(open('/data/patients.csv').read(), end='')", {"patients.csv": secret})
    assert done.stdout.data == b"x\n2\n"
    assert secret.stat().st_mode & 0o777 == 0o600


def test_run_reads_a_folder(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "b.csv").write_text("y")
    (folder / "inner" / "b.csv").chmod(0o600)
    done = run("print(open('/data/set/inner/b.csv').read())", {"set": folder})
    assert done.stdout.data == b"y\n"


def test_run_imports_the_locked_packages(run: Run, environment: Environment) -> None:
    done = run("import pandas, numpy; print(pandas.__file__)")
    assert (
        done.stdout.data.decode() == f"/opt/analysis/lib/python{environment.version}/site-packages/pandas/__init__.py\n"
    ), done.stderr.data.decode()


def test_run_draws_a_figure_without_making_the_font_cache(run: Run) -> None:
    done = run("""
        import os
        import matplotlib.pyplot as plt
        plt.plot([1, 2]); os.mkdir('figures'); plt.savefig('figures/line.png')
    """)
    assert done.status == "ok"
    assert done.stderr.data == b""
    assert done.artifacts[0].data.startswith(b"\x89PNG")


def test_run_traceback_has_no_path_of_this_machine(run: Run) -> None:
    done = run("import json\njson.loads('{')\n")
    assert (done.status, done.exit_code) == ("error", 1)
    lines = [line for line in done.stderr.data.decode().splitlines() if "File" in line]
    assert lines[0] == '  File "/program/program.py", line 2, in <module>'
    assert all('"/program/' in line or '"/opt/python/lib/python3' in line for line in lines)


def test_run_reports_exit_code_and_signal(run: Run) -> None:
    assert run("raise SystemExit(7)").exit_code == 7
    ended = run("import os; os.abort()")
    assert (ended.status, ended.exit_code, ended.signal) == ("error", None, 6)


def test_run_twice_gives_the_same_bytes(run: Run) -> None:
    source = """
        import random, os
        random.seed(int(os.environ['COUNTERPROOF_SEED']))
        print(random.random(), {'a', 'b'}, os.getpid())
    """
    assert run(source, seed=3).stdout == run(source, seed=3).stdout


def test_run_all_runs_at_the_same_time_and_keeps_them_apart(sandbox: LocalSandbox, environment: Environment) -> None:
    source = """
import os, time
open('/tmp/mine', 'x').close(); open('/dev/shm/mine', 'x').close()
time.sleep(0.5)
print(os.environ['COUNTERPROOF_SEED'], len([n for n in os.listdir('/proc') if n.isdigit()]))
"""
    specs = [ExecutionSpec(program=source.encode(), environment=environment, seed=seed) for seed in range(4)]
    begin = time.monotonic()
    done = run_all(sandbox, specs)
    assert [item.stdout.data for item in done] == [f"{seed} 2\n".encode() for seed in range(4)]
    assert time.monotonic() - begin < 1.9


def test_session_cancel_kills(sandbox: LocalSandbox, environment: Environment) -> None:
    async def cancelled() -> str:
        session = await sandbox.open(ExecutionSpec(program=b"import time; time.sleep(60)", environment=environment))
        running = asyncio.create_task(session.run())
        await asyncio.sleep(0.3)
        await session.cancel()
        done = await running
        await session.close()
        await session.close()
        return done.status

    assert asyncio.run(cancelled()) == "killed"


def test_session_runs_once(sandbox: LocalSandbox, environment: Environment) -> None:
    async def twice() -> None:
        session = await sandbox.open(ExecutionSpec(program=b"pass", environment=environment))
        try:
            await session.run()
            await session.run()
        finally:
            await session.close()

    with pytest.raises(UsageError, match="it runs once"):
        asyncio.run(twice())


def test_open_refuses_a_missing_input(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'gone.csv' is not a file.*Check the path"):
        run("pass", {"gone.csv": tmp_path / "gone.csv"})


@pytest.mark.parametrize("target", ["../x", "a/b", "", ".hidden", "-x", "a\nb", "/etc/passwd"])
def test_mount_refuses_a_bad_name(target: str) -> None:
    with pytest.raises(UsageError, match="Rename the file"):
        Mount(host=Path("/usr"), target=target)
