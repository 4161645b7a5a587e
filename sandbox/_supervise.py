"""Watches over one started sandbox until everything in it is dead, and judges how the program ended.

The idea: one thread, one poll loop, one way to kill. The status comes from the kernel (wait status, free blocks,
counted memory and output), never from text. A sandbox that did not start is `MachineTrouble`; once the program
has been started, whatever happens is an `Execution`.

It does not cover starting (`_launch.py`) and it never starts anything again.

Source: pidfd_open(2), pid_namespaces(7): when the first process of a pid namespace dies, all others die.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from dataclasses import dataclass, field
from typing import Literal

from counterproof.provenance.errors import MachineTrouble
from counterproof.sandbox._bubblewrap import start_trouble
from counterproof.sandbox._frames import BrokenFrames, Frames
from counterproof.sandbox._launch import Launched
from counterproof.sandbox._profile import WRITABLE
from counterproof.sandbox._waiting import readable
from counterproof.sandbox._watch import INTERVAL_S, Watch, real_uid
from counterproof.sandbox.contract import Attestation, Captured, Execution, Limits, Status, Usage

_START_S, _UNWATCHED_S, _COLLECT_S, _DRAIN_S = 30.0, 1.0, 60.0, 5.0
_OVERFLOW = 4
_READ = 1 << 16
_MOST_NOTES = 1 << 16
_Kill = Literal["timeout", "oom", "output_limit", "disk_limit", "process_limit", "killed", "lost"]


@dataclass(kw_only=True)
class _Stream:
    """The first bytes of a stream and the count of all."""

    keep: int
    data: bytearray = field(default_factory=bytearray)
    total: int = 0

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        self.data += data[: max(0, self.keep - len(self.data))]

    def captured(self) -> Captured:
        return Captured(data=bytes(self.data), total_bytes=self.total, truncated=self.total > len(self.data))

    @property
    def overflowed(self) -> bool:
        return self.total > _OVERFLOW * self.keep


class Supervision:
    """One started sandbox; `run` waits for its end."""

    def __init__(self, launched: Launched, limits: Limits, *, cancel_fd: int) -> None:
        self._process = launched.process
        self._first = launched.first
        self._program = launched.program
        self._baseline = launched.baseline
        self._limits = limits
        self._streams = dict(launched.streams)
        self._names = {handle: name for name, handle in self._streams.items()}
        self._cancel_fd = cancel_fd
        self._out = _Stream(keep=limits.stdout_kib << 10)
        self._err = _Stream(keep=limits.stderr_kib << 10)
        self._notes = _Stream(keep=_MOST_NOTES)
        self._about = _Stream(keep=_MOST_NOTES)
        self._frames = Frames(limits=limits)
        self._watch: Watch | None = None
        self._kill: _Kill | None = None
        self._poll = select.poll()
        self._pidfds: dict[int, int] = {}
        self._born_s = time.monotonic()
        self._started_s = self._ended_s = 0.0

    def run(self, attestation: Attestation) -> Execution:
        """Wait for the end of the sandbox and return what happened.

        Raises:
            MachineTrouble: the program was never started, or something of it could not be killed.
        """
        try:
            if self._process is not None:
                self._add_pidfd(self._process.pid)
            for known in (self._first, self._program):
                if known is not None:
                    self._pidfds[known.pidfd] = known.pid
                    self._poll.register(known.pidfd, select.POLLIN)
            if self._first is not None:
                self._look_at(self._first.pid)
            for handle in (*self._streams.values(), self._cancel_fd):
                os.set_blocking(handle, False)
                self._poll.register(handle, select.POLLIN)
            while self._pidfds:
                self._turn()
            self._drain()
        finally:
            self._end()
        if self._frames.start_error:
            raise start_trouble(f"the interpreter can't be started: {self._frames.start_error}")
        if not self._frames.started and self._kill != "killed":
            raise start_trouble(self._notes.data.decode("utf-8", "replace"))
        return self._execution(attestation)

    @property
    def watch(self) -> Watch | None:
        """What the watch has seen; None when the sandbox never started."""
        return self._watch

    def _turn(self) -> None:
        """Wait for the next event, at most until the next look at memory, and act on it."""
        for handle, _ in self._poll.poll(INTERVAL_S * 1000):
            if handle in self._pidfds:
                self._poll.unregister(handle)
                self._gone(self._pidfds.pop(handle))
                os.close(handle)
            elif handle == self._cancel_fd:
                self._poll.unregister(handle)
                self._stop("killed")
            else:
                self._read(handle)
        self._check(time.monotonic())

    def _check(self, now_s: float) -> None:
        """Stop the program when it has passed a limit."""
        if not self._frames.started:
            if now_s - self._born_s > _START_S:
                self._notes.feed(b"the sandbox did not start in 30 s\n")
                self._stop("lost")
            return
        self._started_s = self._started_s or now_s
        if self._out.overflowed or self._err.overflowed:
            self._stop("output_limit")
        if self._frames.ending is not None:
            self._ended_s = self._ended_s or now_s
            if now_s - self._ended_s > _COLLECT_S:
                self._stop("lost")
        elif now_s - self._started_s > self._limits.wall_s:
            self._stop("timeout")
        elif self._watch is None and now_s - self._started_s > _UNWATCHED_S:
            self._stop("lost")
        elif self._watch is not None and self._kill is None and self._watch.due(now_s):
            reason = self._watch.sample(now_s)
            if reason is not None:
                self._stop(reason)

    def _read(self, handle: int) -> bool:
        """Take what a stream has; return whether it may have more."""
        try:
            data = os.read(handle, _READ)
        except (BlockingIOError, ConnectionResetError):  # the latter once, where a warm child left its order unread
            return True
        if not data:
            self._close(handle)
            return False
        name = self._names[handle]
        if name == "frames":
            try:
                self._frames.feed(data)
            except BrokenFrames:
                self._stop("lost")
        elif name == "status":
            self._about.feed(data)
            self._find_init()
        else:
            {"out": self._out, "err": self._err, "notes": self._notes}[name].feed(data)
        return True

    def _find_init(self) -> None:
        """Learn the pid of the sandbox's first process from bubblewrap, once."""
        line, newline, _ = bytes(self._about.data).partition(b"\n")
        if self._watch is not None or not newline:
            return
        try:
            pid = int(json.loads(line)["child-pid"])
        except (ValueError, KeyError, TypeError):
            self._stop("lost")
            return
        with contextlib.suppress(ProcessLookupError):
            self._add_pidfd(pid)
        self._look_at(pid)

    def _look_at(self, pid: int) -> None:
        """Begin to count what the sandbox with that first process uses."""
        writable = tuple(WRITABLE.values())
        program = self._program.pid if self._program is not None else 0
        self._watch = Watch(init=pid, limits=self._limits, writable=writable, program=program, baseline=self._baseline)
        if real_uid(pid) == 0:
            self._notes.feed(b"the sandbox would run as root of the host\n")
            self._stop("lost")

    def _gone(self, pid: int) -> None:
        """Look no longer at a program's process that has ended; its pid may become another's."""
        if self._watch is not None and self._watch.program == pid:
            self._watch.program = 0

    def _add_pidfd(self, pid: int) -> None:
        handle = os.pidfd_open(pid)
        self._pidfds[handle] = pid
        self._poll.register(handle, select.POLLIN)

    def _stop(self, reason: _Kill) -> None:
        """Kill the sandbox as a whole; the first reason is the one that counts."""
        if self._kill is None:
            self._kill = reason
        for handle in self._pidfds:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)

    def _drain(self) -> None:
        """Read the streams to their ends; one that does not end has a survivor behind it."""
        if self._process is not None:
            self._process.wait()
        until_s = time.monotonic() + _DRAIN_S
        while self._streams:
            for handle in list(self._streams.values()):
                while self._read(handle) and time.monotonic() < until_s and readable(handle, within_s=0.05):
                    pass
            if time.monotonic() > until_s:
                raise MachineTrouble(
                    "A process of the sandbox is still alive after its end.",
                    advice="Its isolation does not hold on this machine; run `counterproof sandbox check`.",
                )

    def _close(self, handle: int) -> None:
        with contextlib.suppress(KeyError):
            self._poll.unregister(handle)
        del self._streams[self._names[handle]]
        os.close(handle)

    def _end(self) -> None:
        """Leave nothing behind, whatever happened."""
        for handle in list(self._pidfds):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)
        self._pidfds.clear()
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
        for handle in list(self._streams.values()):
            self._close(handle)

    def _execution(self, attestation: Attestation) -> Execution:
        ending = self._frames.ending
        exit_code = os.waitstatus_to_exitcode(ending.wait_status) if ending is not None else None
        status = self._status(exit_code)
        kept = self._kill is None and self._frames.finished
        now_s = time.monotonic()
        peak_kib = max(self._watch.peak_kib if self._watch else 0, ending.max_rss_kib if ending else 0)
        return Execution(
            status=status,
            exit_code=exit_code if exit_code is not None and exit_code >= 0 else None,
            signal=-exit_code if exit_code is not None and exit_code < 0 else None,
            stdout=self._out.captured(),
            stderr=self._err.captured(),
            artifacts=self._frames.artifacts() if kept else (),
            rejected=tuple(self._frames.rejected) if kept else (),
            usage=Usage(
                wall_s=round((self._ended_s or now_s) - (self._started_s or now_s), 3),
                cpu_s=round(ending.cpu_s if ending else self._watch.cpu_s if self._watch else 0.0, 3),
                max_rss_mib=round(peak_kib / 1024, 1),
            ),
            attestation=attestation,
        )

    def _status(self, exit_code: int | None) -> Status:
        """Judge the end; the first rule that fits holds."""
        ending = self._frames.ending
        if self._kill is not None:
            return self._kill
        if ending is None or exit_code is None or not self._frames.finished:
            return "lost"
        if self._out.overflowed or self._err.overflowed:
            return "output_limit"
        if exit_code in (-signal.SIGKILL, -signal.SIGXCPU) and ending.cpu_s >= self._limits.cpu_s:
            return "timeout"
        if "out" in ending.full or exit_code == -signal.SIGXFSZ or (exit_code and ending.full):
            return "disk_limit"
        if exit_code and self._watch is not None and self._watch.crowded:
            return "process_limit"
        if exit_code == -signal.SIGKILL:
            return "killed"
        return "ok" if exit_code == 0 else "error"
