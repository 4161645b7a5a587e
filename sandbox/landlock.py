"""The weaker local back end, for machines without user namespaces: Landlock, system-call filters, limits, a watch.

The idea: it is chosen by this constructor in code alone; nothing falls back to it. Without namespaces some protections
can't hold (`NEVER_HELD`), so it runs only what names each of them in `allow_degraded`, and every execution carries
them in its attestation. The rest is attacked from inside before the first program; if any gives way, nothing runs.

It does not cover R, a warm start, and kernels before Linux 6.12: there a program could end the process that ends it.

Source: landlock(7); the project's sandbox study for what was measured to hold.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from counterproof.provenance.errors import UsageError
from counterproof.sandbox import _landlock
from counterproof.sandbox._landlock_launch import filters, launched
from counterproof.sandbox._landlock_probe import attack
from counterproof.sandbox._landlock_profile import landlock_digest
from counterproof.sandbox._landlock_supervise import LandlockSupervision
from counterproof.sandbox._launch import check_inputs
from counterproof.sandbox._profile import Runtime
from counterproof.sandbox._session import LocalSession
from counterproof.sandbox.contract import Attestation, Execution, ExecutionSpec, Protection, Session
from counterproof.sandbox.errors import SandboxUnavailable
from counterproof.sandbox.local import NOBODY, boot_id

LEAST_ABI = 6
NEVER_HELD = frozenset(
    {
        Protection.FS_READ,  # no file can be read or listed, but existence, size and times of all can be seen
        Protection.PROCESSES,  # which process numbers exist can be found out
        Protection.PROC_COUNT,  # the kernel counts all processes of the user together
        Protection.DISK_TOTAL,  # looked at twice a second only
        Protection.INODES,
    }
)
"""What this back end never attests; `allow_degraded=NEVER_HELD` is the least that a specification has to allow."""


class LandlockSandbox:
    """Executes programs on this machine without namespaces; see `NEVER_HELD` for what that costs.

    Args:
        drop_uid: the user and group that everything runs as when this process is root; never 0.
        folder: where private folders of executions are made; the system's temporary folder when None.

    Raises:
        UsageError: `drop_uid` is root.
    """

    name = "landlock"

    def __init__(self, *, drop_uid: int = NOBODY, folder: Path | None = None) -> None:
        if drop_uid <= 0:
            raise UsageError(
                f"The sandbox's user id is {drop_uid}.", allowed="It must be that of an unprivileged user."
            )
        self._drop_uid = drop_uid
        self._folder = folder
        self._probing = threading.Lock()
        self._proven: _Proven | None = None

    async def probe(self) -> Attestation:
        """Attack the isolation from inside, once for this object and start of the machine, and say what held.

        Raises:
            SandboxUnavailable: Landlock is missing or too old, or something gave way that this back end holds.
        """
        return (await asyncio.to_thread(self._prove)).attestation

    async def open(self, spec: ExecutionSpec) -> Session:
        """Prepare one execution.

        Raises:
            SandboxUnavailable: as in `probe`, or a required protection does not hold and is not allowed to be missing.
            UsageError: an input does not exist or may not be read, or the program is not in Python.
        """
        if spec.environment.language != "python":
            raise UsageError("The Landlock sandbox runs Python programs only.", advice="Use LocalSandbox.")
        proven = await asyncio.to_thread(self._prove)
        check_inputs(spec)
        attestation = proven.attestation.checked(spec)
        runtime = Runtime.of(spec.environment)
        return LocalSession(
            lambda given, cancel_fd: proven.execute(runtime, spec, given, cancel_fd=cancel_fd, attestation=attestation)
        )

    def _prove(self) -> _Proven:
        with self._probing:
            if self._proven is None or self._proven.boot != boot_id():
                unproven = _Proven(
                    attestation=_attestation(_checked_abi()),
                    boot=boot_id(),
                    drop_uid=self._drop_uid,
                    folder=self._folder,
                )
                user = self._drop_uid if os.geteuid() == 0 else os.geteuid()
                held = attack(unproven.observe, Runtime.bare(), user=user, never_held=NEVER_HELD)
                self._proven = replace(unproven, attestation=replace(unproven.attestation, protections=held))
            return self._proven


@dataclass(frozen=True, kw_only=True)
class _Proven:
    """What is known to hold since the machine's start, and how programs are started."""

    attestation: Attestation
    boot: str
    drop_uid: int
    folder: Path | None

    def execute(
        self,
        runtime: Runtime,
        spec: ExecutionSpec,
        given: Mapping[str, bytes],
        *,
        cancel_fd: int,
        attestation: Attestation,
    ) -> Execution:
        """Run a program and wait for its end."""
        with launched(runtime, spec, given, drop_uid=self.drop_uid, parent=self.folder) as (started, folder):
            return LandlockSupervision(started, spec.limits, cancel_fd=cancel_fd, folder=folder).run(attestation)

    def observe(self, runtime: Runtime, spec: ExecutionSpec) -> Execution:
        """Run a program of the probe."""
        never = os.eventfd(0)
        try:
            return self.execute(runtime, spec, {}, cancel_fd=never, attestation=self.attestation)
        finally:
            os.close(never)


def _checked_abi() -> int:
    """Return the version of Landlock here."""
    found = _landlock.abi()
    if found >= LEAST_ABI:
        return found
    what = f"This kernel ({platform.release()}) speaks Landlock ABI {found}" if found else "This kernel has no Landlock"
    raise SandboxUnavailable(
        f"{what}, so the Landlock sandbox can't isolate and nothing ran.",
        allowed=f"Needed is ABI {LEAST_ABI} (Linux 6.12), from which on a program can be kept from signalling others.",
        advice="Use LocalSandbox, or boot a newer kernel with `landlock` among `lsm=` of its command line.",
        evidence=f"landlock_create_ruleset: ABI {found}",
    )


def _attestation(abi: int) -> Attestation:
    host = {
        "filter": hashlib.sha256(b"".join(filters())).hexdigest(),
        "kernel": platform.release(),
        "landlock": str(abi),
        "machine": platform.machine(),
        "system": platform.system(),
        "tier": "landlock",
    }
    return Attestation(back_end=LandlockSandbox.name, protections=(), profile_sha256=landlock_digest(), host=host)
