"""The local back end with a warm start: the analysis stack is imported once, an execution is a fork of it.

The idea: per environment one template (`_warm.py`) is booted on first use and attacked like the cold start; from then
on a program starts in milliseconds, with the same isolation and the same world to see. Where a template can't be had,
because the user namespace gives no rights (Ubuntu's AppArmor profile), the environment names no preload list, or the
inputs (or their names) are too large to be copied, the program starts cold: slower, not less isolated. The attestation
says which.

It does not cover isolation other than bubblewrap's: there is no fall-back to less.

Source: the project's sandbox study, sections 3 and 6.2 (tiers A and B).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from counterproof.provenance.errors import MachineTrouble
from counterproof.sandbox._launch import Launched, check_inputs
from counterproof.sandbox._probe import attack
from counterproof.sandbox._profile import MOST_WARM_INPUT_BYTES, MOST_WARM_INPUT_FILES, Runtime
from counterproof.sandbox._session import LocalSession
from counterproof.sandbox._supervise import Supervision
from counterproof.sandbox._warm import WarmFile, Zygote, close_files, input_files, warm_files
from counterproof.sandbox.contract import Attestation, Execution, ExecutionSpec, Session
from counterproof.sandbox.environments.environment import Environment
from counterproof.sandbox.errors import SandboxUnavailable
from counterproof.sandbox.local import NOBODY, LocalSandbox, Proven, observe

_PRELOAD = Path(__file__).parent / "environments"


class WarmSandbox:
    """Executes programs on this machine, isolated by bubblewrap, started warm where that is possible.

    Args:
        search_path: folders in which `bwrap` is looked for, separated by ':'; None for those of PATH.
        drop_uid: the user and group that everything runs as when this process is root; never 0.
        bundled: whether the bubblewrap of the extra `counterproof[bwrap]` may stand in for one of the search path.

    Raises:
        UsageError: `drop_uid` is root.
    """

    name = LocalSandbox.name

    def __init__(self, *, search_path: str | None = None, drop_uid: int = NOBODY, bundled: bool = True) -> None:
        self._cold = LocalSandbox(search_path=search_path, drop_uid=drop_uid, bundled=bundled)
        self._drop_uid = drop_uid
        self._booting = threading.Lock()
        self._zygotes: dict[str, Zygote] = {}
        self._only_cold: dict[str, str] = {}

    async def probe(self) -> Attestation:
        """Attack the cold start from inside and say what held; each warm template is attacked when it has booted.

        Raises:
            SandboxUnavailable: bubblewrap is missing, too old or can't isolate, or a protection did not hold.
        """
        return await self._cold.probe()

    async def probe_warm(self, environment: Environment) -> Attestation:
        """Boot the template of an environment, attack it, and say how its programs will start.

        Raises:
            SandboxUnavailable: as in `probe`.
        """
        return await asyncio.to_thread(self._probe_warm, environment)

    async def open(self, spec: ExecutionSpec) -> Session:
        """Prepare one execution.

        Raises:
            SandboxUnavailable: as in `probe`, or a required protection does not hold.
            UsageError: an input does not exist or may not be read.
        """
        proven = await asyncio.to_thread(self._cold.prove)
        check_inputs(spec)
        attestation = proven.attestation.checked(spec)
        return LocalSession(lambda given, cancel_fd: self._execute(spec, given, cancel_fd, attestation))

    def prove(self, environment: Environment) -> tuple[Proven, Zygote | None]:
        """Return what is known to hold, and the template of an environment where it has one; for measurements.

        Raises:
            SandboxUnavailable: as in `probe`.
        """
        proven = self._cold.prove()
        return proven, self._zygote(proven, environment)

    def warm_up(self, environment: Environment) -> None:
        """Begin to boot and attack the template of an environment; whoever needs it first waits for the rest.

        What goes wrong is said there.
        """
        threading.Thread(target=self._warm_up, args=(environment,), name="sandbox-warm-up", daemon=True).start()

    def _warm_up(self, environment: Environment) -> None:
        with suppress(MachineTrouble):
            self.prove(environment)

    def close(self) -> None:
        """End all templates; programs that run are killed with them. A later execution boots a new one."""
        with self._booting:
            for zygote in self._zygotes.values():
                zygote.close()
            self._zygotes.clear()

    def _probe_warm(self, environment: Environment) -> Attestation:
        proven = self._cold.prove()
        if self._zygote(proven, environment) is None:
            return _told(proven.attestation, "cold", self._only_cold[str(environment.path)])
        return _told(proven.attestation, "warm")

    def _execute(
        self, spec: ExecutionSpec, given: Mapping[str, bytes], cancel_fd: int, attestation: Attestation
    ) -> Execution:
        proven = self._cold.prove()
        files = warm_files(given)
        try:
            inputs = input_files(spec, most_files=MOST_WARM_INPUT_FILES, most_bytes=MOST_WARM_INPUT_BYTES)
            files += inputs or []
            zygote = self._zygote(proven, spec.environment) if inputs is not None else None
            if zygote is None:
                too_large = "the inputs, or their names, are too large to be copied"
                reason = self._only_cold.get(str(spec.environment.path), too_large)
                return proven.execute(spec, given, cancel_fd, _told(attestation, "cold", reason))
            launched = self._launch(zygote, proven, spec, files)
        finally:
            close_files(files)
        zygote.reserve(spec.limits)
        return Supervision(launched, spec.limits, cancel_fd=cancel_fd).run(_told(attestation, "warm"))

    def _launch(self, zygote: Zygote, proven: Proven, spec: ExecutionSpec, files: list[WarmFile]) -> Launched:
        """Start it; when the template has died since the last time, from a new one: nothing of `spec` ran yet."""
        try:
            return zygote.launch(spec, files)
        except SandboxUnavailable:
            fresh = self._zygote(proven, spec.environment)
            if fresh is None:
                raise
            return fresh.launch(spec, files)

    def _zygote(self, proven: Proven, environment: Environment) -> Zygote | None:
        """Return the attacked template of an environment; None where its programs start cold."""
        key = str(environment.path)
        with self._booting:
            zygote = self._zygotes.get(key)
            if zygote is not None and zygote.alive():
                return zygote
            if key in self._only_cold:
                return None
            preload = preload_of(environment)
            if not preload:
                self._only_cold[key] = "the environment has no preload list"
                return None
            try:
                self._zygotes[key] = self._boot(proven, environment, preload)
            except SandboxUnavailable as error:
                if error.gave_way:
                    raise
                self._only_cold[key] = str(error)
            return self._zygotes.get(key)

    def _boot(self, proven: Proven, environment: Environment, preload: tuple[str, ...]) -> Zygote:
        zygote = Zygote(proven.bwrap, Runtime.of(environment), preload, drop_uid=self._drop_uid)
        try:
            attack(
                lambda _, spec: observe(_launched(zygote, spec), spec, proven.attestation),
                Runtime.of(environment),
                template=zygote.pid,
            )
        except BaseException:
            zygote.close()
            raise
        return zygote


def preload_of(environment: Environment) -> tuple[str, ...]:
    """Return the modules that are imported ahead for programs of this environment, where they are installed."""
    path = _PRELOAD / environment.language / "preload.txt"
    if not path.is_file():
        return ()
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    return tuple(line for line in lines if line)


def _launched(zygote: Zygote, spec: ExecutionSpec) -> Launched:
    files = input_files(spec, most_files=MOST_WARM_INPUT_FILES, most_bytes=MOST_WARM_INPUT_BYTES) or []
    try:
        return zygote.launch(spec, files)
    finally:
        close_files(files)


def _told(attestation: Attestation, tier: str, reason: str = "") -> Attestation:
    why = {"cold_because": reason} if reason else {}
    return replace(attestation, host={**attestation.host, "tier": tier, **why})
