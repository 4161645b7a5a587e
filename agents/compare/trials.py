"""Trials: a program runs on the open data of a task, once for a key, and what it gave is kept by digest.

A trial needs no approval because nobody is in the data: a task says on what terms they are open. It is written down as
what it is, so that it can never pass for an execution of a study.

It does not cover what the outputs mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from counterproof.agents.executions import PROGRAM_MEDIA, media_of
from counterproof.agents.outcomes import Output
from counterproof.provenance.digests import canonical_json, digest_of
from counterproof.provenance.events import Ref
from counterproof.provenance.journal import EffectFailed, Journal, Response
from counterproof.provenance.record import Record
from counterproof.sandbox import Environment, Execution, ExecutionSpec, Limits, Mount, Sandbox, run_all

Purpose = Literal["twin", "answer", "alone", "labels", "again"]
SYNTHETIC = frozenset({"twin", "alone", "labels"})
_SUFFIX = {"python": "py", "r": "R"}
_NOT_THE_PROGRAMS = ("lost", "killed")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrialOrder(_Model):
    """What a trial depends on."""

    purpose: Purpose
    """Why it runs: on the twin, for the answer, for a probe, or for the answer once more."""
    program: str
    """Digest of the program."""
    inputs: dict[str, str]
    """Digest of each file by name."""
    environment: str
    """Digest of the environment."""
    limits: dict[str, int]
    """Limits, by name with unit."""
    seed: int
    """Given to the program as COUNTERPROOF_SEED."""


class Trial(_Model):
    """What a trial gave."""

    status: str
    """Status by the supervisor."""
    exit_code: int | None
    """Exit code of the program."""
    stderr: str
    """Digest of what it printed on standard error."""
    outputs: tuple[Output, ...]
    """The collected files, by name."""

    def output(self, name: str) -> str | None:
        """Return the digest of a file, or None."""
        return next((output.sha256 for output in self.outputs if output.name == name), None)


@dataclass(frozen=True, kw_only=True)
class TrialRoom:
    """Where the trials of a cell run.

    Attributes:
        record: of the cell.
        journal: of the cell.
        sandbox: runs the programs.
        environment: what they run in.
        files: the folder of the inputs, by their digests.
        limits: of each run.
        seed: for the programs.
    """

    record: Record
    journal: Journal
    sandbox: Sandbox
    environment: Environment
    files: Path
    limits: Limits
    seed: int

    def run(self, key: str, program: str, inputs: Mapping[str, str], purpose: Purpose) -> Trial:
        """Run a program, once for this key.

        Args:
            key: names the trial in the cell.
            program: its text.
            inputs: digest of each file by name.
            purpose: why.

        Raises:
            EffectFailed: it was cut off from outside; the same call runs it again.
        """
        language = self.environment.language
        ref = self.record.put("program", program.encode(), media=PROGRAM_MEDIA[language])
        order = TrialOrder(
            purpose=purpose,
            program=ref.sha256,
            inputs=dict(inputs),
            environment=self.environment.digest,
            limits=self.limits.as_dict(),
            seed=self.seed,
        )
        spec = ExecutionSpec(
            program=program.encode(),
            environment=self.environment,
            inputs=tuple(Mount(host=self.files / sha256, target=name) for name, sha256 in sorted(inputs.items())),
            limits=self.limits,
            seed=self.seed,
            program_name=f"program.{_SUFFIX[language]}",
        )

        def execute(_attempt: int) -> Response:
            (execution,) = run_all(self.sandbox, [spec])
            if execution.status in _NOT_THE_PROGRAMS:
                raise EffectFailed(
                    f"The trial {key!r} was cut off from outside ({execution.status}).",
                    data={"status": execution.status},
                    advice="Nothing is lost: start the campaign again, and the cell goes on.",
                )
            return self._response(order, ref, execution)

        request = canonical_json(order.model_dump(mode="json"))
        performed = self.journal.perform(key, execute, kind="trial", request=request)
        return Trial.model_validate_json(performed.body)

    def _response(self, order: TrialOrder, program: Ref, execution: Execution) -> Response:
        put = self.record.put
        refs: list[Ref] = [
            put("stdout", execution.stdout.data, media="text/plain"),
            put("stderr", execution.stderr.data, media="text/plain"),
        ]
        outputs = []
        for artifact in execution.artifacts:
            refs.append(put(f"output:{artifact.name}", artifact.data, media=media_of(artifact.name)))
            outputs.append(Output(name=artifact.name, sha256=refs[-1].sha256))
        trial = Trial(
            status=execution.status, exit_code=execution.exit_code, stderr=refs[1].sha256, outputs=tuple(outputs)
        )
        facts = {
            "order": digest_of(order.model_dump(mode="json")),
            "status": execution.status,
            "synthetic": order.purpose in SYNTHETIC,
            "isolation": execution.attestation.deterministic(),
            "host": dict(execution.attestation.host),
            "usage": {name: round(value, 3) for name, value in vars(execution.usage).items()},
        }
        return Response(body=canonical_json(trial.model_dump(mode="json")), data=facts, refs=(program, *refs))
