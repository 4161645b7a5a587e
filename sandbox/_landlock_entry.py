"""The first process of a Landlock sandbox: starts the program, ends everything, hands out the outputs.

The idea: two domains, one in the other. This process enters the outer one, from which no signal leaves, and adopts
orphans. So it can end all that is left with `kill(-1)`, the one way that no fork can outrun, without reaching anybody
else; before that it proves that it can't signal a process outside. The program's process then enters the inner domain
(files, ports, signals) and takes the filters; it can't signal, stop or look into this one. Told to end (SIGTERM, or
SIGHUP at its supervisor's death), this process ends everything first.

It does not cover namespaces: there are none. Killed outright by an administrator, it can't end the others.

Runs as the main file of a zip in memory, `python -I -S ZIP PLAN_FD FRAME_FD OUT_FD ERR_FD STATUS_FD`, beside copies of
`_shim.py`, `_landlock.py`, `_private.py` and `_confine.py`; imports nothing else of ours.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import _confine  # type: ignore[import-not-found]  # beside this file in the zip
import _landlock  # type: ignore[import-not-found]
import _private  # type: ignore[import-not-found]
import _shim  # type: ignore[import-not-found]

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_DYING_S = 2.0
_LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Run the program of the plan and report on it."""
    plan_fd, frame_fd, out_fd, err_fd, status_fd = (int(item) for item in sys.argv[1:6])
    _shim.close_others({0, 1, 2, plan_fd, frame_fd, out_fd, err_fd, status_fd})
    with open(plan_fd, "rb") as file:
        plan = json.load(file)
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)
    if os.getppid() != plan["supervisor"] or os.geteuid() == 0:
        sys.exit("the supervisor has gone, or this would run as root")
    os.setsid()
    enter_outer_domain(plan["outer"])
    signal.signal(signal.SIGTERM, lambda *_: end_all())
    signal.signal(signal.SIGHUP, lambda *_: end_all(left_alone_with=plan))
    _confine.set_dumpable(0)
    os.write(status_fd, json.dumps({"child-pid": os.getpid()}).encode() + b"\n")
    os.close(status_fd)
    child = os.fork()
    if child == 0:
        become_program(plan, frame_fd, out_fd, err_fd)
    os.close(out_fd)
    os.close(err_fd)
    _shim.watch_over(plan, child, frame_fd)


def end_all(left_alone_with: dict[str, Any] | None = None) -> None:
    """End every other process of the sandbox, then this one; clear up after a supervisor that has died."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _shim._kill_everything()
    if left_alone_with is not None:
        clear_up(left_alone_with)
    os._exit(0)


def clear_up(plan: dict[str, Any]) -> None:
    """Empty the private folder when the supervisor has died and not just one of its threads, which die one by one."""
    until_s = time.monotonic() + _DYING_S
    while os.getppid() == plan["supervisor"]:
        if time.monotonic() > until_s:
            return
        time.sleep(0.01)
    run = Path(plan["run"])
    for clear, folder in ((_private.empty, run / "out"), (_private.empty, run / "tmp"), (_private.remove, run)):
        with contextlib.suppress(OSError):  # as root the folder itself, with the program's text, stays
            clear(folder)


def enter_outer_domain(ruleset: dict[str, Any]) -> None:
    """Adopt orphans, take the outer domain, and prove that no signal leaves it."""
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("orphans can't be adopted here")
    reader, writer = os.pipe()
    outside = os.fork()
    if outside == 0:
        os.close(writer)
        os.read(reader, 1)  # ends with its parent, whatever happens
        os._exit(0)
    os.close(reader)
    _landlock.restrict(ruleset)
    try:
        os.kill(outside, 0)
    except PermissionError:
        return
    finally:
        os.close(writer)
        os.waitpid(outside, 0)
    sys.exit("signals leave the Landlock domain, so ending everything would end the user's session")


def become_program(plan: dict[str, Any], frame_fd: int, out_fd: int, err_fd: int) -> None:
    """Give up every right that the program has no use for, and become it; does not return."""
    try:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(out_fd, 1)
        os.dup2(err_fd, 2)
        _shim.close_others({0, 1, 2, frame_fd})
        os.set_inheritable(frame_fd, False)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # where the machine runs out of memory, the program goes before what ends it
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        for name, value in plan["rlimits"].items():
            resource.setrlimit(getattr(resource, name), (value, value))
        os.umask(0o022)
        os.chdir(plan["cwd"])
        _landlock.restrict(plan["inner"])
        _confine._drop_capabilities()
        for code in plan["filters"]:
            _confine._install(bytes.fromhex(code))
        _shim.send(frame_fd, b"H", b"")
        os.execve(plan["argv"][0], plan["argv"], plan["env"])  # noqa: S606
    except BaseException as error:
        _shim.send(frame_fd, b"X", f"{type(error).__name__}: {error}".encode()[:2000])
    finally:
        os._exit(71)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"landlock: {error}")
