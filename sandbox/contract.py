"""The contract between those who want a program executed and the sandboxes that execute it.

The idea: a caller describes an execution completely (`ExecutionSpec`), a sandbox runs it once, and gives
back what happened (`Execution`). A back end is one class with `probe` and `open`; issue-specific things
(how to isolate, how to start fast) stay behind it. A program's failure is a status of the execution,
never an exception; a sandbox that can't isolate raises `MachineTrouble`, and nothing ran.

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
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol

from counterproof.provenance.digests import digest_of
from counterproof.provenance.errors import UsageError
from counterproof.sandbox.environments.environment import Environment

Status = Literal["ok", "error", "timeout", "oom", "output_limit", "disk_limit", "process_limit", "killed", "lost"]

DATA_DIR = "/data"
OUT_DIR = "/out"
PROGRAM_DIR = "/program"

_TARGET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")
_PROGRAM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}\.(py|R)")
_ENV_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
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
        scratch_mib: size of each of /tmp and /dev/shm.
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
        host: versions and kernel; these differ from machine to machine.
    """

    back_end: str
    protections: tuple[Protection, ...]
    profile_sha256: str
    host: Mapping[str, str]

    def deterministic(self) -> dict[str, object]:
        """Return the part that is equal on every machine where the same isolation holds."""
        return {
            "back_end": self.back_end,
            "protections": [protection.value for protection in self.protections],
            "profile_sha256": self.profile_sha256,
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
            UsageError: an input does not exist.
        """
        ...


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
