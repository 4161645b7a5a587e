"""The warm interpreter: imports the analysis stack once, then forks one confined pair of processes an execution.

The idea: importing takes seconds, forking takes milliseconds. The template (this process, in a bubblewrap of its own
with capabilities only there) never runs a program. For each execution it forks into a fresh pid namespace; the first
process there confines itself (`_confine.py`), forks the program's process, and then does what the shim does after a
cold start. Both wait, fully confined, until the order comes: that is a parked child.

What a program may not notice: the environment, arguments, streams, warnings, random numbers and `__main__` are those
of a fresh interpreter. What it can notice: modules are already in `sys.modules`, and one more frame on the stack.

It does not cover anything outside of the sandbox; `_warm.py` speaks to it.

Source: the zygote of the project's sandbox study, section 3, with its list of fork hazards.
Imported by `_warm_entry.py` inside the sandbox; imports nothing of ours but `confine` and `shim`.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import json
import marshal
import os
import resource
import signal
import socket
import sys
import threading
import traceback
import types
from importlib.machinery import SourceFileLoader
from typing import Any

import confine  # type: ignore[import-not-found]  # they lie beside this file inside the sandbox
import shim  # type: ignore[import-not-found]

_MOST_MESSAGE, _MOST_FDS = 1 << 17, 253
_HUGE, _MADV_COLLAPSE = 2 << 20, 25
_INSIDE = "/opt/counterproof"
_REHEARSAL = "/tmp/rehearsal"
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
_kept: list[object] = []  # what would be freed on the way to the program, which writes to memory that is shared


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


def serve() -> Program:
    """Answer requests until the supervisor closes the line; returns only in a program's process."""
    about_fd, control_fd = (int(item) for item in sys.argv[1:3])
    with open(about_fd, "rb") as file:
        about = json.load(file)
    control = socket.socket(fileno=control_fd)
    os.set_inheritable(control_fd, False)
    _prepare(about)
    about["data_bytes"] = _state()["data_kib"] << 10
    itself = os.pidfd_open(os.getpid())
    socket.send_fds(control, [json.dumps(_state()).encode()], [itself])
    os.close(itself)
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    while True:
        data, handles, _, _ = socket.recv_fds(control, _MOST_MESSAGE, 2)
        if not data or not handles:
            os._exit(0)
        request = json.loads(data)
        try:
            confine.call("setns", own, confine.NEWPID)  # else a second unshare is refused
            confine.call("unshare", confine.NEWPID)
            child = os.fork()
        except OSError as error:
            control.send(json.dumps({"error": str(error)}).encode())
            _close(handles)
            continue
        if child == 0:
            control.detach()
            _kept.extend((about, request, data, handles, control))
            return _first({**about, **request}, *handles)
        pidfd = os.pidfd_open(child)
        socket.send_fds(control, [json.dumps({"pid": child}).encode()], [pidfd])
        os.close(pidfd)
        _close(handles)


def _close(handles: list[int]) -> None:
    for handle in handles:
        os.close(handle)


def _prepare(about: dict[str, Any]) -> None:
    """Import what is to be warm and make this process safe to fork."""
    for name in about["preload"]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if "matplotlib.pyplot" in sys.modules:
        _warm_plot()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # however the application was started
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps; the supervisor holds a pidfd
    gc.collect()
    gc.freeze()
    _collapse()


def _collapse() -> None:
    """Put the heap into huge pages where the kernel can (6.1): a fork then copies far fewer entries."""
    regions = []
    with open("/proc/self/maps", encoding="ascii", errors="replace") as file:
        for line in file:
            span, rights, _, _, inode, *name = line.split()
            if rights == "rw-p" and inode == "0" and (not name or name == ["[heap]"]):
                low, high = (int(item, 16) for item in span.split("-"))
                regions.append((-(-low // _HUGE) * _HUGE, high // _HUGE * _HUGE))
    for low, high in regions:
        if low < high:
            with contextlib.suppress(OSError):
                confine.call("madvise", ctypes.c_void_p(low), ctypes.c_size_t(high - low), _MADV_COLLAPSE)


def _warm_plot() -> None:
    """Draw once, so that fonts and the rasteriser are loaded; nothing of it is left."""
    plot = sys.modules["matplotlib.pyplot"]
    figure, axes = plot.subplots()
    axes.plot([0, 1], [0, 1], label="x")
    axes.legend()
    figure.savefig(io.BytesIO(), format="png")
    plot.close("all")


def _state() -> dict[str, int]:
    """Say what the supervisor needs to know about this process."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        fields = dict(line.split(":", 1) for line in file)
    kib = {name: int(fields[name].split()[0]) for name in ("RssAnon", "VmData")}
    return {"threads": int(fields["Threads"]), "anon_kib": kib["RssAnon"], "data_kib": kib["VmData"]}


def _first(about: dict[str, Any], line_fd: int, order_fd: int) -> Program:
    """Be the first process of the new namespace; returns only in the program's process."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        shim.close_others({0, 1, 2, line_fd, order_fd})
        fonts = _open_fonts(about["fonts"])
        folders = confine.confine(about, bytes.fromhex(about["filter"]))
        _copy_fonts(fonts, about["fonts"])
        placed_fd, place_fd = os.pipe()
        child = os.fork()
        if child == 0:
            confine.set_dumpable(1)
            return _second(about, order_fd, placed_fd)
        os.close(order_fd)
        os.close(placed_fd)
        confine.set_dumpable(0)
        if about["rehearse"]:
            _rehearse_first(folders)
        _wait_for_order(socket.socket(fileno=line_fd), place_fd, folders, child)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(line_fd, f"warm: {type(error).__name__}: {error}".encode()[:2000])
    os._exit(70)


def _wait_for_order(line: socket.socket, place_fd: int, folders: dict[str, int], child: int) -> None:
    """Take the one order, place the files, let the program begin, and watch over it as after a cold start."""
    data, handles, _, _ = socket.recv_fds(line, _MOST_MESSAGE, _MOST_FDS)
    if not data:
        os._exit(0)  # parked and no longer wanted
    frame_fd, *files = handles
    try:
        plan = marshal.loads(data)  # noqa: S302  # the supervisor has written it
        for (folder, name), handle in zip(plan["files"], files, strict=True):
            place = folders.get(folder) or os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            _place(place, name, handle, 0o444 if folder in folders else 0o644)
            os.close(handle)
        shim.send(frame_fd, b"H", b"")
        os.write(place_fd, b"\n")
    except (OSError, ValueError) as error:
        shim.send(frame_fd, b"X", f"{type(error).__name__}: {error}".encode()[:2000])
        os._exit(70)
    os.close(place_fd)
    for folder in folders.values():
        os.close(folder)
    shim.watch_over(plan, child, frame_fd)
    os._exit(0)


def _place(folder: int, name: str, source: int, mode: int) -> None:
    """Copy what the descriptor holds to a new file below the folder; the folders between are made."""
    parts = name.split("/")
    for at in range(1, len(parts)):
        with contextlib.suppress(FileExistsError):
            os.mkdir("/".join(parts[:at]), 0o755, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(name, flags, mode, dir_fd=folder)
    while os.sendfile(handle, source, None, 1 << 24):
        pass
    os.close(handle)


def _open_fonts(folder: str) -> dict[str, int]:
    """Open matplotlib's font cache before the folder is covered by the program's own."""
    names = [name for name in os.listdir(folder) if name.startswith("fontlist-")]
    return {name: os.open(f"{folder}/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in names}


def _copy_fonts(fonts: dict[str, int], folder: str) -> None:
    os.mkdir(folder, 0o755)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name, source in fonts.items():
        _place(handle, name, source, 0o644)
        os.close(source)
    os.close(handle)


def _second(about: dict[str, Any], order_fd: int, placed_fd: int) -> Program:
    """Be the program's process: become what a fresh interpreter would be, and wait for the order and the files."""
    try:
        os.setsid()
        order = socket.socket(fileno=order_fd)
        _kept.extend((about, order))
        if about["rehearse"]:
            _rehearse_second({order_fd, placed_fd}, [name for name in about["preload"] if name in sys.modules])
        _look_fresh()
        shim.close_others({0, 1, 2, order_fd, placed_fd})
        return _obey(order, placed_fd, spare_bytes=about["data_bytes"])
    except BaseException:
        traceback.print_exc()
        os._exit(71)


def _obey(order: socket.socket, placed_fd: int, *, spare_bytes: int) -> Program:
    """Take the one order, and return the program when its files are in place."""
    data, handles, _, _ = socket.recv_fds(order, _MOST_MESSAGE, 3)
    if not data:
        os._exit(71)
    plan = marshal.loads(data)  # noqa: S302  # the supervisor has written it
    out_fd, err_fd, source_fd = handles
    source = os.pread(source_fd, os.fstat(source_fd).st_size, 0)
    os.dup2(out_fd, 1)
    os.dup2(err_fd, 2)
    _close([*handles, order.detach()])
    for name, value in plan["rlimits"].items():
        spare = spare_bytes if name == "RLIMIT_DATA" else 0
        resource.setrlimit(getattr(resource, name), (value + spare, value + spare))
    os.chdir(plan["cwd"])
    _set_environment(plan["env"])
    sys.argv[:] = plan["argv"][-1:]
    sys.orig_argv[:] = plan["argv"]
    program = Program(plan, source)
    if not os.read(placed_fd, 1):
        os._exit(71)
    os.close(placed_fd)
    return program


def _look_fresh() -> None:
    """Undo what tells a forked interpreter from a started one, as far as it doesn't depend on the order."""
    os.umask(0o022)
    sys.path.remove(_INSIDE)
    for name in ("zygote", "confine", "shim"):
        sys.modules.pop(name, None)
    sys.setrecursionlimit(sys.getrecursionlimit() + _FRAMES_BELOW)
    _reseed()
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile._name_sequence = None  # type: ignore[attr-defined]  # made anew when needed


def _rehearse_first(folders: dict[str, int]) -> None:
    """Go through the motions while there is time, so that the memory they touch is copied before the order comes."""
    for folder in folders.values():
        source = os.open("/etc/passwd", os.O_RDONLY | os.O_CLOEXEC)
        _place(folder, "rehearsal", source, 0o444)
        os.close(source)
        os.unlink("rehearsal", dir_fd=folder)
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        socket.send_fds(one, [marshal.dumps({"files": [["/data", "a.csv"]], "names": ["results.json"]})], [2])
        data, handles, _, _ = socket.recv_fds(other, _MOST_MESSAGE, _MOST_FDS)
        marshal.loads(data)  # noqa: S302  # the line above
        _close(handles)


def _rehearse_second(keep: set[int], imported: list[str]) -> None:
    """The same in the program's process, which is still as trusted as the template: obey an order to do nothing."""
    shim.close_others({0, 1, 2} | keep)
    kept = {handle: os.dup(handle) for handle in (1, 2)}
    placed_fd, place_fd = os.pipe()
    os.write(place_fd, b"\n")
    handles = [os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC) for _ in kept]
    handles.append(os.open(_REHEARSAL, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    os.unlink(_REHEARSAL)
    os.write(handles[-1], "".join(f"import {name}\n" for name in imported).encode() + _MOTIONS)
    env = {**os.environ, "COUNTERPROOF_SEED": "0"}
    plan = {"argv": list(sys.orig_argv), "env": env, "rlimits": {"RLIMIT_CORE": 0}, "cwd": os.getcwd()}
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one:
        socket.send_fds(one, [marshal.dumps(plan)], handles)
        _close([*handles, place_fd])
        program = _obey(other, placed_fd, spare_bytes=0)
        exec(program.compiled(), program.namespace)  # noqa: S102  # the lines above
    for handle, same in kept.items():
        os.dup2(same, handle)
        os.close(same)


def _set_environment(env: dict[str, str]) -> None:
    for name in os.environ.keys() - env.keys():
        del os.environ[name]
    for name, value in env.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


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


_ = array  # keeps the module loaded: `socket.recv_fds` imports it on its first call
