"""The local back end: each execution in a bubblewrap sandbox of its own, started cold.

The idea: own user, pid, mount, network, ipc and uts namespaces, a read-only system, size-limited writable
folders, no capabilities, a system-call filter, limits inside and a supervisor outside. Before the first program
the isolation is attacked from inside (`_probe.py`); if anything gives way, nothing runs. There is no fall-back.

It does not cover warm start (`warm.py`), and machines other than Linux.

Source: bubblewrap; the project's sandbox study for what was measured to leak.
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
from counterproof.sandbox._bubblewrap import Bubblewrap, find_bubblewrap
from counterproof.sandbox._launch import Launched, check_inputs, launch, machine_filter
from counterproof.sandbox._probe import Observed, attack
from counterproof.sandbox._profile import Runtime, profile_digest
from counterproof.sandbox._session import LocalSession
from counterproof.sandbox._supervise import Supervision
from counterproof.sandbox.contract import Attestation, Execution, ExecutionSpec, Session

NOBODY = 65534


class LocalSandbox:
    """Executes programs on this machine, isolated by bubblewrap.

    Args:
        search_path: folders in which `bwrap` is looked for, separated by ':'; None for those of PATH.
        drop_uid: the user and group that everything runs as when this process is root; never 0.
        bundled: whether the bubblewrap of the extra `counterproof[bwrap]` may stand in for one of the search path.

    Raises:
        UsageError: `drop_uid` is root.
    """

    name = "bubblewrap"

    def __init__(self, *, search_path: str | None = None, drop_uid: int = NOBODY, bundled: bool = True) -> None:
        if drop_uid <= 0:
            raise UsageError(
                f"The sandbox's user id is {drop_uid}.", allowed="It must be that of an unprivileged user."
            )
        self._search_path = search_path
        self._drop_uid = drop_uid
        self._bundled = bundled
        self._probing = threading.Lock()
        self._proven: Proven | None = None

    async def probe(self) -> Attestation:
        """Attack the isolation from inside, once for this object and start of the machine, and say what held.

        Raises:
            SandboxUnavailable: bubblewrap is missing, too old or can't isolate, or a protection did not hold.
        """
        return (await asyncio.to_thread(self.prove)).attestation

    async def open(self, spec: ExecutionSpec) -> Session:
        """Prepare one execution.

        Raises:
            SandboxUnavailable: as in `probe`, or a required protection does not hold.
            UsageError: an input does not exist or may not be read.
        """
        proven = await asyncio.to_thread(self.prove)
        check_inputs(spec)
        attestation = proven.attestation.checked(spec)
        return LocalSession(lambda given, cancel_fd: proven.execute(spec, given, cancel_fd, attestation))

    def prove(self) -> Proven:
        """Return what is known to hold here; the first call attacks. Blocks; for the warm start beside `probe`.

        Raises:
            SandboxUnavailable: as in `probe`.
        """
        with self._probing:
            if self._proven is None or self._proven.boot != boot_id():
                bwrap = find_bubblewrap(self._search_path, self._drop_uid, bundled=self._bundled)
                unproven = Proven(bwrap=bwrap, drop_uid=self._drop_uid, attestation=_attestation(bwrap), boot=boot_id())
                held = attack(unproven.observe, Runtime.bare())
                self._proven = replace(unproven, attestation=replace(unproven.attestation, protections=held))
            return self._proven


@dataclass(frozen=True, kw_only=True)
class Proven:
    """A bubblewrap, the user that it runs as, and what is known to hold with them since the machine's start."""

    bwrap: Bubblewrap
    drop_uid: int
    attestation: Attestation
    boot: str

    def execute(
        self, spec: ExecutionSpec, given: Mapping[str, bytes], cancel_fd: int, attestation: Attestation
    ) -> Execution:
        """Run a program cold and wait for its end."""
        launched = self.launch(Runtime.of(spec.environment), spec, given)
        return Supervision(launched, spec.limits, cancel_fd=cancel_fd).run(attestation)

    def observe(self, runtime: Runtime, spec: ExecutionSpec) -> Observed:
        """Run a program of the probe."""
        return observe(self.launch(runtime, spec, {}), spec, self.attestation)

    def launch(self, runtime: Runtime, spec: ExecutionSpec, given: Mapping[str, bytes]) -> Launched:
        """Start a program cold; the calling thread has to supervise it."""
        return launch(self.bwrap, runtime, spec, drop_uid=self.drop_uid, given=given)


def observe(launched: Launched, spec: ExecutionSpec, attestation: Attestation) -> Observed:
    """Wait for the end of a program of the probe."""
    never = os.eventfd(0)
    try:
        supervision = Supervision(launched, spec.limits, cancel_fd=never)
        execution = supervision.run(attestation)
    finally:
        os.close(never)
    return Observed(execution=execution, files=supervision.watch.files if supervision.watch else 0)


def boot_id() -> str:
    """Return what names this start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def _attestation(bwrap: Bubblewrap) -> Attestation:
    host: Mapping[str, str] = {
        "bubblewrap": bwrap.version,
        "filter": hashlib.sha256(machine_filter()).hexdigest(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "system": platform.system(),
        "tier": "cold",
    }
    return Attestation(back_end=LocalSandbox.name, protections=(), profile_sha256=profile_digest(), host=host)
