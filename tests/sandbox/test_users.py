"""The sandbox as another user, and without its supervisor."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from counterproof.sandbox._watch import processes_of, real_uid

pytestmark = pytest.mark.abuse

_HERE = Path(__file__).resolve().parents[2]
_PROGRAM = """
import asyncio
from counterproof.sandbox import ExecutionSpec, Limits, LocalSandbox, find_environment, run_all
spec = ExecutionSpec(program={program!r}, environment=find_environment(), limits=Limits(processes=16))
sandbox = LocalSandbox()
if {wait}:
    asyncio.run(sandbox.probe())
    print('proven', flush=True)
done = run_all(sandbox, [spec])[0]
print(done.status, done.stdout.data.decode(), done.stderr.data.decode())
"""
# Makes the interpreter reachable when it lies in a home folder that only root may enter.
_UNVEIL = """
set -e
folder=$1; shift; prefix=$1; shift
mkdir "$folder/kept"; mount --bind "$prefix" "$folder/kept"
mount -t tmpfs -o mode=755 tmpfs "/$(echo "$prefix" | cut -d/ -f2)"
mkdir -p "$prefix"; mount --bind "$folder/kept" "$prefix"
exec "$@"
"""


def _as_user(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    command = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", sys.executable, "-c", source]
    prefix = str(Path(sys.base_prefix).resolve())
    veiled = any(parent.stat().st_mode & 0o001 == 0 for parent in Path(prefix).parents)
    if veiled:
        command = ["unshare", "-m", "sh", "-c", _UNVEIL, "sh", str(folder), prefix, *command]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=_HERE, env=_env())


def _env() -> dict[str, str]:
    path = os.pathsep.join(item for item in (str(_HERE / ".links"), os.environ.get("PYTHONPATH", "")) if item)
    return {"PATH": os.defpath, "PYTHONPATH": path}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; this run is that user")
def test_ordinary_user_runs_and_is_isolated(tmp_path: Path) -> None:
    assert shutil.which("setpriv") is not None
    done = _as_user(
        tmp_path, _PROGRAM.format(wait=False, program=b"import os; print(os.getuid(), os.listdir('/data'))")
    )
    assert done.stdout.strip() == "ok 1000 []", done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has nothing to drop")
def test_root_is_dropped_before_the_sandbox_starts() -> None:
    source = _PROGRAM.format(wait=True, program=b"import time; time.sleep(20)")
    with _supervisor(source, processes=1) as process:
        uids = {real_uid(pid) for pid in _sandboxed(process.pid)}
    assert uids == {65534}


# Root of a user namespace of its own, in which the kernel allows no further ones.
_NEWUSER, _NEWNS = 0x10000000, 0x00020000
_BLOCKED = """
import ctypes, os
from pathlib import Path
asked, told = os.pipe(), os.pipe()
child = os.fork()
if child:
    os.read(asked[0], 1)
    for name in ('uid_map', 'gid_map'):
        Path(f'/proc/{child}/{name}').write_text('0 0 70000')
    os.write(told[1], b'x')
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
ctypes.CDLL(None).unshare({namespaces})
os.write(asked[1], b'x')
os.read(told[0], 1)
Path('/proc/sys/user/max_user_namespaces').write_text('0')
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can block user namespaces for a test")
def test_blocked_user_namespaces_are_refused() -> None:
    assert "max_user_namespaces" in _refusal(namespaces=_NEWUSER | _NEWNS)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user needs no stage")
def test_root_that_may_not_change_its_mounts_is_refused() -> None:
    """Root of a user namespace, in mounts that belong to another: it could leave them, and not come back."""
    assert "as an ordinary user, or give the container CAP_SYS_ADMIN" in _refusal(namespaces=_NEWUSER)


def _refusal(*, namespaces: int) -> str:
    """Return how a program is refused by root of these new namespaces, who may make no more of them."""
    source = _BLOCKED.replace("{namespaces}", str(namespaces)) + _PROGRAM.format(wait=False, program=b"print('ran')")
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False, cwd=_HERE, env=_env()
    )
    assert "nothing ran" in done.stderr, done.stderr
    assert "ran" not in done.stdout
    return done.stderr.splitlines()[-1]


def test_killed_supervisor_leaves_no_survivor() -> None:
    program = b"import os, time\nfor _ in range(3): os.fork()\nif os.getpid() > 2: os.setsid()\ntime.sleep(60)"
    with _supervisor(_PROGRAM.format(wait=True, program=program), processes=8) as process:
        handles = [os.pidfd_open(pid) for pid in _sandboxed(process.pid)]
        assert len(handles) == 10  # bubblewrap, the shim, eight of the program
        process.kill()
        process.wait()
        until = time.monotonic() + 2
        while time.monotonic() < until and any(_alive(handle) for handle in handles):
            time.sleep(0.01)
        alive = [_alive(handle) for handle in handles]
        for handle in handles:
            os.close(handle)
    assert not any(alive)


@contextmanager
def _supervisor(source: str, *, processes: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a supervisor, let it probe, and wait until its program has that many processes."""
    process = subprocess.Popen([sys.executable, "-c", source], cwd=_HERE, env=_env(), stdout=subprocess.PIPE)
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"proven\n"
            until = time.monotonic() + 20
            while time.monotonic() < until and sum(map(_is_program, _sandboxed(process.pid))) < processes:
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def _sandboxed(supervisor: int) -> list[int]:
    return [pid for pid in processes_of(supervisor) if pid != supervisor]


def _is_program(pid: int) -> bool:
    try:
        return b"-P\0/program/program.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _alive(handle: int) -> bool:
    return not select.select([handle], [], [], 0)[0]


# The suites below must hold for an ordinary user too; they are those that the root of this run has just passed.
_SUITES = ("test_abuse.py", "test_limits.py", "test_artifacts.py", "test_warm_weakened.py")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; this run is that user")
@pytest.mark.parametrize("suite", _SUITES)
def test_suite_holds_for_an_ordinary_user(suite: str, tmp_path: Path) -> None:
    options = ["-v", "-p", "no:cacheprovider", "-p", "no:xdist"]
    with tempfile.TemporaryDirectory() as base:  # pytest's own folders are closed to other users
        Path(base).chmod(0o777)
        done = _as_user(tmp_path, _suite(suite, [*options, "--basetemp", f"{base}/run"]))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout


def _suite(name: str, options: list[str]) -> str:
    path = str(Path(__file__).parent / name)
    return f"import pytest, sys; sys.dont_write_bytecode = True; sys.exit(pytest.main({[*options, path]!r}))"
