"""The local back end: each execution in a bubblewrap sandbox of its own, started cold.

The idea: own user, pid, mount, network, ipc and uts namespaces, a read-only system, size-limited writable
folders, no capabilities, a system-call filter, limits inside and a supervisor outside. Before the first program
the isolation is attacked from inside (`_probe.py`); if anything gives way, nothing runs. There is no fall-back.

It does not cover warm start, and machines other than Linux.

Source: bubblewrap; the project's sandbox study for what was measured to leak.
"""

from __future__ import annotations

import asyncio
import os
import platform
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from counterproof.provenance.errors import UsageError
from counterproof.sandbox._bubblewrap import Bubblewrap, find_bubblewrap
from counterproof.sandbox._launch import check_inputs, launch
from counterproof.sandbox._probe import Observed, attack
from counterproof.sandbox._profile import Runtime, profile_digest
from counterproof.sandbox._supervise import Supervision
from counterproof.sandbox.contract import Attestation, Execution, ExecutionSpec, Session

NOBODY = 65534


class LocalSandbox:
    """Executes programs on this machine, isolated by bubblewrap.

    Args:
        search_path: folders in which `bwrap` is looked for, separated by ':'; None for those of PATH.
        drop_uid: the user and group that everything runs as when this process is root; never 0.

    Raises:
        UsageError: `drop_uid` is root.
    """

    name = "bubblewrap"

    def __init__(self, *, search_path: str | None = None, drop_uid: int = NOBODY) -> None:
        if drop_uid <= 0:
            raise UsageError(
                f"The sandbox's user id is {drop_uid}.", allowed="It must be that of an unprivileged user."
            )
        self._search_path = search_path
        self._drop_uid = drop_uid
        self._probing = threading.Lock()
        self._proven: _Proven | None = None

    async def probe(self) -> Attestation:
        """Attack the isolation from inside, once for this object, and say what held.

        Raises:
            MachineTrouble: bubblewrap is missing, too old or can't isolate, or a protection did not hold.
        """
        return (await asyncio.to_thread(self._prove)).attestation

    async def open(self, spec: ExecutionSpec) -> Session:
        """Prepare one execution.

        Raises:
            MachineTrouble: as in `probe`.
            UsageError: an input does not exist or may not be read.
        """
        proven = await asyncio.to_thread(self._prove)
        check_inputs(spec)
        return LocalSession(proven, Runtime.of(spec.environment), spec)

    def _prove(self) -> _Proven:
        with self._probing:
            if self._proven is None:
                bwrap = find_bubblewrap(self._search_path, self._drop_uid)
                unproven = _Proven(bwrap, self._drop_uid, _attestation(bwrap))
                held = attack(lambda runtime, spec: _probe_run(unproven, runtime, spec))
                self._proven = _Proven(bwrap, self._drop_uid, replace(_attestation(bwrap), protections=held))
            return self._proven


class LocalSession:
    """One execution on this machine; see `contract.Session`."""

    def __init__(self, proven: _Proven, runtime: Runtime, spec: ExecutionSpec) -> None:
        self._proven = proven
        self._runtime = runtime
        self._spec = spec
        self._cancel_fd = os.eventfd(0)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="sandbox")
        self._running: asyncio.Future[Execution] | None = None
        self._closed = False

    async def run(self) -> Execution:
        """Run the program and wait for its end; when the waiting is cancelled, so is the program.

        Raises:
            MachineTrouble: the sandbox could not be started, so the program did not run.
            UsageError: the session has run already or is closed.
        """
        if self._closed or self._running is not None:
            raise UsageError("This session has run or is closed.", advice="Open a new one; it runs once.")
        loop = asyncio.get_running_loop()
        self._running = loop.run_in_executor(self._worker, self._execute)
        try:
            return await asyncio.shield(self._running)
        except asyncio.CancelledError:
            await self.close()
            raise

    async def cancel(self) -> None:
        """Kill the running program; harmless when nothing runs."""
        if not self._closed:
            os.eventfd_write(self._cancel_fd, 1)

    async def close(self) -> None:
        """End everything that belongs to the session; may be called again."""
        if self._closed:
            return
        os.eventfd_write(self._cancel_fd, 1)
        self._closed = True
        if self._running is not None:
            await asyncio.wait([self._running])
        self._worker.shutdown()
        os.close(self._cancel_fd)

    def _execute(self) -> Execution:
        proven = self._proven
        launched = launch(proven.bwrap, self._runtime, self._spec, drop_uid=proven.drop_uid)
        return Supervision(launched, self._spec.limits, cancel_fd=self._cancel_fd).run(proven.attestation)


@dataclass(frozen=True)
class _Proven:
    """A bubblewrap, the user that it runs as, and what is known to hold with them."""

    bwrap: Bubblewrap
    drop_uid: int
    attestation: Attestation


def _probe_run(unproven: _Proven, runtime: Runtime, spec: ExecutionSpec) -> Observed:
    never = os.eventfd(0)
    try:
        launched = launch(unproven.bwrap, runtime, spec, drop_uid=unproven.drop_uid)
        supervision = Supervision(launched, spec.limits, cancel_fd=never)
        execution = supervision.run(unproven.attestation)
    finally:
        os.close(never)
    return Observed(execution=execution, files=supervision.watch.files if supervision.watch else 0)


def _attestation(bwrap: Bubblewrap) -> Attestation:
    host: Mapping[str, str] = {
        "bubblewrap": bwrap.version,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "system": platform.system(),
    }
    return Attestation(back_end=LocalSandbox.name, protections=(), profile_sha256=profile_digest(), host=host)
