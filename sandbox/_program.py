"""The program's process of a warm execution: a fork of the template, confined, that becomes a fresh interpreter.

The idea: it joins the namespaces of the first process (`_first.py`) and gives up every right, so that it is as confined
as after a cold start, and waits for the order: that is a parked child. It lays its own files then, through descriptors
of folders that are read-only by their names, closes those, and runs.

What a program may not notice: the environment, arguments, streams, warnings, random numbers and `__main__` are those
of a fresh interpreter. What it can notice: modules are already in `sys.modules`, one more frame on the stack, and that
no process of its namespace is its parent.

It does not cover how the process is made (`_zygote.py`), nor what follows its end.

Source: the zygote of the project's sandbox study, section 3, with its list of fork hazards.
Imported by `_zygote.py` inside the sandbox; imports nothing of ours but what lies beside it.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import fcntl
import gc
import marshal
import os
import resource
import socket
import sys
import threading
import traceback
import types
from collections.abc import Iterable, Iterator
from importlib.machinery import SourceFileLoader
from typing import Any, NoReturn

import confine  # type: ignore[import-not-found]  # they lie beside this file inside the sandbox
import shim  # type: ignore[import-not-found]

_MOST_MESSAGE, _MOST_FDS = 1 << 17, 253
_MOST_ANCILLARY = socket.CMSG_SPACE(_MOST_FDS * 4)
_HIGH, _HIGHEST = 500, 2**31 - 1
_INSIDE = "/opt/counterproof"
_REHEARSAL = "rehearsal"
_LAYING = ("RLIMIT_FSIZE", "RLIMIT_NOFILE")  # the limits that inputs need not keep
_FRAMES_BELOW = 2  # of `_warm_entry.py` and its call of exec
_MOTIONS = b"""
from pathlib import Path as _Path

class _One:
    kept: dict[str, float] = {}

    def mean(self, values: list[float], *, of: int = 1) -> float:
        return sum(value for value in values if value > 0) / (len(values) or of)

try:
    with open(_Path("/etc/passwd"), encoding="utf-8") as _file:
        _rows = [line.rstrip().split(":") for line in _file]
    _One.kept.update({f"{name}-{at:03d}": _One().mean([float(at)]) for at, (name, *_) in enumerate(_rows)})
except (OSError, ValueError) as _error:
    raise SystemExit(1) from _error
print(len(_rows), flush=True)
"""
"""What is rehearsed: what many programs are made of. It leaves nothing behind."""
_environment: dict[str, str] = {}  # what `os.environ` holds while the order is waited for: looking it up takes long
kept: list[object] = []  # what would be freed on the way to the program, which writes to memory that is shared


class Program:
    """One program in its own process, confined; the entry script runs it."""

    def __init__(self, plan: dict[str, Any], source: bytes) -> None:
        self._plan = plan
        self._code = 0
        self._fault: BaseException | None = None
        self._compiled: types.CodeType | None = None
        path = plan["argv"][-1]
        module = types.ModuleType("__main__")
        self.namespace = module.__dict__
        self.namespace["__loader__"] = SourceFileLoader("__main__", path)
        self.namespace.update(__annotations__={}, __builtins__=sys.modules["builtins"], __file__=path, __cached__=None)
        self._module = module
        sys.modules["__main__"] = module
        try:
            self._compiled = compile(source, path, "exec", dont_inherit=True)
        except BaseException as error:
            self._fault = error

    def compiled(self) -> types.CodeType:
        """Return the code; a syntax error is the program's."""
        if self._compiled is None:
            raise self._fault or SyntaxError("the program was not compiled")
        return self._compiled

    def failed(self, error: BaseException) -> None:
        """Report an exception as the interpreter does, without the frames that aren't the program's."""
        if isinstance(error, SystemExit):
            self._code = _exit_code(error)
            return
        self._code = 1
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_INSIDE):
            trace = trace.tb_next
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
        with contextlib.suppress(Exception):
            sys.excepthook(type(error), error.with_traceback(trace), trace)

    def end(self) -> None:
        """Finish as an interpreter does (threads, exit functions, open files), but don't tear down the stack."""
        threading._shutdown()  # type: ignore[attr-defined]  # what Py_FinalizeEx calls
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()  # what Py_FinalizeEx calls
        sys.modules.pop("__main__", None)
        sys.last_value = sys.last_traceback = None
        self.namespace.clear()
        gc.collect()
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None and not stream.closed:
                    stream.flush()
            except Exception:  # as the interpreter: the output could not be written
                self._code = 120
        os._exit(self._code)


def become(about: dict[str, Any], handles: tuple[int, int, int, int], pair_fd: int, first: int) -> Program:
    """Be the program's process: confine it, let it be what a fresh interpreter would be, and wait for the order.

    Args:
        about: what `confine.join` needs, whether to `rehearse`, what is `preload`ed, the template's `data_bytes`, the
            program's `rlimits` and `cwd`, and the `env` of most programs.
        handles: where the order comes from, the program's two streams, and where frames go.
        pair_fd: where the first process says that it is confined.
        first: a pidfd of it.
    """
    try:
        os.setsid()
        _look_fresh()
        order_fd, out_fd, err_fd, frame_fd = handles
        pair = socket.socket(fileno=pair_fd)
        data, opened, _, _ = socket.recv_fds(pair, _MOST_MESSAGE, _MOST_FDS)
        folders = dict(zip(marshal.loads(data), opened, strict=True))  # noqa: S302  # the first process has written it
        confine.join(first, about, bytes.fromhex(about["filter"]))
        pair.detach()
        kept.extend((about, handles, pair, folders))
        shim.close_others({0, 1, 2, *handles, *opened})
        _environment.update(os.environ)
        try:
            os.chdir(about["cwd"])
            _limit(about["rlimits"].keys() - _LAYING, about)
        except (OSError, ValueError) as error:
            _give_up(frame_fd, error)
        if about["rehearse"]:
            _rehearse(about, folders, [name for name in about["preload"] if name in sys.modules])
        for stream, number in ((out_fd, 1), (err_fd, 2)):
            os.dup2(stream, number)
            os.close(stream)
        return _obey(about, order_fd, frame_fd, folders, close_from=3)
    except BaseException:
        traceback.print_exc()
        os._exit(71)


def _obey(about: dict[str, Any], order: int, frame_fd: int, folders: dict[str, int], *, close_from: int) -> Program:
    """Take the one order, lay the files, close all descriptors from a number on, and return the program."""
    line = socket.socket(fileno=order)
    room = bytearray(_MOST_MESSAGE)
    try:
        plan, files = _order(line, room)
        source = plan["source"] + b"".join(_rest(line, room, plan["size"] - len(plan["source"])))
        line.detach()
        _lay_source(folders[plan["program"][0]], plan["program"][1], source)
        for (folder, name), handle in zip(plan["files"], files, strict=True):
            _lay(folders, folder, name, handle)
        _limit(_LAYING, about)
        shim.send(frame_fd, b"H", b"")
    except (OSError, ValueError) as error:
        _give_up(frame_fd, error)
    os.closerange(close_from, _HIGHEST)  # all of the above, and whatever else there were
    _set_environment(plan["env"])
    sys.argv[:] = plan["argv"][-1:]
    sys.orig_argv[:] = plan["argv"]
    return Program(plan, source)


def _give_up(frame_fd: int, error: Exception) -> NoReturn:
    """Say why the program can't be started, and end."""
    shim.send(frame_fd, b"X", f"{type(error).__name__}: {error}".encode()[:2000])
    os._exit(71)


def _order(line: socket.socket, room: bytearray) -> tuple[dict[str, Any], list[int]]:
    """Wait for the order, and return it with the open files that came with it."""
    size, ancillary = _next(line, room)
    while size == 1:  # a knock, which has done its work when it is heard
        size, ancillary = _next(line, room)
    files = array.array("i")
    for _, _, handles in ancillary:
        files.frombytes(handles)
    return marshal.loads(memoryview(room)[:size]), files.tolist()  # noqa: S302  # the supervisor has written it


def _rest(line: socket.socket, room: bytearray, left: int) -> Iterator[bytes]:
    """Yield what the order had no room for."""
    while left > 0:
        size, _ = _next(line, room)
        left -= size
        yield bytes(room[:size])


def _next(line: socket.socket, room: bytearray) -> tuple[int, list[Any]]:
    size, ancillary, _, _ = line.recvmsg_into([room], _MOST_ANCILLARY)
    if not size:
        os._exit(71)  # parked and no longer wanted
    return size, ancillary


def _limit(names: Iterable[str], about: dict[str, Any]) -> None:
    """Set these limits; the template's own memory is not the program's."""
    for name in names:
        most = about["rlimits"][name] + (about["data_bytes"] if name == "RLIMIT_DATA" else 0)
        resource.setrlimit(getattr(resource, name), (most, most))


def _lay_source(folder: int, name: str, source: bytes) -> None:
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444, dir_fd=folder)
    rest = memoryview(source)
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.close(handle)


def _lay(folders: dict[str, int], folder: str, name: str, source: int) -> None:
    """Lay a file into one of the `folders`, where it can be read, or elsewhere, where it can be written."""
    if folder in folders:
        place(folders[folder], name, source, 0o444)
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    place(handle, name, source, 0o644)
    os.close(handle)


def place(folder: int, name: str, source: int, mode: int) -> None:
    """Copy what the descriptor holds to a new file below the folder; the folders between are made."""
    parts = name.split("/")
    for at in range(1, len(parts)):
        with contextlib.suppress(FileExistsError):
            os.mkdir("/".join(parts[:at]), 0o755, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(name, flags, mode, dir_fd=folder)
    at = 0
    while sent := os.sendfile(handle, source, at, 1 << 24):
        at += sent
    os.close(handle)


def _rehearse(about: dict[str, Any], folders: dict[str, int], imported: list[str]) -> None:
    """Obey an order to do nothing while there is time, so that the memory that this touches is copied before it counts.

    The process is still as trusted as the template. It prints nothing.
    """
    nowhere = _high(os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC))
    for number in (1, 2):
        os.dup2(nowhere, number)
    folder, handle = next(iter(folders.items()))
    source = "".join(f"import {name}\n" for name in imported).encode() + _MOTIONS
    plan = {
        "program": (folder, _REHEARSAL),
        "files": [],
        "argv": list(sys.orig_argv),
        "env": about["env"],
        "size": len(source),
        "source": source,
    }
    here = {name: resource.getrlimit(getattr(resource, name))[1] for name in _LAYING}
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one:
        one.send(b"k")
        one.send(marshal.dumps(plan))
        lent = {folder: _high(os.dup(handle))}
        program = _obey({"rlimits": here}, _high(other.detach()), nowhere, lent, close_from=_HIGH)
        exec(program.compiled(), program.namespace)  # noqa: S102  # the lines above
    os.unlink(_REHEARSAL, dir_fd=handle)


def _high(handle: int) -> int:
    """Give a descriptor a number that is higher than any that is needed later."""
    high: int = fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.close(handle)
    return high


def _look_fresh() -> None:
    """Undo what tells a forked interpreter from a started one, as far as it doesn't depend on the order."""
    os.umask(0o022)
    sys.path.remove(_INSIDE)
    for name in ("zygote", "first", "program", "confine", "shim"):
        sys.modules.pop(name, None)
    sys.setrecursionlimit(sys.getrecursionlimit() + _FRAMES_BELOW)
    _reseed()
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile._name_sequence = None  # type: ignore[attr-defined]  # made anew when needed


def _set_environment(env: dict[str, str]) -> None:
    if env == _environment:
        return
    for name in [name for name in _environment if name not in env]:
        del os.environ[name], _environment[name]
    for name, value in env.items():
        if _environment.get(name) != value:
            os.environ[name] = _environment[name] = value


def _reseed() -> None:
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()  # `random` does that itself after a fork


def _exit_code(error: SystemExit) -> int:
    """Return what the interpreter would exit with, and print what it would print."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    with contextlib.suppress(Exception):
        print(error.code, file=sys.stderr)
    return 1
