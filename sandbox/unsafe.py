"""Execution without any isolation, for machines on which a person has decided that none is needed.

The idea: it exists so that nobody builds it into something else. It is reached by this constructor in code alone, needs
an acknowledgement in so many words, claims no protection (so a specification that requires one is refused unless each
is named in `allow_degraded`), and marks every execution.

It does not cover anything that a sandbox is for: the program can read, change and send whatever this user can.

Follows: sigstore-python `UnsafeNoOp` (an alarming name for a dangerous thing).
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.sandbox import _shim
from counterproof.sandbox._frames import Frames
from counterproof.sandbox._launch import check_inputs
from counterproof.sandbox._profile import program_env, watching_plan
from counterproof.sandbox._session import LocalSession
from counterproof.sandbox.contract import (
    Attestation,
    Captured,
    Execution,
    ExecutionSpec,
    Session,
    Status,
    Usage,
)

ACKNOWLEDGEMENT = "I know that the program can read, change and send everything that this user can."
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "MPLCONFIGDIR")


class UnsafeUnisolatedSandbox:
    """Runs programs as ordinary processes of this user: no isolation, no limits but wall time.

    Args:
        acknowledgement: exactly `ACKNOWLEDGEMENT`; it goes into the attestation of every execution.

    Raises:
        UsageError: the acknowledgement is another text.
    """

    name = "UNSAFE-unisolated"

    def __init__(self, acknowledgement: str) -> None:
        if acknowledgement != ACKNOWLEDGEMENT:
            raise UsageError(
                f"The acknowledgement of running without isolation is {acknowledgement[:80]!r}.",
                allowed=f"It must be: {ACKNOWLEDGEMENT}",
                advice="Use WarmSandbox or LocalSandbox, which isolate.",
            )
        self._attestation = Attestation(
            back_end=self.name,
            protections=(),
            profile_sha256=sha256_bytes(b"none"),
            host={"kernel": platform.release(), "machine": platform.machine(), "system": platform.system()},
            unsafe=acknowledgement,
        )

    async def probe(self) -> Attestation:
        """Return an attestation that holds nothing; there is nothing to attack."""
        return self._attestation

    async def open(self, spec: ExecutionSpec) -> Session:
        """Prepare one execution.

        Raises:
            SandboxUnavailable: the specification requires a protection that it does not allow to be missing.
            UsageError: an input does not exist or may not be read, or the program is not in Python.
        """
        if spec.environment.language != "python":
            raise UsageError("Without isolation only Python programs run.", advice="Use LocalSandbox.")
        check_inputs(spec)
        attestation = self._attestation.checked(spec)
        return LocalSession(lambda given, cancel_fd: _execute(spec, given, cancel_fd, attestation))


def _execute(spec: ExecutionSpec, given: Mapping[str, bytes], cancel_fd: int, attestation: Attestation) -> Execution:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name in ("data", "out", "tmp"):
            (place / name).mkdir()
        for mount in spec.inputs:
            (place / "data" / mount.target.rpartition("/")[2]).symlink_to(mount.host.resolve())
        for name, data in given.items():
            (place / "out" / name).write_bytes(data)
        (place / spec.program_name).write_bytes(spec.program)
        began_s = time.monotonic()
        status, code, out, err = _run(spec, place, cancel_fd)
        frames = _collected(spec, place / "out", tuple(given))
        kept = status in ("ok", "error")
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return Execution(
            status=status,
            exit_code=code if kept and code >= 0 else None,
            signal=-code if code < 0 else None,
            stdout=_captured(out, spec.limits.stdout_kib),
            stderr=_captured(err, spec.limits.stderr_kib),
            artifacts=frames.artifacts() if kept else (),
            rejected=tuple(frames.rejected) if kept else (),
            usage=Usage(wall_s=round(time.monotonic() - began_s, 3), cpu_s=0.0, max_rss_mib=used.ru_maxrss / 1024),
            attestation=attestation,
        )


def _run(spec: ExecutionSpec, place: Path, cancel_fd: int) -> tuple[Status, int, bytes, bytes]:
    """Run the program in a process group of its own until its end, the wall time or the cancelling."""
    env = {name: value for name, value in program_env(spec).items() if name not in _INHERITED}
    env |= {"COUNTERPROOF_DATA": str(place / "data"), "COUNTERPROOF_OUT": str(place / "out"), "PATH": os.defpath}
    env |= {"HOME": str(place / "tmp"), "TMPDIR": str(place / "tmp"), "MPLCONFIGDIR": str(place / "tmp")}
    command = [str(spec.environment.path / "bin" / "python"), "-s", "-P", str(place / spec.program_name)]
    process = subprocess.Popen(
        command,
        env=env,
        cwd=place / "out",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    until_s, status = time.monotonic() + spec.limits.wall_s, ""
    while True:
        try:
            out, err = process.communicate(timeout=0.05)
            break
        except subprocess.TimeoutExpired:
            cancelled = _ready(cancel_fd)
            if cancelled or time.monotonic() > until_s:
                status = status or ("killed" if cancelled else "timeout")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    code = process.returncode
    return _judged(spec, status, code, out, err), code, out, err


def _judged(spec: ExecutionSpec, ended_by: str, code: int, out: bytes, err: bytes) -> Status:
    if ended_by:
        return "killed" if ended_by == "killed" else "timeout"
    if len(out) > 4 * spec.limits.stdout_kib << 10 or len(err) > 4 * spec.limits.stderr_kib << 10:
        return "output_limit"
    return "error" if code else "ok"


def _collected(spec: ExecutionSpec, out: Path, given: tuple[str, ...]) -> Frames:
    frames = Frames(limits=spec.limits)
    frames.feed(_shim.frame(b"H", b"") + _shim.frame(b"S", _shim.NOTHING_USED))
    for kind, payload in _shim.collect({**watching_plan(spec, given), "cwd": str(out)}):
        frames.feed(_shim.frame(kind, payload))
    frames.feed(_shim.frame(b"E", b""))
    return frames


def _captured(data: bytes, keep_kib: int) -> Captured:
    kept = data[: keep_kib << 10]
    return Captured(data=kept, total_bytes=len(data), truncated=len(kept) < len(data))


def _ready(handle: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        os.set_blocking(handle, False)
        return len(os.read(handle, 8)) > 0
    return False
