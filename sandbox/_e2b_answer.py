"""What the probe on a remote machine answered.

The idea: the answer is a program's output, so it is read with the same distrust as any; a field that is missing
means that nothing was proven, and nothing runs.

It does not cover which protections follow from it (`e2b.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from counterproof.provenance.errors import MachineTrouble
from counterproof.sandbox._e2b_report import plain
from counterproof.sandbox.contract import Execution, ExecutionSpec, Limits, Mount
from counterproof.sandbox.environments.environment import Environment

PROBE = Path(__file__).parent / "_e2b_probe.py"


class _Privileges(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    NoNewPrivs: str
    CapEff: str
    CapPrm: str


class _Raw(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    reached: list[str]
    changed: list[str]
    signalled: bool
    privileges: _Privileges
    uid: int
    env: list[str]
    python: str = Field(max_length=40)
    kernel: str = Field(max_length=120)
    machine: str = Field(max_length=40)
    distributions: list[str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The probe's answer.

    Attributes:
        reached: addresses that the program could connect to.
        changed: paths that it could change and should not.
        signalled: it could signal the process that watches it.
        variables: names of those that it was started with.
        unprivileged: it is not root, has no capabilities and can't get any.
        python: version of the machine's interpreter.
        kernel: of the machine.
        machine: its architecture.
        distributions: its packages as `name==version`.
    """

    reached: tuple[str, ...]
    changed: tuple[str, ...]
    signalled: bool
    variables: tuple[str, ...]
    unprivileged: bool
    python: str
    kernel: str
    machine: str
    distributions: tuple[str, ...]


def probe_spec() -> ExecutionSpec:
    """Return the execution of the probe."""
    nothing = Environment(language="python", name="probe", version="", lock_sha256="", path=PROBE.parent)
    limits = Limits(wall_s=30, cpu_s=20, memory_mib=512)
    canary = Mount(host=PROBE, target="canary.txt")
    return ExecutionSpec(
        program=PROBE.read_bytes(), environment=nothing, inputs=(canary,), limits=limits, program_name="probe.py"
    )


def parse_answer(execution: Execution) -> Answer:
    """Return what the probe said.

    Raises:
        MachineTrouble: it did not come to its end, or said something else.
    """
    try:
        raw = _Raw.model_validate(json.loads(execution.stdout.data)) if execution.status == "ok" else None
    except (ValueError, ValidationError, RecursionError):
        raw = None
    if raw is None:
        raise MachineTrouble(
            f"The probe of the remote sandbox ended as {execution.status!r} without an answer.",
            allowed="Nothing else was run.",
            advice="Check the template: it must have Python and be reachable.",
        )
    capabilities = (raw.privileges.CapEff, raw.privileges.CapPrm)
    return Answer(
        reached=tuple(plain(name) for name in raw.reached),
        changed=tuple(raw.changed),
        signalled=raw.signalled,
        variables=tuple(sorted(raw.env)),
        unprivileged=raw.uid != 0
        and raw.privileges.NoNewPrivs == "1"
        and not any(_bits(text) for text in capabilities),
        python=plain(raw.python),
        kernel=plain(raw.kernel),
        machine=plain(raw.machine),
        distributions=tuple(sorted(plain(name) for name in raw.distributions)),
    )


def _bits(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return -1
