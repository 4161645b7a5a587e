"""The outer end of the warm template: boots it, asks it for confined pairs of processes, and hands them their orders.

The idea: one request is one fork of each template inside. What comes back are descriptors of the first process and of
the program's (valid across pid namespaces), and we keep our ends of two lines: to the program's process, which lays its
files and runs, and to the first, which watches over it. Through each goes one order, with open files in place of paths;
so a child may have been made long before, with most of its limits, and its start then costs a message, or a few for a
long program. One child is always kept in reserve. To wake it takes longer than to write its order, so it is knocked at
first.

It does not cover supervision, which is the same as after a cold start, nor what happens inside (`_zygote.py`).

Source: unix(7) SCM_RIGHTS, pidfd_open(2).
"""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import socket
import subprocess
import threading
import weakref
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from counterproof.sandbox._bubblewrap import Bubblewrap, start_trouble
from counterproof.sandbox._launch import (
    MARSHAL,
    Helper,
    Known,
    Launched,
    Passed,
    Sources,
    machine_filter,
    memory_file,
)
from counterproof.sandbox._profile import (
    Runtime,
    program_plan,
    template_arguments,
    template_command,
    template_files,
    template_plan,
    waiting_plan,
    watching_plan,
)
from counterproof.sandbox._waiting import readable
from counterproof.sandbox._watch import Baseline, lineage_of
from counterproof.sandbox.contract import DATA_DIR, OUT_DIR, PROGRAM_DIR, ExecutionSpec, Limits
from counterproof.sandbox.errors import SandboxUnavailable

_BOOT_S, _ANSWER_S, _TAKE_S = 120.0, 20.0, 5.0
_MESSAGE = 1 << 16
_PART, _MOST_NAMES, _ROOM = 1 << 15, 1 << 16, 1 << 17  # bytes of a program, and of names, in one message of at most
_STREAMS = ("out", "err", "frames")


@dataclass(frozen=True, kw_only=True)
class WarmFile:
    """An open file that a program will find below one of its folders."""

    folder: str
    name: str
    handle: int


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Our ends of what a pair of processes was made with.

    Attributes:
        line: to the first process.
        order: to the program's.
        streams: what both will write to, by name.
    """

    line: socket.socket
    order: socket.socket
    streams: Mapping[str, int]

    def close(self) -> None:
        self.line.close()
        self.order.close()
        for handle in self.streams.values():
            os.close(handle)


@dataclass(frozen=True, kw_only=True)
class _Child:
    """A confined pair of processes that waits for its order."""

    first: Known
    program: Known
    asked: _Asked

    def knock(self) -> bool:
        """Wake it, which takes a while, so that it is ready when the order comes; False where it is dead."""
        try:
            self.asked.order.send(b"k")
        except OSError:
            return False
        return True

    def dismiss(self) -> None:
        """End it; the namespace dies with its first process."""
        self.asked.close()
        os.close(self.first.pidfd)
        os.close(self.program.pidfd)


class Zygote:
    """A booted template; it lives until it is closed or forgotten, and dies with this process.

    Raises:
        SandboxUnavailable: it did not start, or is not safe to fork.
    """

    MOST_THREADS = 1  # a fork copies one thread, and the locks that the others hold

    def __init__(self, bwrap: Bubblewrap, runtime: Runtime, preload: tuple[str, ...], *, drop_uid: int) -> None:
        self._lock = threading.Lock()
        self._gone: SandboxUnavailable | None = None
        self._asked: deque[tuple[str, _Asked]] = deque()
        self._reserve: dict[str, _Child] = {}
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_BOOT_S)
        self._keeper = _Keeper(bwrap, runtime, preload, drop_uid=drop_uid, control=theirs)
        self._closing = weakref.finalize(self, _close, self._control, self._keeper, self._reserve, self._asked)
        try:
            self._keeper.start()
            state, pid = self._hello()
        except BaseException:
            self.close()
            raise
        self._control.settimeout(_ANSWER_S)
        self.pid = pid
        self.baseline = Baseline(anon_kib=int(state["anon_kib"]), lineage=lineage_of(pid))

    def launch(self, spec: ExecutionSpec, files: list[WarmFile]) -> Launched:
        """Give a waiting child its order.

        Raises:
            SandboxUnavailable: the template has gone, so the program did not run.
        """
        child = self._take(spec.limits)
        order = program_plan(spec)
        order |= {"program": (PROGRAM_DIR, spec.program_name), "files": [(file.folder, file.name) for file in files]}
        order |= {"size": len(spec.program), "source": spec.program[:_PART]}
        # Where one can't be told, it is dead or does not listen; the supervision will find that out, and why.
        with contextlib.suppress(OSError):
            socket.send_fds(child.asked.order, [marshal.dumps(order, MARSHAL)], [file.handle for file in files])
            for at in range(_PART, len(spec.program), _PART):
                child.asked.order.send(spec.program[at : at + _PART])
        watching = watching_plan(spec, [file.name for file in files if file.folder == OUT_DIR])
        with contextlib.suppress(OSError):
            child.asked.line.send(marshal.dumps(watching, MARSHAL))
        child.asked.order.close()
        return Launched(
            process=None,
            first=child.first,
            program=child.program,
            streams={**child.asked.streams, "notes": child.asked.line.detach()},
            baseline=self.baseline,
        )

    def alive(self) -> bool:
        """Say whether it can still be asked."""
        return self._closing.alive and self._keeper.alive()

    def reserve(self, limits: Limits) -> None:
        """Ask for a child that waits for the next program with such limits; does not wait for it."""
        key = _key(limits)
        with self._lock, contextlib.suppress(OSError):
            if key in self._reserve or any(asked == key for asked, _ in self._asked):
                return
            self._ask(key, rehearse=True)

    def await_reserve(self) -> None:
        """Wait until what was asked for by `reserve` is there."""
        with self._lock:
            if self._asked:
                self._collect(wait_for=self._asked[-1][0])

    def drop_reserve(self) -> None:
        """End the child in reserve, so that the next program is forked when it is asked for."""
        with self._lock:
            if self._asked:
                self._collect(wait_for=self._asked[-1][0])
            for child in self._reserve.values():
                child.dismiss()
            self._reserve.clear()

    def close(self) -> None:
        """End the template and every process in it; may be called again."""
        self._closing()

    def _take(self, limits: Limits) -> _Child:
        with self._lock:
            waiting = list(self._reserve.values())
            awake = [child for child in waiting if child.knock()]  # first, for it takes a while
            key = _key(limits)
            try:
                self._collect(wait_for=key if any(asked == key for asked, _ in self._asked) else "")
                found = self._reserve.pop(key, None)
                if found is not None and (found in awake or found.knock()):
                    return found
                if found is not None:
                    found.dismiss()
                self._ask(key, rehearse=False)
                self._collect(wait_for=key)
                child = self._reserve.pop(key)
                child.knock()
                return child
            except (OSError, KeyError, ValueError) as error:
                if self._gone is None:
                    evidence = self._keeper.notes() or str(error)
                    self._gone = start_trouble(f"the warm template has gone: {evidence}")
                    self._closing()
                raise self._gone from error

    def _ask(self, key: str, *, rehearse: bool) -> None:
        request = json.dumps({**json.loads(key), "rehearse": rehearse}).encode()
        line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order, program = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
        order.settimeout(_TAKE_S)
        streams: dict[str, int] = {}
        asked = _Asked(line=line, order=order, streams=streams)
        with ExitStack() as stack, theirs, program:
            passed = Passed(stack)
            for name in _STREAMS:
                passed.pipe(name, streams)
            handles = [theirs.fileno(), program.fileno(), *passed.handles]
            try:
                socket.send_fds(self._control, [request], handles)
            except BaseException:
                asked.close()
                raise
        self._asked.append((key, asked))

    def _collect(self, *, wait_for: str) -> None:
        """Take the answers that are there, and wait until one with that key is."""
        while self._asked and (wait_for or readable(self._control.fileno())):
            key, asked = self._asked.popleft()
            data, handles, _, _ = socket.recv_fds(self._control, _MESSAGE, 2)
            if not handles:
                asked.close()
                raise OSError(data.decode("utf-8", "replace") or "it does not answer")
            for old in self._reserve.values():  # one in reserve is enough; limits seldom change
                old.dismiss()
            self._reserve.clear()
            first, program = (_known(handle) for handle in handles)
            self._reserve[key] = _Child(first=first, program=program, asked=asked)
            if key == wait_for:
                return

    def _hello(self) -> tuple[dict[str, Any], int]:
        """Wait until the imports are done; return what it says of itself, and its pid as we see it."""
        try:
            data, handles, _, _ = socket.recv_fds(self._control, _MESSAGE, 1)
        except OSError as error:
            raise start_trouble(f"the warm template does not answer ({error}): {self._keeper.notes()}") from error
        if not data or not handles:
            raise start_trouble(self._keeper.notes())
        pid = _known(handles[0]).pid
        os.close(handles[0])
        state: dict[str, Any] = json.loads(data)
        if state["threads"] > self.MOST_THREADS:
            raise SandboxUnavailable(
                f"The warm template has {state['threads']} threads after its imports, and can't be forked safely.",
                allowed="Exactly one thread.",
                advice="Remove the library that starts threads from the environment's preload list.",
            )
        return state, pid


class _Keeper:
    """The thread that starts bubblewrap and stays, for bubblewrap dies with it."""

    def __init__(
        self, bwrap: Bubblewrap, runtime: Runtime, preload: tuple[str, ...], *, drop_uid: int, control: socket.socket
    ) -> None:
        self._bwrap = bwrap
        self._runtime = runtime
        self._preload = preload
        self._drop_uid = drop_uid
        self._control = control
        self._started = threading.Event()
        self._trouble: BaseException | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._notes_fd = -1
        self._thread = threading.Thread(target=self._keep, name="sandbox-template", daemon=True)

    def start(self) -> None:
        """Start it; what went wrong in the thread is raised here."""
        self._thread.start()
        self._started.wait()
        if self._trouble is not None:
            raise self._trouble

    def alive(self) -> bool:
        """Say whether bubblewrap is still there."""
        return self._process is not None and self._process.poll() is None

    def notes(self) -> str:
        """Return what it has complained about since the last time."""
        if self._notes_fd < 0 or not readable(self._notes_fd, within_s=0.2):
            return ""
        return os.read(self._notes_fd, 1 << 16).decode("utf-8", "replace")

    def end(self) -> None:
        """Kill it and wait until it has gone."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._thread.join(_ANSWER_S)
        if self._notes_fd >= 0:
            os.close(self._notes_fd)
            self._notes_fd = -1

    def _keep(self) -> None:
        try:
            self._process = self._launch()
        except BaseException as error:
            self._trouble = error
        finally:
            self._control.close()
            self._started.set()
        if self._process is not None:
            self._process.wait()

    def _launch(self) -> subprocess.Popen[bytes]:
        readers: dict[str, int] = {}
        with ExitStack() as stack:
            passed = Passed(stack)
            notes = passed.pipe("notes", readers)
            self._notes_fd = readers["notes"]
            files = {path: passed.file(data) for path, data in template_files(self._runtime).items()}
            about = passed.file(json.dumps(template_plan(self._preload, machine_filter())).encode())
            control = passed.keep(os.dup(self._control.fileno()))
            sources = Sources(self._runtime.binds, {})
            args = template_arguments(self._runtime, paths=sources.seen(), fds=files)
            helper = Helper(self._bwrap, sources, notes=notes, drop_uid=self._drop_uid)
            return helper.start(passed, args, template_command(about, control))


def warm_files(given: Mapping[str, bytes]) -> list[WarmFile]:
    """Return the files that were put into the session; the caller closes them."""
    return [WarmFile(folder=OUT_DIR, name=name, handle=memory_file(data)) for name, data in given.items()]


def input_files(spec: ExecutionSpec, *, most_files: int, most_bytes: int) -> list[WarmFile] | None:
    """Open the inputs, folders file by file; None when they, or their names, are too much for a warm start."""
    found: list[WarmFile] = []
    total = names = 0
    try:
        for mount in spec.inputs:
            host, target = mount.host.resolve(), mount.target.removeprefix(f"{DATA_DIR}/")
            paths = sorted(host.rglob("*")) if host.is_dir() else [host]
            for path in paths:
                if path.is_dir() and not any(path.iterdir()):
                    close_files(found)
                    return None
                if path.is_symlink() or not path.is_file():
                    continue
                total += path.stat().st_size
                name = target if path == host else f"{target}/{path.relative_to(host)}"
                names += len(name.encode("utf-8", "surrogatepass"))
                if len(found) == most_files or total > most_bytes or names > _MOST_NAMES:
                    close_files(found)
                    return None
                handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                found.append(WarmFile(folder=DATA_DIR, name=name, handle=handle))
    except BaseException:
        close_files(found)
        raise
    return found


def close_files(files: list[WarmFile]) -> None:
    """Close what was opened."""
    for file in files:
        os.close(file.handle)


@lru_cache(maxsize=64)
def _key(limits: Limits) -> str:
    return json.dumps(waiting_plan(limits), sort_keys=True)


def _known(pidfd: int) -> Known:
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as file:
        pid = next(int(line.split()[1]) for line in file if line.startswith("Pid:"))
    return Known(pid=pid, pidfd=pidfd)


def _close(
    control: socket.socket, keeper: _Keeper, reserve: dict[str, _Child], asked: deque[tuple[str, _Asked]]
) -> None:
    for child in reserve.values():
        child.dismiss()
    reserve.clear()
    while asked:
        asked.popleft()[1].close()
    control.close()
    keeper.end()
