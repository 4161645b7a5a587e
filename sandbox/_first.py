"""The first process of each warm execution, and the small template that it is forked from.

The idea: a fork of the template with the analysis stack copies much, and the first process has no use for it. So it
is a fork of this small one, which was split off before the imports. It confines itself (`_confine.py`) while the
program's process is being forked beside it (`_zygote.py`), lets that one in, waits with it for the order, and then
does what the shim does after a cold start. It can't wait for the program, which is no child of it; how that ended it
is told by the template.

It does not cover the program's process (`_program.py`).

Source: pid_namespaces(7): who is left alone in a pid namespace becomes a child of its first process.
Imported by `_zygote.py` inside the sandbox; imports nothing of ours but what lies beside it.
"""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import select
import signal
import socket
from typing import Any

import confine  # type: ignore[import-not-found]  # they lie beside this file inside the sandbox
import program  # type: ignore[import-not-found]
import shim  # type: ignore[import-not-found]

MOST_MESSAGE = 1 << 17


def serve(about: dict[str, Any], line: socket.socket) -> None:
    """Make one first process for each request until the line is closed; does not return."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps; others hold a pidfd
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    while True:
        data, handles, _, _ = socket.recv_fds(line, MOST_MESSAGE, 3)
        if not data or not handles:
            os._exit(0)
        try:
            child = fork_into(own)
        except OSError as error:
            line.send(str(error).encode())
        else:
            if child == 0:
                line.close()
                _be_first({**about, **json.loads(data)}, *handles)
            pidfd = os.pidfd_open(child)
            socket.send_fds(line, [b"made"], [pidfd])
            os.close(pidfd)
        for handle in handles:
            os.close(handle)


def fork_into(own: int) -> int:
    """Fork a child that is the first of a new pid namespace; `own` is a descriptor of ours."""
    confine.call("setns", own, confine.NEWPID)  # else a second unshare is refused
    confine.call("unshare", confine.NEWPID)
    return os.fork()


def _be_first(about: dict[str, Any], line_fd: int, frame_fd: int, pair_fd: int) -> None:
    """Be the first process of the new namespace; does not return."""
    try:
        os.setsid()
        shim.close_others({0, 1, 2, line_fd, frame_fd, pair_fd})
        pair = socket.socket(fileno=pair_fd)
        fonts = _open_fonts(about["fonts"])
        folders = confine.confine(about, bytes.fromhex(about["filter"]))
        _copy_fonts(fonts, about["fonts"])
        confine.set_dumpable(0)
        socket.send_fds(pair, [marshal.dumps(list(folders))], list(folders.values()))
        for handle in folders.values():
            os.close(handle)
        _wait_for_order(socket.socket(fileno=line_fd), frame_fd, pair)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(line_fd, f"warm: {type(error).__name__}: {error}".encode()[:2000])
    os._exit(70)


def _wait_for_order(line: socket.socket, frame_fd: int, pair: socket.socket) -> None:
    """Take the one order, and watch over the program as after a cold start."""
    data = line.recv(MOST_MESSAGE)
    if not data:
        os._exit(0)  # parked and no longer wanted
    plan = marshal.loads(data)  # noqa: S302  # the supervisor has written it
    wait_status, cpu_s, max_rss_kib = _ended(pair)
    shim.hand_out(plan, wait_status, frame_fd, cpu_s=cpu_s, max_rss_kib=max_rss_kib)
    os._exit(0)


def _ended(pair: socket.socket) -> tuple[int, float, int]:
    """Wait until the template says how the program has ended; reap meanwhile what the program left alone."""
    reader, writer = os.pipe()
    for handle in (reader, writer):
        os.set_blocking(handle, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        ready, _, _ = select.select([pair.fileno(), reader], [], [])
        if pair.fileno() in ready:
            wait_status, cpu_s, max_rss_kib = marshal.loads(pair.recv(MOST_MESSAGE))  # noqa: S302  # from the template
            return wait_status, cpu_s, max_rss_kib
        os.read(reader, MOST_MESSAGE)


def _open_fonts(folder: str) -> dict[str, int]:
    """Open matplotlib's font cache before the folder is covered by the program's own."""
    names = [name for name in os.listdir(folder) if name.startswith("fontlist-")]
    return {name: os.open(f"{folder}/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in names}


def _copy_fonts(fonts: dict[str, int], folder: str) -> None:
    os.mkdir(folder, 0o755)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name, source in fonts.items():
        program.place(handle, name, source, 0o644)
        os.close(source)
    os.close(handle)
