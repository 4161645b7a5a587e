"""The E2B back end: each execution on a remote machine of its own, at a provider or on one's own servers.

The idea: the same contract as the local back end, over the unmodified E2B SDK. The machine is made without internet
access, gets the program and the inputs by digest, runs one program under a runner of ours and is killed. What the
isolation claims is only what a probe found on such a machine or what we enforce ourselves; what rests on the
provider's word is named as that, and what is not held must be allowed by name.

**Inputs leave this machine.** A data set whose policy forbids third parties is refused before any connection is made.

It does not cover R, and it was tested against a loopback server that speaks the documented protocol, not the cloud.

Source: e2b 2.63, e2b-code-interpreter 2.11.5.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from counterproof.provenance.digests import digest_of, sha256_bytes
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.sandbox._e2b_answer import PROBE, Answer, parse_answer, probe_spec
from counterproof.sandbox._e2b_session import RUNNER, Clocks, E2BSession, remote_env
from counterproof.sandbox._e2b_wire import Address, Provider
from counterproof.sandbox._profile import SHIM
from counterproof.sandbox.contract import Attestation, ExecutionSpec, Protection
from counterproof.sandbox.environments.environment import Environment
from counterproof.sandbox.errors import SandboxUnavailable

BY_PROVIDER = frozenset(
    {Protection.FS_READ, Protection.PROCESSES, Protection.IPC, Protection.SYSCALLS, Protection.ORPHANS}
)
"""Held by the provider's word: that its machines are apart from each other and end when they are ended."""

ALWAYS_DEGRADED = BY_PROVIDER | {Protection.DISK_TOTAL, Protection.INODES}
"""What is never proven here: whoever uses this back end allows these by name, and the record says so."""

_OURS = frozenset({Protection.WALL, Protection.OUTPUT})
_KNOWN_DOMAINS = frozenset({"e2b.app", "e2b.dev"})


class ThirdPartyRefused(UsageError):
    """The data set's policy forbids that a third party sees it; nothing was sent, not even a greeting."""


@dataclass(frozen=True)
class _Proven:
    attestation: Attestation
    distributions: tuple[str, ...]


class E2BSandbox:
    """Executes programs on remote machines made by E2B or by a server that speaks its protocol.

    Nothing is read from the environment: E2B_API_KEY, E2B_DEBUG, HTTP_PROXY and their like have no effect.

    Args:
        api_key: the key; it appears in no text, log or record.
        third_party_allowed: what the data set's policy says; False refuses everything.
        template: which template machines are made from.
        domain: the provider's domain.
        api_url: address of its API; None for that of the domain.
        sandbox_url: address of its machines; None for that of the domain, where E2B runs it.
        proxy: a proxy to go through; None to connect directly, whatever HTTP_PROXY says.
        allow_degraded: protections that need not be proven, for all executions; `ALWAYS_DEGRADED` at the least.
        allow_other_packages: True to run on a template whose packages are not those of the environment's lock.
        clocks: how long to wait for what.

    Raises:
        UsageError: the key is empty, an address is not https, or there is no address for the domain.
    """

    name = "e2b"
    isolation: ClassVar[str] = "remote"

    def __init__(
        self,
        *,
        api_key: str | SecretStr,
        third_party_allowed: bool,
        template: str = "code-interpreter-v1",
        domain: str = "e2b.app",
        api_url: str | None = None,
        sandbox_url: str | None = None,
        proxy: str | None = None,
        allow_degraded: frozenset[Protection] = frozenset(),
        allow_other_packages: bool = False,
        clocks: Clocks | None = None,
    ) -> None:
        key = api_key if isinstance(api_key, SecretStr) else SecretStr(api_key)
        if not key.get_secret_value().strip():
            raise UsageError("The E2B key is empty.", advice="Set it in the setting that the configuration names.")
        if sandbox_url is None and domain not in _KNOWN_DOMAINS:
            raise UsageError(
                f"There is no machine address for the domain {domain!r}.",
                allowed=f"It is known for {', '.join(sorted(_KNOWN_DOMAINS))}.",
                advice="Give `sandbox_url`, the one address under which all machines are reached.",
            )
        self._address = Address(
            api_key=key,
            domain=domain,
            api_url=_checked(api_url or f"https://api.{domain}"),
            sandbox_url=_checked(sandbox_url or f"https://sandbox.{domain}"),
            template=template,
            proxy=proxy,
        )
        self._third_party_allowed = third_party_allowed
        self._allow_degraded = allow_degraded
        self._allow_other_packages = allow_other_packages
        self._clocks = clocks or Clocks()
        self._provider: Provider | None = None
        self._proven: _Proven | None = None

    def __repr__(self) -> str:
        return f"E2BSandbox(api_url={self._address.api_url!r}, template={self._address.template!r})"

    async def probe(self) -> Attestation:
        """Attack a machine of the template from inside, once for this object, and say what held.

        Raises:
            ThirdPartyRefused: third parties are forbidden; nothing was sent.
            MachineTrouble: no machine can be had.
            SandboxUnavailable: the machine has internet access.
        """
        return (await self._prove()).attestation

    async def open(self, spec: ExecutionSpec) -> E2BSession:
        """Prepare one execution; nothing of it is sent before `run`.

        Raises:
            ThirdPartyRefused: third parties are forbidden; nothing was sent.
            MachineTrouble: as in `probe`, or the template has other packages than the environment.
            SandboxUnavailable: a required protection is not proven to hold, and nobody allowed that by name.
            UsageError: the program is not Python.
        """
        self._refuse_if_forbidden()
        if spec.environment.language != "python":
            raise UsageError(
                f"The program is in {spec.environment.language!r}.", allowed="The E2B back end runs Python only."
            )
        proven = await self._prove()
        if not self._allow_other_packages:
            _check_packages(spec.environment, proven.distributions, self._address.template)
        spec = replace(spec, allow_degraded=spec.allow_degraded | (self._allow_degraded & spec.require))
        return self._session(spec, proven.attestation.checked(spec))

    def _refuse_if_forbidden(self) -> None:
        if not self._third_party_allowed:
            raise ThirdPartyRefused(
                "The data set's policy forbids third parties, and E2B is one: its machines would hold the data.",
                allowed="Nothing was sent.",
                advice="Use the local sandbox, or have the custodian change the policy.",
            )

    def _session(self, spec: ExecutionSpec, attestation: Attestation) -> E2BSession:
        if self._provider is None:
            self._provider = Provider(self._address)
        return E2BSession(provider=self._provider, spec=spec, attestation=attestation, clocks=self._clocks)

    async def _prove(self) -> _Proven:
        self._refuse_if_forbidden()
        if self._proven is None:
            self._proven = await self._attack()
        return self._proven

    async def _attack(self) -> _Proven:
        unproven = Attestation(back_end=self.name, protections=(), profile_sha256="", host={})
        session = self._session(await asyncio.to_thread(probe_spec), unproven)
        answer = parse_answer(await session.run())
        held = _held(answer)
        not_held = frozenset(Protection) - held - BY_PROVIDER
        attestation = Attestation(
            back_end=self.name,
            protections=tuple(sorted(held)),
            profile_sha256=self._profile_digest(not_held),
            host=self._facts(answer, not_held),
        )
        return _Proven(attestation, answer.distributions)

    def _profile_digest(self, not_held: frozenset[Protection]) -> str:
        return digest_of(
            {
                "isolation": self.isolation,
                "template": self._address.template,
                "internet": False,
                "by_provider": sorted(BY_PROVIDER),
                "not_held": sorted(not_held),
                "files": {path.name: sha256_bytes(path.read_bytes()) for path in (RUNNER, SHIM, PROBE)},
            }
        )

    def _facts(self, answer: Answer, not_held: frozenset[Protection]) -> Mapping[str, str]:
        return {
            "isolation": self.isolation,
            "api_url": self._address.api_url,
            "template": self._address.template,
            "sdk": metadata.version("e2b-code-interpreter"),
            "held_by_provider_only": _named(BY_PROVIDER),
            "not_held": _named(not_held),
            "kernel": answer.kernel,
            "machine": answer.machine,
            "python": answer.python,
            "packages_sha256": digest_of({"distributions": list(answer.distributions)}),
        }


def _held(answer: Answer) -> frozenset[Protection]:
    """Return what the probe could not break and what we enforce ourselves.

    Raises:
        SandboxUnavailable: the machine has internet access, which it was made without.
    """
    if answer.reached:
        raise SandboxUnavailable(
            f"The remote sandbox reached {', '.join(answer.reached)}, though it was made without internet access.",
            allowed="The program did not run.",
            advice="Ask the provider, or correct the network rules of your own server.",
            gave_way=(Protection.NETWORK,),
        )
    held = _OURS | {Protection.NETWORK}
    if answer.variables == tuple(sorted(remote_env(probe_spec()))):
        held |= {Protection.ENV}
    if not answer.changed:
        held |= {Protection.FS_WRITE}
    if answer.unprivileged:
        held |= {Protection.PRIVILEGES}
    if not answer.signalled:  # then the program can't end the process that watches it
        held |= {Protection.SIGNALS, Protection.CPU, Protection.MEM_TOTAL, Protection.PROC_COUNT}
    return frozenset(held)


def _named(protections: frozenset[Protection]) -> str:
    return ", ".join(sorted(protections))


def _checked(address: str) -> str:
    """Return an address without a slash at its end, when it is https or on this machine."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    local = host == "localhost" or (host.replace(".", "").isdigit() and ipaddress.ip_address(host).is_loopback)
    if not host or (parts.scheme != "https" and not (parts.scheme == "http" and local)):
        raise UsageError(
            f"The address {address!r} can't be used.",
            allowed="It must be https, or http on this machine.",
            advice="Data and key would travel readable.",
        )
    return address.rstrip("/")


def _check_packages(environment: Environment, found: tuple[str, ...], template: str) -> None:
    """Refuse a template that is not built from the environment's lock."""
    wanted, there = set(environment.distributions), set(found)
    if wanted == there:
        return
    differing = sorted(wanted - there)[:3] + sorted(there - wanted)[:3]
    raise MachineTrouble(
        f"The template {template!r} has other packages than the environment {environment.name!r}: "
        f"{len(wanted - there)} are missing and {len(there - wanted)} are added ({', '.join(differing)}).",
        allowed="The program did not run.",
        advice="Build the template from the environment's lock (docs/e2b.md), or set `allow_other_packages`.",
    )
