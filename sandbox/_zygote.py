"""The warm interpreter: imports the analysis stack once, then forks the process of each program.

The idea: importing takes seconds, forking takes milliseconds. The template (this process, in a bubblewrap of its own
with capabilities only there) never runs a program. For each execution a first process is made by a small template
(`_first.py`), which was split off before the imports; it takes new namespaces and confines itself, and meanwhile the
program's process (`_program.py`) is forked here, into the new pid namespace. That one is a child of this process, so it
is reaped here, and how it ended is told to the first process.

It does not cover anything outside of the sandbox; `_warm.py` speaks to it.

Source: the zygote of the project's sandbox study, section 3; setns(2): a pid namespace is for children.
Imported by `_warm_entry.py` inside the sandbox; imports nothing of ours but what lies beside it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import json
import marshal
import os
import select
import signal
import socket
import sys
from typing import Any

import confine  # type: ignore[import-not-found]  # they lie beside this file inside the sandbox
import first  # type: ignore[import-untyped,unused-ignore]
import program  # type: ignore[import-not-found]

_HUGE, _MADV_COLLAPSE = 2 << 20, 25


def serve() -> program.Program:
    """Answer requests until the supervisor closes the line; returns only in a program's process."""
    template = _Template(*(int(item) for item in sys.argv[1:3]))
    while True:
        for handle in template.ready():
            if handle != template.control_fd:
                template.tell(handle)
                continue
            found = template.answer()
            if found is not None:
                return found


class _Template:
    """This process: it imports the stack, says so, and waits for requests."""

    def __init__(self, about_fd: int, control_fd: int) -> None:
        with open(about_fd, "rb") as file:
            about = json.load(file)
        self.control_fd = control_fd
        self._control = socket.socket(fileno=control_fd)
        os.set_inheritable(control_fd, False)
        self._small = _split_off(about, self._control)
        _prepare(about)
        state = _state()
        itself = os.pidfd_open(os.getpid())
        socket.send_fds(self._control, [json.dumps(state).encode()], [itself])
        os.close(itself)
        self._about = {**about, "data_bytes": state["data_kib"] << 10}
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._running: dict[int, tuple[int, socket.socket]] = {}
        self._events = select.poll()
        self._events.register(control_fd, select.POLLIN)

    def ready(self) -> list[int]:
        """Wait for a request, or for the end of a program."""
        return [handle for handle, _ in self._events.poll()]

    def answer(self) -> program.Program | None:
        """Make the two processes of an execution; return the program in its own, and nothing here."""
        data, handles, _, _ = socket.recv_fds(self._control, first.MOST_MESSAGE, 5)
        if not data or not handles:
            os._exit(0)
        line_fd, order_fd, out_fd, err_fd, frame_fd = handles
        pair, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        first_fd, inside = -1, False
        try:
            first_fd = self._first(data, line_fd, frame_fd, theirs.fileno())
            confine.call("setns", first_fd, confine.NEWPID)
            inside = True
            child = os.fork()
        except OSError as error:
            self._control.send(str(error).encode())
            pair.close()  # and the first process, if there is one, ends with it
            child = -1
        if child == 0:
            request = {**self._about, **json.loads(data)}
            program.kept.extend((self, data, handles, theirs, request))
            own = (order_fd, out_fd, err_fd, frame_fd)
            return program.become(request, own, pair.detach(), first_fd)
        if inside:
            confine.call("setns", self._own, confine.NEWPID)
        theirs.close()
        if child > 0:
            pidfd = os.pidfd_open(child)
            socket.send_fds(self._control, [b"{}"], [first_fd, pidfd])
            self._running[pidfd] = (child, pair)
            self._events.register(pidfd, select.POLLIN)
        for handle in (*handles, first_fd):
            if handle >= 0:
                os.close(handle)
        return None

    def tell(self, pidfd: int) -> None:
        """Reap a program, and tell its first process how it has ended."""
        self._events.unregister(pidfd)
        child, pair = self._running.pop(pidfd)
        os.close(pidfd)
        _, wait_status, used = os.wait4(child, 0)
        with pair, contextlib.suppress(OSError):  # it has been killed, too
            pair.send(marshal.dumps((wait_status, used.ru_utime + used.ru_stime, used.ru_maxrss)))

    def _first(self, request: bytes, *passed: int) -> int:
        """Have the first process made; return a pidfd of it."""
        socket.send_fds(self._small, [request], passed)
        answer, handles, _, _ = socket.recv_fds(self._small, first.MOST_MESSAGE, 1)
        if not handles:
            raise OSError(answer.decode("utf-8", "replace") or "the small template has gone")
        return handles[0]


def _split_off(about: dict[str, Any], control: socket.socket) -> socket.socket:
    """Fork the small template; return the line to it."""
    small, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        control.close()
        small.close()
        first.serve(about, theirs)
    theirs.close()
    return small


def _prepare(about: dict[str, Any]) -> None:
    """Import what is to be warm and make this process safe to fork."""
    for name in about["preload"]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if "matplotlib.pyplot" in sys.modules:
        _warm_plot()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # however the application was started
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
