"""The sandbox without namespaces: refused unless what is missing is named, and what it does then."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from counterproof.provenance.errors import UsageError
from counterproof.sandbox import (
    Environment,
    ExecutionSpec,
    LandlockSandbox,
    Protection,
    SandboxUnavailable,
    _landlock,
    _private,
    run_all,
)
from counterproof.sandbox._watch import processes_of, real_uid
from counterproof.sandbox.landlock import NEVER_HELD

from .landlocked import moved, run_in
from .test_users import _HERE, _alive, _as_user, _env, _suite

pytestmark = pytest.mark.abuse

_PROGRAM = """
from counterproof.sandbox import ExecutionSpec, LandlockSandbox, find_environment, run_all
from counterproof.sandbox.landlock import NEVER_HELD
import asyncio
from pathlib import Path
sandbox = LandlockSandbox(folder=Path({folder!r}))
asyncio.run(sandbox.probe())
print('proven', flush=True)
spec = ExecutionSpec(program={program!r}, environment=find_environment(), allow_degraded=NEVER_HELD)
done = run_all(sandbox, [spec])[0]
print(done.status, done.stdout.data.decode(), done.stderr.data.decode())
"""


@pytest.fixture(scope="module")
def landlock() -> LandlockSandbox:
    """The sandbox; its first use probes."""
    return LandlockSandbox()


@pytest.mark.parametrize("missing", [None, *sorted(NEVER_HELD)])
def test_default_is_refused_and_names_what_is_missing(
    landlock: LandlockSandbox, environment: Environment, missing: Protection | None
) -> None:
    spec = ExecutionSpec(program=b"pass", environment=environment)
    if missing:
        spec = replace(spec, allow_degraded=NEVER_HELD - {missing})
    named = ", ".join(sorted([missing] if missing else NEVER_HELD))
    with pytest.raises(SandboxUnavailable, match=rf"'landlock' does not give what is required: {named}\..*Nothing was"):
        run_all(landlock, [spec])


def test_named_degradation_runs_and_stands_in_the_attestation(
    landlock: LandlockSandbox, environment: Environment
) -> None:
    spec = ExecutionSpec(program=b"print(1)", environment=environment, allow_degraded=frozenset(Protection))
    done = run_all(landlock, [spec])[0]
    assert (done.status, done.stdout.data, done.attestation.host["tier"]) == ("ok", b"1\n", "landlock")
    assert set(done.attestation.degraded) == NEVER_HELD
    assert set(done.attestation.protections) == set(Protection) - NEVER_HELD
    assert done.attestation.deterministic()["degraded"] == sorted(NEVER_HELD)


def test_analysis_runs_with_inputs_packages_and_figures(
    landlock: LandlockSandbox, environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n2\n")
    (tmp_path / "a.csv").chmod(0o600)
    source = """
        import json, os, sys
        import matplotlib.pyplot as plt
        import pandas as pd
        frame = pd.read_csv('/data/a.csv')
        os.makedirs('figures')
        frame.plot().figure.savefig('figures/x.png')
        json.dump({'sum': int(frame.x.sum()), 'env': dict(os.environ)}, open('results.json', 'w'))
        print(sys.stdin.read() == '')
    """
    done = run_in(landlock, environment, moved(source), {"a.csv": tmp_path / "a.csv"}, work_mib=32)
    assert (done.status, done.stdout.data, done.stderr.data) == ("ok", b"True\n", b"")
    assert [item.name for item in done.artifacts] == ["figures/x.png", "results.json"]
    found = json.loads(done.artifacts[1].data)
    assert (found["sum"], found["env"]["TZ"], found["env"]["PYTHONHASHSEED"]) == (3, "UTC", "0")


@pytest.mark.parametrize(("abi", "message"), [(0, "no Landlock"), (2, "ABI 2"), (5, "ABI 5.*ABI 6.*Linux 6.12")])
def test_old_kernel_is_refused(monkeypatch: pytest.MonkeyPatch, abi: int, message: str) -> None:
    monkeypatch.setattr(_landlock, "abi", lambda: abi)
    with pytest.raises(SandboxUnavailable, match=rf"{message}.*LocalSandbox") as caught:
        asyncio.run(LandlockSandbox().probe())
    assert caught.value.evidence.endswith(f"ABI {abi}")


def test_kernel_without_landlock_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def syscall(self, *_: object) -> int:
            return -1

    monkeypatch.setattr(_landlock, "_LIBC", Refusing())
    assert _landlock.abi() == 0


def test_root_and_r_are_refused(landlock: LandlockSandbox, environment: Environment) -> None:
    with pytest.raises(UsageError, match=r"user id is 0.*unprivileged"):
        LandlockSandbox(drop_uid=0)
    with pytest.raises(UsageError, match=r"Python programs only.*LocalSandbox"):
        run_all(landlock, [ExecutionSpec(program=b"1", environment=replace(environment, language="r"))])


def test_nothing_is_left_behind(environment: Environment, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    source = """
        import os, time
        for n in range(3):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0: os.closerange(0, 64); time.sleep(600)
                os._exit(0)
        os.makedirs('a/b'); os.symlink('/etc', 'a/link'); os.mkdir('shut', 0)
        open('/tmp/left', 'w').close()
    """
    sandbox = LandlockSandbox(folder=tmp_path)
    seed = os.getpid()
    assert run_in(sandbox, environment, moved(source), seed=seed).status == "ok"
    assert run_in(sandbox, environment, f"{moved(source)}\ntime.sleep(60)", seed=seed, wall_s=1).status == "timeout"
    assert _with_seed(seed) == set()
    assert list(tmp_path.iterdir()) == []


def test_executions_at_the_same_time_are_kept_apart(landlock: LandlockSandbox, environment: Environment) -> None:
    program = b"import os, time; open(os.environ['TMPDIR'] + '/mine', 'x'); time.sleep(0.5); os.kill(-1, 9)"
    spec = ExecutionSpec(program=program, environment=environment, allow_degraded=NEVER_HELD)
    sleeper = replace(spec, program=b"import time; time.sleep(3); print('slept')")
    done = run_all(landlock, [spec, spec, sleeper])
    assert [item.status for item in done] == ["ok", "ok", "ok"]
    assert done[2].stdout.data == b"slept\n"


def test_cancelled_program_was_killed(landlock: LandlockSandbox, environment: Environment) -> None:
    seed = os.getpid()

    async def cancelled() -> str:
        program = b"import os, time\nfor _ in range(3): os.fork()\ntime.sleep(60)"
        spec = ExecutionSpec(program=program, environment=environment, seed=seed, allow_degraded=NEVER_HELD)
        session = await landlock.open(spec)
        running = asyncio.create_task(session.run())
        while len(_with_seed(seed)) < 8:
            await asyncio.sleep(0.05)
        await session.cancel()
        done = await running
        await session.close()
        return done.status

    assert asyncio.run(cancelled()) == "killed"
    assert _with_seed(seed) == set()


def test_deep_folders_are_removed(tmp_path: Path) -> None:
    with _private.private_folder(tmp_path) as folder:
        here = os.open(folder, os.O_RDONLY)
        for _ in range(3000):
            os.mkdir("x", dir_fd=here)
            inner = os.open("x", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
        os.close(here)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has nothing to drop")
def test_root_is_dropped_before_the_program_starts(tmp_path: Path) -> None:
    with _supervisor(b"import time; time.sleep(20)", folder=tmp_path) as process:
        uids = {real_uid(pid) for pid in processes_of(process.pid) if pid != process.pid}
    assert uids == {65534}


def test_killed_supervisor_leaves_no_survivor_and_no_output(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    program = b"""
import contextlib, os, time
open('results.json', 'w').write('{}'); open(os.environ['TMPDIR'] + '/copy', 'w').write('x')
for _ in range(4): os.fork()
with contextlib.suppress(OSError): os.setsid()
time.sleep(60)
"""
    with _supervisor(program, processes=16, folder=tmp_path) as process:
        handles = [os.pidfd_open(pid) for pid in processes_of(process.pid) if pid != process.pid]
        assert len(handles) == 17  # the first process, sixteen of the program
        process.kill()
        process.wait()
        until = time.monotonic() + 3
        while time.monotonic() < until and any(map(_alive, handles)):
            time.sleep(0.01)
        alive = [_alive(handle) for handle in handles]
        for handle in handles:
            os.close(handle)
    assert not any(alive)
    left = {item.name for item in tmp_path.rglob("*") if item.is_file() and not item.is_symlink()}
    assert left == ({"pyvenv.cfg", "program.py"} if os.geteuid() == 0 else set())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; this run is that user")
@pytest.mark.parametrize("suite", ["test_landlock.py", "test_landlock_abuse.py", "test_landlock_weakened.py"])
def test_suite_holds_for_an_ordinary_user(suite: str, tmp_path: Path) -> None:
    options = ["-v", "-p", "no:cacheprovider", "-p", "no:xdist"]
    with tempfile.TemporaryDirectory() as base:  # pytest's own folders are closed to other users
        Path(base).chmod(0o777)
        done = _as_user(tmp_path, _suite(suite, [*options, "--basetemp", f"{base}/run"]))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@contextmanager
def _supervisor(program: bytes, *, folder: Path, processes: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """Start a supervisor, let it probe, and wait until its program has that many processes."""
    source = _PROGRAM.format(program=program, folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", source], cwd=_HERE, env=_env(), stdout=subprocess.PIPE)
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"proven\n"
            until = time.monotonic() + 20
            while time.monotonic() < until and len(_programs(process.pid)) < processes:
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def _programs(supervisor: int) -> list[int]:
    return [pid for pid in processes_of(supervisor) if b"/program/program.py" in _command(pid)]


def _with_seed(seed: int) -> set[int]:
    """Return every process here whose program was given this seed, wherever it has got to."""
    pids = (int(item.name) for item in Path("/proc").iterdir() if item.name.isdigit())
    return {pid for pid in pids if f"COUNTERPROOF_SEED={seed}\0".encode() in _environ(pid)}


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
