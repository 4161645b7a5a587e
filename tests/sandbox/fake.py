"""A sandbox that runs nothing: each program has a script that says what it does. For tests of those who use sandboxes.

The idea: it keeps the contract as the real back ends do (one run per session, named refusals, statuses by the
supervisor), which `test_every_back_end.py` asks of it as of them; only what a program does is said and not done.

It does not cover limits of memory, files and processes: a script says which status came of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from counterproof.provenance.errors import UsageError
from counterproof.sandbox import (
    Artifact,
    Attestation,
    Captured,
    Execution,
    ExecutionSpec,
    Protection,
    RejectedArtifact,
    Status,
    Usage,
)
from counterproof.sandbox.contract import check_given


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """What a program does."""

    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int = 0
    takes_s: float = 0.0
    outputs: Mapping[str, bytes] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


Script = Callable[[ExecutionSpec, Mapping[str, bytes]], Scripted]
_ATTESTATION = Attestation(back_end="fake", protections=tuple(Protection), profile_sha256="0" * 64, host={})


class FakeSandbox:
    """Answers programs from their scripts.

    Args:
        scripts: what each program does, by its bytes.
        attestation: what it says that it holds.
    """

    def __init__(self, scripts: Mapping[bytes, Script], attestation: Attestation = _ATTESTATION) -> None:
        self._scripts = scripts
        self._attestation = attestation
        self.executed: list[ExecutionSpec] = []

    async def probe(self) -> Attestation:
        """Say what it was told to say."""
        return self._attestation

    async def open(self, spec: ExecutionSpec) -> FakeSession:
        """Prepare one execution.

        Raises:
            UsageError: an input does not exist, or nobody wrote a script for the program.
            SandboxUnavailable: a required protection does not hold.
        """
        for mount in spec.inputs:
            if not mount.host.exists():
                raise UsageError(f"The input {mount.host.name!r} is not a file.", advice="Check the path.")
        if spec.program not in self._scripts:
            raise UsageError("Nobody wrote a script for this program.", advice="Give one to the fake.")
        return FakeSession(self, spec, self._attestation.checked(spec), self._scripts[spec.program])


class FakeSession:
    """One execution; see `contract.Session`."""

    def __init__(self, sandbox: FakeSandbox, spec: ExecutionSpec, attestation: Attestation, script: Script) -> None:
        self._sandbox, self._spec, self._attestation, self._script = sandbox, spec, attestation, script
        self._given: dict[str, bytes] = {}
        self._cancelled = asyncio.Event()
        self._used = False

    async def put(self, name: str, data: bytes) -> None:
        """Place a file in the working folder."""
        self._require_fresh()
        check_given(name)
        self._given[name] = bytes(data)

    async def run(self) -> Execution:
        """Do what the script says."""
        self._require_fresh()
        self._used = True
        self._sandbox.executed.append(self._spec)
        does, limits = self._script(self._spec, self._given), self._spec.limits
        wait_s = min(does.takes_s, limits.wall_s)
        began_s = time.monotonic()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._cancelled.wait(), wait_s)
        stdout, stderr = (_captured(data, limits.stdout_kib) for data in (does.stdout, does.stderr))
        status: Status = "ok" if does.exit_code == 0 else "error"
        if self._cancelled.is_set():
            status = "killed"
        elif does.takes_s >= limits.wall_s:
            status = "timeout"
        elif stdout.total_bytes > 4 * limits.stdout_kib << 10:
            status = "output_limit"
        ended = status in ("ok", "error")
        return Execution(
            status=status,
            exit_code=does.exit_code if ended else None,
            signal=None if ended else 9,
            stdout=stdout,
            stderr=stderr,
            artifacts=tuple(_artifact(name, data) for name, data in sorted(does.outputs.items())) if ended else (),
            rejected=tuple(RejectedArtifact(name=name, reason=reason) for name, reason in does.refused.items()),
            usage=Usage(wall_s=time.monotonic() - began_s, cpu_s=0.0, max_rss_mib=0.0),
            attestation=self._attestation,
        )

    async def cancel(self) -> None:
        """End the run; harmless when nothing runs."""
        self._cancelled.set()

    async def close(self) -> None:
        """End the session; may be called again."""
        self._used = True
        self._cancelled.set()

    def _require_fresh(self) -> None:
        if self._used:
            raise UsageError("This session has run or is closed.", advice="Open a new one; it runs once.")


def _captured(data: bytes, most_kib: int) -> Captured:
    kept = data[: most_kib << 10]
    return Captured(data=kept, total_bytes=len(data), truncated=len(kept) < len(data))


def _artifact(name: str, data: bytes) -> Artifact:
    return Artifact(name=name, data=data, sha256=hashlib.sha256(data).hexdigest())
