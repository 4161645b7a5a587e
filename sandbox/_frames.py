"""Reads what the shim says from inside the sandbox, as if an attacker had written it.

The idea: a frame is one byte for its kind, four for the length, then that many bytes. Every number is counted
again here, every name is checked again, and a frame that breaks a rule ends the reading: the execution is
then `lost`, and its outputs are not used.

It does not cover the content of the files; nothing here opens, unpacks or unpickles them.

Source: rules for collected files in inspect_ai and the attack list of the project's sandbox study.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
from dataclasses import dataclass, field
from typing import Any

from counterproof.provenance.digests import sha256_bytes
from counterproof.sandbox.contract import Artifact, Limits, RejectedArtifact

_HEAD = struct.Struct(">cI")
_MOST = {b"H": 0, b"X": 2000, b"S": 2000, b"F": 1000, b"D": 1 << 18, b"R": 4096, b"E": 0}
_ALLOWED = re.compile(
    r"results\.json|flow\.json"
    r"|tables/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}\.csv"
    r"|figures/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}\.(?:png|svg)"
)
_MOST_REJECTED = 200


class BrokenFrames(Exception):
    """What came from the sandbox is not what the shim writes; the execution is lost."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the program ended, as the kernel told the shim."""

    wait_status: int
    cpu_s: float
    max_rss_kib: int
    full: frozenset[str]


@dataclass(kw_only=True)
class Frames:
    """Takes bytes in any portions and keeps what they meant."""

    limits: Limits
    started: bool = False
    finished: bool = False
    start_error: str = ""
    ending: Ending | None = None
    rejected: list[RejectedArtifact] = field(default_factory=list)
    _buffer: bytearray = field(default_factory=bytearray)
    _files: dict[str, bytearray] = field(default_factory=dict)
    _open: tuple[str, int] | None = None
    _bytes: int = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            BrokenFrames: they break a rule.
        """
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._buffer)
            if length > _MOST.get(kind, -1) or self.finished:
                raise BrokenFrames(f"frame {kind!r} of {length} bytes")
            if len(self._buffer) < _HEAD.size + length:
                return
            payload = bytes(self._buffer[_HEAD.size : _HEAD.size + length])
            del self._buffer[: _HEAD.size + length]
            self._take(kind, payload)

    def artifacts(self) -> tuple[Artifact, ...]:
        """Return the complete files, sorted by name."""
        return tuple(
            Artifact(name=name, data=bytes(data), sha256=sha256_bytes(bytes(data)))
            for name, data in sorted(self._files.items())
        )

    def _take(self, kind: bytes, payload: bytes) -> None:
        if not self._in_order(kind):
            raise BrokenFrames(f"frame {kind!r} out of order")
        if kind == b"H":
            self.started = True
        elif kind == b"X":
            self.start_error = _plain(payload.decode("utf-8", "replace")) or "unknown"
        elif kind == b"S":
            self.ending = _ending(_object(payload))
        elif kind == b"F":
            self._start_file(_object(payload))
        elif kind == b"D":
            self._add_data(payload)
        elif kind == b"R":
            self._reject(_object(payload))
        else:
            self.finished = True

    def _in_order(self, kind: bytes) -> bool:
        if kind in (b"H", b"X"):
            return self.ending is None and not (kind == b"H" and self.started)
        if kind == b"S":
            return self.started and self.ending is None
        return self.ending is not None and (self._open is None or kind == b"D")

    def _start_file(self, about: dict[str, Any]) -> None:
        name, size = about.get("name"), about.get("size")
        if type(name) is not str or not _ALLOWED.fullmatch(name) or name in self._files:
            raise BrokenFrames("a file name that is not allowed")
        if type(size) is not int or not 0 <= size <= (self.limits.artifact_mib << 20) - self._bytes:
            raise BrokenFrames("a file size that is not allowed")
        if len(self._files) >= self.limits.artifact_files:
            raise BrokenFrames("too many files")
        self._files[name] = bytearray()
        self._bytes += size
        self._open = (name, size) if size else None

    def _add_data(self, data: bytes) -> None:
        if self._open is None or not data or len(data) > self._open[1]:
            raise BrokenFrames("data without a file")
        name, left = self._open
        self._files[name] += data
        self._open = (name, left - len(data)) if left > len(data) else None

    def _reject(self, about: dict[str, Any]) -> None:
        if len(self.rejected) == _MOST_REJECTED:
            self.rejected.append(RejectedArtifact(name="...", reason="and more that were not collected"))
        if len(self.rejected) < _MOST_REJECTED:
            name, reason = _plain(str(about.get("name"))), _plain(str(about.get("reason")))
            self.rejected.append(RejectedArtifact(name=name, reason=reason))


def _object(payload: bytes) -> dict[str, Any]:
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BrokenFrames("not JSON") from error
    if not isinstance(value, dict):
        raise BrokenFrames("not a JSON object")
    return value


def _ending(about: dict[str, Any]) -> Ending:
    status, cpu_s, rss, full = (about.get(key) for key in ("wait_status", "cpu_s", "max_rss_kib", "full"))
    if type(status) is not int or not 0 <= status < 1 << 16 or type(rss) is not int or rss < 0:
        raise BrokenFrames("a status that no process has")
    if not (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
        raise BrokenFrames("a status of a process that has not ended")
    if type(cpu_s) is not float or not math.isfinite(cpu_s) or not isinstance(full, dict):
        raise BrokenFrames("a usage that no process has")
    return Ending(
        wait_status=status,
        cpu_s=cpu_s,
        max_rss_kib=rss,
        full=frozenset(str(name)[:20] for name, value in full.items() if value is True),
    )


def _plain(text: str) -> str:
    """Return `text` in printable ASCII, cut to 160 characters."""
    return text[:160].encode("ascii", "backslashreplace").decode("ascii").translate(_CONTROLS)


_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 127)}
