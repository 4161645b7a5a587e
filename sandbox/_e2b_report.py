"""What the runner says about an execution, read as if an attacker had written it, and the status that follows.

The idea: few events in a fixed order, each field checked; what breaks a rule makes the execution `lost`. The
adapter's own clock stands above all of it.

It does not cover the content of the outputs, which go through the same reader as local ones (`_frames.py`).
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import time
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from counterproof.sandbox._frames import Ending
from counterproof.sandbox.contract import Captured, Limits, Status

_MOST_TEXT = 64 << 10
Kill = Literal["timeout", "oom", "output_limit", "disk_limit", "process_limit"]


class BrokenReport(Exception):
    """What came is not what the runner writes; the execution is lost."""


@dataclass(frozen=True, kw_only=True)
class FileAbout:
    """Size and digest of one file of the report."""

    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The runner's last word."""

    frames: FileAbout
    stdout: FileAbout
    stderr: FileAbout
    stdout_total: int
    stderr_total: int
    crowded: bool
    cpu_s: float
    max_rss_kib: int


@dataclass(kw_only=True)
class Report:
    """Takes what the cell prints, in any portions."""

    limits: Limits
    refused: str | None = None
    dropped: bool = False
    kill: Kill | None = None
    wait_status: int | None = None
    ended: Ended | None = None
    broken: bool = False
    started_s: float | None = None
    exited_s: float | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _text: str = ""
    _total: int = 0

    def feed(self, text: str) -> None:
        """Take the next piece; never raises, for the SDK calls it."""
        self._total += len(text)
        self._text += text
        if self._total > _MOST_TEXT:
            self.broken = True
        while not self.broken and "\n" in self._text:
            line, _, self._text = self._text.partition("\n")
            try:
                self._take(line)
            except BrokenReport:
                self.broken = True
        self.changed.set()

    def _take(self, line: str) -> None:
        about = _object(line)
        event = about.get("event")
        if event == "refused" and self.started_s is None:
            self.refused = plain(str(about.get("reason")))
        elif event == "started" and self.started_s is None and self.refused is None:
            self.started_s = time.monotonic()
            self.dropped = about.get("dropped") is True
        elif event == "exited" and self.started_s is not None and self.exited_s is None:
            self.exited_s = time.monotonic()
            self._take_exit(about)
        elif event == "ended" and self.exited_s is not None and self.ended is None:
            self.ended = _ended(about, self.limits)
        else:
            raise BrokenReport("an event out of order")

    def _take_exit(self, about: dict[str, Any]) -> None:
        kill, status = about.get("kill"), about.get("wait_status")
        if kill is not None and kill not in get_args(Kill):
            raise BrokenReport("a reason that there is none of")
        if type(status) is not int or not 0 <= status < 1 << 16:
            raise BrokenReport("a status that no process has")
        if not (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            raise BrokenReport("a status of a process that has not ended")
        self.kill, self.wait_status = kill, status

    def status(self, ending: Ending) -> Status:
        """Judge the end of a program that no clock and no caller has ended; the first rule that fits holds."""
        exit_code = os.waitstatus_to_exitcode(ending.wait_status)
        if self.ended is None or ending.wait_status != self.wait_status:
            return "lost"
        if exit_code in (-signal.SIGKILL, -signal.SIGXCPU) and ending.cpu_s >= self.limits.cpu_s:
            return "timeout"
        if "out" in ending.full or exit_code == -signal.SIGXFSZ:
            return "disk_limit"
        if exit_code and self.ended.crowded:
            return "process_limit"
        if exit_code == -signal.SIGKILL:
            return "killed"
        return "ok" if exit_code == 0 else "error"


def plain(text: str) -> str:
    """Return what another machine said in printable ASCII, cut to 300 characters."""
    return text[:300].encode("ascii", "backslashreplace").decode("ascii").translate(_CONTROLS)


_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 127)}


def captured(data: bytes, total: int) -> Captured:
    """Return what is kept of a stream."""
    return Captured(data=data, total_bytes=total, truncated=total > len(data))


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BrokenReport("not JSON") from error
    if not isinstance(value, dict):
        raise BrokenReport("not a JSON object")
    return value


def _ended(about: dict[str, Any], limits: Limits) -> Ended:
    frames_most = (limits.artifact_mib << 20) + (8 << 20)
    cpu_s = about.get("cpu_s")
    if type(cpu_s) is not float or not math.isfinite(cpu_s) or cpu_s < 0:
        raise BrokenReport("a usage that no process has")
    ended = Ended(
        frames=_file(about.get("frames"), frames_most),
        stdout=_file(about.get("stdout"), limits.stdout_kib << 10),
        stderr=_file(about.get("stderr"), limits.stderr_kib << 10),
        stdout_total=_count(about.get("stdout_total")),
        stderr_total=_count(about.get("stderr_total")),
        crowded=about.get("crowded") is True,
        cpu_s=cpu_s,
        max_rss_kib=_count(about.get("max_rss_kib")),
    )
    if ended.stdout_total < ended.stdout.size or ended.stderr_total < ended.stderr.size:
        raise BrokenReport("a stream that is longer than all of it")
    return ended


def _file(about: object, most: int) -> FileAbout:
    if not isinstance(about, dict) or type(sha256 := about.get("sha256")) is not str:
        raise BrokenReport("no file")
    size = _count(about.get("size"))
    if size > most:
        raise BrokenReport("a file that is larger than allowed")
    return FileAbout(size=size, sha256=sha256)


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise BrokenReport("a number that there is none of")
    return value
