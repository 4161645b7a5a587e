"""Watches over one Landlock sandbox: as `_supervise.py`, but the first process is asked to end everything.

The idea: no namespace dies with the first process, so it must not be killed outright; SIGTERM makes it kill everything
else first, in one step that no fork outruns. And no file system and no count of processes of its own ends where the
limit is, so the folders are looked through twice a second, and too many processes are ended as soon as they are seen.

It does not cover deleted files that are still open, nor what is written between two looks.

Source: kill(2), the project's sandbox study.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from counterproof.sandbox._launch import Launched
from counterproof.sandbox._profile import MIB
from counterproof.sandbox._supervise import Supervision, _Kill
from counterproof.sandbox._watch import Reason, Watch, real_uid
from counterproof.sandbox.contract import Limits, Status

_LOOK_S, _ENDING_S, _DEEPEST = 0.5, 10.0, 64


class LandlockSupervision(Supervision):
    """One started Landlock sandbox; `run` waits for its end."""

    def __init__(self, launched: Launched, limits: Limits, *, cancel_fd: int, folder: Path) -> None:
        super().__init__(launched, limits, cancel_fd=cancel_fd)
        self._folder = folder

    def _look_at(self, pid: int) -> None:
        """Begin to count what the sandbox with that first process uses."""
        self._watch = FolderWatch(init=pid, limits=self._limits, writable=(), folder=self._folder)
        if real_uid(pid) == 0:
            self._notes.feed(b"the sandbox would run as root of the host\n")
            self._stop("lost")

    def _stop(self, reason: _Kill) -> None:
        """Have everything ended; the first reason is the one that counts."""
        if self._kill is None:
            self._kill = reason
        for handle in self._pidfds:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGTERM)

    def _status(self, exit_code: int | None) -> Status:
        """Judge the end; what was written since the last look counts too."""
        status = super()._status(exit_code)
        full = isinstance(self._watch, FolderWatch) and self._watch.look_through() is not None
        return "disk_limit" if full and status in ("ok", "error") else status

    def _end(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_ENDING_S)
        super()._end()


@dataclass(kw_only=True)
class FolderWatch(Watch):
    """A watch that also looks through the folders that the program may write.

    Attributes:
        folder: the private folder of the execution.
    """

    folder: Path
    _next_look_s: float = field(default=0.0)

    def sample(self, now_s: float) -> Reason | None:
        """Look once; return the limit that is passed, or None."""
        reason = super().sample(now_s)
        if reason is None and now_s >= self._next_look_s:
            self._next_look_s = now_s + _LOOK_S
            reason = self.look_through()
        return reason

    def _count_processes(self, threads: int, now_s: float) -> Reason | None:  # noqa: ARG002  # as in the base class
        """End it at once: the kernel's own limit is loose here, for it counts what the user has elsewhere too."""
        self.crowded = self.crowded or threads > self.limits.processes
        return "process_limit" if self.crowded else None

    def look_through(self) -> Reason | None:
        """Count what is in the folders now; return the limit that is passed, or None."""
        files = 0
        for name, most_mib in (("out", self.limits.work_mib), ("tmp", self.limits.scratch_mib)):
            room = Room(most_bytes=most_mib * MIB, most_files=self.limits.work_files - files)
            if not room.holds(str(self.folder / name), _DEEPEST):
                return "disk_limit"
            files += room.files
        self.files = max(self.files, files)
        return None


@dataclass(kw_only=True)
class Room:
    """Counts a folder until it is more than allowed."""

    most_bytes: int
    most_files: int
    files: int = 0
    used_bytes: int = 0

    def holds(self, folder: str, depth: int) -> bool:
        """Say whether the folder is within its limits; one that is very deep is not."""
        with contextlib.suppress(OSError), os.scandir(folder) as entries:  # it may just have gone
            return all(self._has_room(entry, depth) for entry in entries)
        return True

    def _has_room(self, entry: os.DirEntry[str], depth: int) -> bool:
        self.files += 1
        with contextlib.suppress(FileNotFoundError):
            self.used_bytes += entry.stat(follow_symlinks=False).st_blocks * 512
        if self.files > self.most_files or self.used_bytes > self.most_bytes or depth == 0:
            return False
        return not entry.is_dir(follow_symlinks=False) or self.holds(entry.path, depth - 1)
