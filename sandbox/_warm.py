"""The outer end of the warm template: boots it, asks it for confined pairs of processes, and hands them their orders.

The idea: one request is one fork inside. What comes back is a descriptor of the first process (valid across pid
namespaces), and we keep our ends of two lines: to the first process, which lays the files, and to the program's, which
becomes what the order says meanwhile. Through each goes exactly one message, with open files in place of paths; so a
child may have been made long before, and its start then costs a message. One child is always kept in reserve.

It does not cover supervision, which is the same as after a cold start, nor what happens inside (`_zygote.py`).

Source: unix(7) SCM_RIGHTS, pidfd_open(2).
"""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import select
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
    FirstProcess,
    Helper,
    Launched,
    Passed,
    Sources,
    machine_filter,
    memory_file,
)
from counterproof.sandbox._profile import (
    Runtime,
    rooms,
    shim_plan,
    template_arguments,
    template_command,
    template_files,
    template_plan,
)
from counterproof.sandbox._watch import Baseline, lineage_of
from counterproof.sandbox.contract import DATA_DIR, OUT_DIR, PROGRAM_DIR, ExecutionSpec, Limits
from counterproof.sandbox.errors import SandboxUnavailable

_BOOT_S, _ANSWER_S = 120.0, 20.0
_MESSAGE = 1 << 16
_FOR_THE_PROGRAM = ("argv", "env", "rlimits")


@dataclass(frozen=True, kw_only=True)
class WarmFile:
    """An open file that a program will find below one of its folders."""

    folder: str
    name: str
    handle: int


@dataclass(frozen=True, kw_only=True)
class _Child:
    """A confined pair of processes that waits for its order."""

    first: FirstProcess
    line: socket.socket
    order: socket.socket

    def alive(self) -> bool:
        return not select.select([self.first.pidfd], [], [], 0)[0]

    def dismiss(self) -> None:
        """End it; the namespace dies with its first process."""
        self.line.close()
        self.order.close()
        os.close(self.first.pidfd)


class Zygote:
    """A booted template; it lives until it is closed or forgotten, and dies with this process.

    Raises:
        SandboxUnavailable: it did not start, or is not safe to fork.
    """

    MOST_THREADS = 1  # a fork copies one thread, and the locks that the others hold

    def __init__(self, bwrap: Bubblewrap, runtime: Runtime, preload: tuple[str, ...], *, drop_uid: int) -> None:
        self._lock = threading.Lock()
        self._gone: SandboxUnavailable | None = None
        self._asked: deque[tuple[str, socket.socket, socket.socket]] = deque()
        self._reserve: dict[str, _Child] = {}
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_BOOT_S)
        self._keeper = _Keeper(bwrap, runtime, preload, drop_uid=drop_uid, control=theirs)
        self._closing = weakref.finalize(self, _close, self._control, self._keeper, self._reserve)
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
        readers: dict[str, int] = {}
        with ExitStack() as stack:
            passed = Passed(stack)
            plan = shim_plan(spec, [file.name for file in files if file.folder == OUT_DIR])
            order = {"cwd": plan["cwd"], **{name: plan.pop(name) for name in _FOR_THE_PROGRAM}}
            program = WarmFile(folder=PROGRAM_DIR, name=spec.program_name, handle=passed.file(spec.program))
            out, err = (passed.pipe(name, readers) for name in ("out", "err"))
            with contextlib.suppress(OSError):  # it is dead then; the supervision will find that out, and why
                socket.send_fds(child.order, [marshal.dumps(order, MARSHAL)], [out, err, program.handle])
            frames = passed.pipe("frames", readers)
            plan["files"] = [(file.folder, file.name) for file in (program, *files)]
            handles = [frames, program.handle, *(file.handle for file in files)]
            with contextlib.suppress(OSError):
                socket.send_fds(child.line, [marshal.dumps(plan, MARSHAL)], handles)
            child.order.close()
        return Launched(
            process=None,
            first=child.first,
            streams={**readers, "notes": child.line.detach()},
            baseline=self.baseline,
        )

    def alive(self) -> bool:
        """Say whether it can still be asked."""
        return self._closing.alive and self._keeper.alive()

    def reserve(self, limits: Limits) -> None:
        """Ask for a child that waits for the next program with such limits; does not wait for it."""
        key = _key(limits)
        with self._lock, contextlib.suppress(OSError):
            if key in self._reserve or any(asked == key for asked, _, _ in self._asked):
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
        key = _key(limits)
        with self._lock:
            try:
                self._collect(wait_for=key if any(asked == key for asked, _, _ in self._asked) else "")
                found = self._reserve.pop(key, None)
                if found is not None and found.alive():
                    return found
                if found is not None:
                    found.dismiss()
                self._ask(key, rehearse=False)
                self._collect(wait_for=key)
                return self._reserve.pop(key)
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
        with theirs, program:
            socket.send_fds(self._control, [request], [theirs.fileno(), program.fileno()])
        self._asked.append((key, line, order))

    def _collect(self, *, wait_for: str) -> None:
        """Take the answers that are there, and wait until one with that key is."""
        while self._asked and (wait_for or select.select([self._control], [], [], 0)[0]):
            key, line, order = self._asked.popleft()
            data, handles, _, _ = socket.recv_fds(self._control, _MESSAGE, 1)
            if not handles:
                line.close()
                order.close()
                raise OSError(data.decode("utf-8", "replace") or "it does not answer")
            for old in self._reserve.values():  # one in reserve is enough; limits seldom change
                old.dismiss()
            self._reserve.clear()
            self._reserve[key] = _Child(first=_first_process(handles[0]), line=line, order=order)
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
        pid = _first_process(handles[0]).pid
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
        if self._notes_fd < 0 or not select.select([self._notes_fd], [], [], 0.2)[0]:
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
    """Open the inputs, folders file by file; None when they are too many or too large to be copied for a warm start."""
    found: list[WarmFile] = []
    total = 0
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
                if len(found) == most_files or total > most_bytes:
                    close_files(found)
                    return None
                name = target if path == host else f"{target}/{path.relative_to(host)}"
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
    return json.dumps(rooms(limits), sort_keys=True)


def _first_process(pidfd: int) -> FirstProcess:
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as file:
        pid = next(int(line.split()[1]) for line in file if line.startswith("Pid:"))
    return FirstProcess(pid=pid, pidfd=pidfd)


def _close(control: socket.socket, keeper: _Keeper, reserve: dict[str, _Child]) -> None:
    for child in reserve.values():
        child.dismiss()
    reserve.clear()
    control.close()
    keeper.end()
