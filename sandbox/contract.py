"""The contract between those who want a program executed and the sandboxes that execute it.

The idea: a caller describes an execution completely (`ExecutionSpec`), a sandbox runs it once, and gives
back what happened (`Execution`). A back end is one class with `probe` and `open`; issue-specific things
(how to isolate, how to start fast) stay behind it. A program's failure is a status of the execution,
never an exception; a sandbox that can't isolate raises `SandboxUnavailable`, and nothing ran. Errors: `UsageError`
(the caller's), `SandboxUnavailable` (isolation is missing or gave way) and other `MachineTrouble` (this machine, now).

What a caller may not assume: that two executions share files, processes or time; that a program which
ended also wrote something; that outputs are honest (they are bytes written by untrusted code); that an
execution is tried again, for a sandbox never does that.

It does not cover approvals: `gate.py` decides which specification may be executed on real data.

Follows: inspect_ai `util/_sandbox/environment.py` (a provider contract with typed limits and errors).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

from counterproof.provenance.digests import digest_of
from counterproof.provenance.errors import UsageError
from counterproof.sandbox.environments.environment import Environment
from counterproof.sandbox.errors import SandboxUnavailable

Status = Literal["ok", "error", "timeout", "oom", "output_limit", "disk_limit", "process_limit", "killed", "lost"]

DATA_DIR = "/data"
OUT_DIR = "/out"
PROGRAM_DIR = "/program"

_TARGET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")
_PROGRAM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}\.(py|R)")
_ENV_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
_OUTPUTS = frozenset({"results.json", "flow.json", "tables", "figures"})
_ENV_ALLOWED = frozenset({"COUNTERPROOF_SYNTHETIC", "COUNTERPROOF_ROLE"})


class Protection(StrEnum):
    """What an isolation keeps from a program; each is attacked by the probe or enforced by the supervisor."""

    NETWORK = "network"
    FS_READ = "fs_read"
    FS_WRITE = "fs_write"
    PROCESSES = "processes"
    SIGNALS = "signals"
    IPC = "ipc"
    ENV = "env"
    SYSCALLS = "syscalls"
    PRIVILEGES = "privileges"
    MEM_TOTAL = "mem_total"
    PROC_COUNT = "proc_count"
    DISK_TOTAL = "disk_total"
    INODES = "inodes"
    OUTPUT = "output"
    WALL = "wall"
    CPU = "cpu"
    ORPHANS = "orphans"


IN_WORDS: Mapping[Protection, str] = MappingProxyType(
    {
        Protection.NETWORK: "reaches no network, and no socket of this machine",
        Protection.FS_READ: "reads its inputs, its packages and the system's libraries, nothing else",
        Protection.FS_WRITE: "writes into its own three folders, nothing else",
        Protection.PROCESSES: "sees no process but its own",
        Protection.SIGNALS: "can't stop, end or look into a process that is not its own",
        Protection.IPC: "shares no memory with others",
        Protection.ENV: "sees no variable of this user",
        Protection.SYSCALLS: "can't use parts of the kernel that analyses don't need",
        Protection.PRIVILEGES: "has no rights, and can't gain any",
        Protection.MEM_TOTAL: "is ended when all its processes together use too much memory",
        Protection.PROC_COUNT: "can't start more processes than allowed",
        Protection.DISK_TOTAL: "can't write more than allowed",
        Protection.INODES: "can't make more files than allowed",
        Protection.OUTPUT: "is ended when it prints too much",
        Protection.WALL: "is ended when it takes too long",
        Protection.CPU: "is ended when it computes too long",
        Protection.ORPHANS: "leaves no process behind",
    }
)
"""What each protection means for a program, in plain words."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one execution may use; all whole numbers, so that they can be hashed.

    Attributes:
        wall_s: seconds from the program's start to its end.
        cpu_s: processor seconds of all its processes together.
        memory_mib: memory of all its processes together.
        processes: processes and threads that exist at the same time.
        open_files: open files of one process.
        file_mib: size of one file.
        work_mib: total size of the output folder.
        work_files: files and folders in the writable folders together.
        scratch_mib: size of /tmp.
        shm_mib: size of /dev/shm.
        stdout_kib: standard output that is kept; at four times as much the program is killed.
        stderr_kib: the same for standard error.
        artifact_files: files that are collected.
        artifact_mib: total size of the files that are collected.
        artifact_depth: folders below /out that are looked into.

    Raises:
        UsageError: a limit is not a whole number in its range.
    """

    wall_s: int = 300
    cpu_s: int = 300
    memory_mib: int = 2048
    processes: int = 64
    open_files: int = 256
    file_mib: int = 128
    work_mib: int = 256
    work_files: int = 20_000
    scratch_mib: int = 256
    shm_mib: int = 256
    stdout_kib: int = 1024
    stderr_kib: int = 1024
    artifact_files: int = 200
    artifact_mib: int = 64
    artifact_depth: int = 2

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least, most = _RANGES.get(name, (1, 1_000_000))
            if type(value) is not int or not least <= value <= most:
                raise UsageError(
                    f"Limit '{name}' is {value!r}.",
                    allowed=f"It must be a whole number from {least} to {most}.",
                    advice="Correct the limits of the policy.",
                )

    def as_dict(self) -> dict[str, int]:
        """Return name and value of each limit, for hashing and for the record."""
        return dict(asdict(self))


_RANGES = {
    "memory_mib": (64, 1_000_000),
    "processes": (2, 10_000),
    "open_files": (16, 4096),
    "work_files": (16, 1_000_000),
    "artifact_depth": (1, 8),
}


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A file or folder of the host that the program sees, always read-only.

    Attributes:
        host: where it is; it must exist when the session is opened.
        target: where the program sees it, `/data/<name>`; the bare name is understood as that.
    """

    host: Path
    target: str

    def __post_init__(self) -> None:
        name = self.target.removeprefix(f"{DATA_DIR}/")
        if not _TARGET.fullmatch(name):
            raise UsageError(
                f"Input name {name!r} can't be used in the sandbox.",
                allowed="Allowed are up to 120 letters, digits, '_', '-' and '.', not starting with '.' or '-'.",
                advice="Rename the file.",
            )
        object.__setattr__(self, "target", f"{DATA_DIR}/{name}")


@dataclass(frozen=True, kw_only=True)
class ExecutionSpec:
    """Everything that an execution depends on; nothing else reaches the program.

    Attributes:
        program: the program's exact bytes.
        environment: the analysis environment that it runs in.
        inputs: what it finds under /data.
        limits: what it may use.
        seed: given to it as COUNTERPROOF_SEED.
        env: further variables; only COUNTERPROOF_SYNTHETIC and COUNTERPROOF_ROLE.
        program_name: its file name; the program runs as `/program/<program_name>`.
        require: the protections that must hold, or nothing runs.
        allow_degraded: of these, the ones that may be missing; each must be named, and is named in the attestation.

    Raises:
        UsageError: a part is outside of what is allowed.
    """

    program: bytes
    environment: Environment
    inputs: tuple[Mount, ...] = ()
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    env: Mapping[str, str] = field(default_factory=dict)
    program_name: str = "program.py"
    require: frozenset[Protection] = frozenset(Protection)
    allow_degraded: frozenset[Protection] = frozenset()

    def __post_init__(self) -> None:
        if not self.program:
            raise UsageError("The program is empty.", advice="Give the bytes of a program.")
        if not _PROGRAM_NAME.fullmatch(self.program_name):
            raise UsageError(f"The program name is {self.program_name!r}.", allowed="It must be like 'program.py'.")
        if type(self.seed) is not int or not 0 <= self.seed < 2**32:
            raise UsageError(f"The seed is {self.seed!r}.", allowed="It must be from 0 to 4294967295.")
        targets = [mount.target for mount in self.inputs]
        if len(set(targets)) != len(targets):
            raise UsageError(f"Two inputs have the same name: {', '.join(sorted(targets))}.", advice="Rename one.")
        if not self.allow_degraded <= self.require:
            stray = ", ".join(sorted(self.allow_degraded - self.require))
            raise UsageError(f"Degraded may be what is required; {stray} is not.", advice="Remove it from one of them.")
        for name, value in self.env.items():
            if name not in _ENV_ALLOWED or not _ENV_NAME.fullmatch(name) or "\0" in value:
                raise UsageError(
                    f"Variable {name!r} may not be given to a program.",
                    allowed=f"Allowed: {', '.join(sorted(_ENV_ALLOWED))}.",
                )


@dataclass(frozen=True, kw_only=True)
class Captured:
    """What a program wrote to one of its streams: the first bytes, and how many there were."""

    data: bytes
    total_bytes: int
    truncated: bool


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One collected output file; `name` is its path below /out, e.g. `tables/cox.csv`."""

    name: str
    data: bytes
    sha256: str


@dataclass(frozen=True, kw_only=True)
class RejectedArtifact:
    """Something found below /out that was not collected, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What the execution used; these numbers differ from run to run."""

    wall_s: float
    cpu_s: float
    max_rss_mib: float


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """How a program was isolated.

    Attributes:
        back_end: name of the back end.
        protections: what held when the probe attacked, or is enforced by the supervisor, sorted.
        profile_sha256: digest of the isolation profile (mounts, namespaces, filter) without host paths.
        host: versions, kernel, digest of the system-call filter, and how the program was started (`tier`); these
            differ from machine to machine.
        degraded: what was required, did not hold, and was allowed by name, sorted.
        unsafe: the acknowledgement of whoever chose to run without isolation; "" where there is isolation.
    """

    back_end: str
    protections: tuple[Protection, ...]
    profile_sha256: str
    host: Mapping[str, str]
    degraded: tuple[Protection, ...] = ()
    unsafe: str = ""

    def checked(self, spec: ExecutionSpec) -> Attestation:
        """Return the attestation for an execution of `spec`, with what is degraded in it.

        Raises:
            SandboxUnavailable: a required protection does not hold, and nobody allowed that by name.
        """
        missing = spec.require - frozenset(self.protections)
        refused = sorted(missing - spec.allow_degraded)
        if refused:
            raise SandboxUnavailable(
                f"The sandbox '{self.back_end}' does not give what is required: {', '.join(refused)}.",
                advice="Use a sandbox that does, or name each in `allow_degraded`. Nothing was run.",
            )
        return replace(self, degraded=tuple(sorted(missing)))

    def deterministic(self) -> dict[str, object]:
        """Return the part that is equal on every machine where the same isolation holds."""
        return {
            "back_end": self.back_end,
            "protections": [protection.value for protection in self.protections],
            "profile_sha256": self.profile_sha256,
            **({"degraded": [protection.value for protection in self.degraded]} if self.degraded else {}),
            **({"unsafe": self.unsafe} if self.unsafe else {}),
        }

    @property
    def digest(self) -> str:
        """Digest of the deterministic part."""
        return digest_of(self.deterministic())


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What happened to a program.

    Attributes:
        status: set by the supervisor from what the kernel says, never from what the program wrote.
            `ok`: it ended with 0; `error`: it ended otherwise; `timeout`: wall or processor time was used up;
            `oom`: all processes together passed the memory limit; `output_limit`, `disk_limit`,
            `process_limit`: these limits; `killed`: cancelled, or killed by somebody outside;
            `lost`: the sandbox ended without saying how.
        exit_code: the program's exit code, None when it ended by a signal or was killed.
        signal: the signal that ended it, None otherwise.
        stdout: its standard output.
        stderr: its standard error.
        artifacts: the collected outputs, sorted by name; empty when the supervisor killed the program.
        rejected: what was found and not collected.
        usage: time and memory.
        attestation: how it was isolated.
    """

    status: Status
    exit_code: int | None
    signal: int | None
    stdout: Captured
    stderr: Captured
    artifacts: tuple[Artifact, ...]
    rejected: tuple[RejectedArtifact, ...]
    usage: Usage
    attestation: Attestation

    def artifact(self, name: str) -> Artifact | None:
        """Return the output with that name, or None when there is none."""
        return next((item for item in self.artifacts if item.name == name), None)


class Session(Protocol):
    """One specification that is ready to run, once."""

    async def put(self, name: str, data: bytes) -> None:
        """Place a file in the program's working folder before it runs; it is not collected as an output.

        Raises:
            UsageError: the name can't be used or is that of an output, or the session has run or is closed.
        """
        ...

    async def run(self) -> Execution:
        """Run the program and wait for its end; nothing of it is alive afterwards.

        Raises:
            MachineTrouble: the sandbox could not be started, so the program did not run.
            UsageError: the session has run already or is closed.
        """
        ...

    async def cancel(self) -> None:
        """Kill the running program; its execution gets status `killed`. Harmless when nothing runs."""
        ...

    async def close(self) -> None:
        """End everything that belongs to the session; may be called again."""
        ...


class Sandbox(Protocol):
    """A way to execute programs in isolation."""

    async def probe(self) -> Attestation:
        """Attack the isolation from inside and say what held.

        Raises:
            MachineTrouble: isolation is missing or a required protection did not hold.
        """
        ...

    async def open(self, spec: ExecutionSpec) -> Session:
        """Prepare one execution; the first call probes.

        Raises:
            MachineTrouble: as in `probe`.
            SandboxUnavailable: a protection that the specification requires does not hold.
            UsageError: an input does not exist.
        """
        ...


def check_given(name: str) -> None:
    """Refuse a name that can't be put into the working folder.

    Raises:
        UsageError: see `Session.put`.
    """
    if not _TARGET.fullmatch(name) or name in _OUTPUTS:
        raise UsageError(
            f"A file can't be put into the working folder as {name!r}.",
            allowed="Allowed are names like 'notes.txt', and none that a program's outputs have.",
            advice="Choose another name.",
        )


def run_all(sandbox: Sandbox, specs: Sequence[ExecutionSpec]) -> tuple[Execution, ...]:
    """Run all specifications at the same time and wait; the executions come in the order of `specs`.

    Raises:
        MachineTrouble: a sandbox could not be started; the other programs have ended by then.
        UsageError: a specification can't be run.
    """
    return asyncio.run(_run_all(sandbox, specs))


async def _run_all(sandbox: Sandbox, specs: Sequence[ExecutionSpec]) -> tuple[Execution, ...]:
    if not specs:
        return ()
    await sandbox.probe()
    results = await asyncio.gather(*(_run_one(sandbox, spec) for spec in specs), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return tuple(result for result in results if isinstance(result, Execution))


async def _run_one(sandbox: Sandbox, spec: ExecutionSpec) -> Execution:
    session = await sandbox.open(spec)
    try:
        return await session.run()
    finally:
        await session.close()
