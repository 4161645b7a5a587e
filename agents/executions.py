"""Executions as effects: a program runs once, and what it gave is kept by digest.

The *outcome* of an execution is a small document (status, digests of streams and files) that is the same wherever the
same program does the same; times and host facts stand in the event beside it. What real data gave is on the secure
side.

It does not cover what the outputs mean (`tools`) nor who may run what (`sandbox.gate`).
"""

from __future__ import annotations

import builtins
import re
from typing import Any

from pydantic import BaseModel, ConfigDict

from counterproof.agents.context import StudyContext
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.journal import EffectFailed, Response
from counterproof.provenance.record import Ref, Side
from counterproof.provenance.telemetry import span
from counterproof.sandbox import Artifact, Execution, ExecutionSpec, Limits, Mount, run_all
from counterproof.sandbox.orders import InputRef, Order, Role
from counterproof.tools import Flow, ResultsFile, parse_flow, parse_results

_MEDIA = {"json": "application/json", "csv": "text/csv", "png": "image/png", "svg": "image/svg+xml"}
# How a sandbox ends when somebody else ends it: that says nothing about the program.
_NOT_THE_PROGRAMS = ("lost", "killed")
_LINE = re.compile(r'File "/program/program\.py", line (\d+)')
_CLASS = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)", re.MULTILINE)
_KNOWN = frozenset(
    {
        "numpy.linalg.LinAlgError",
        "pandas.errors.ParserError",
        "pandas.errors.EmptyDataError",
        "lifelines.exceptions.ConvergenceError",
        "statsmodels.tools.sm_exceptions.PerfectSeparationError",
    }
)


class Output(BaseModel):
    """One collected file."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Path below `$COUNTERPROOF_OUT`."""
    sha256: str
    """Digest of its bytes."""


class Outcome(BaseModel):
    """What an execution gave; the journal's answer."""

    model_config = ConfigDict(frozen=True)

    order: str
    """Digest of the order."""
    synthetic: bool
    """True where the inputs were the twin: such an outcome is never released."""
    status: str
    """Status by the supervisor."""
    exit_code: int | None
    """Exit code of the program."""
    stdout: str
    """Digest of what it printed."""
    stderr: str
    """Digest of what it printed on standard error."""
    outputs: tuple[Output, ...]
    """The collected files, by name."""
    rejected: tuple[str, ...]
    """Files that were not collected, with the reason."""

    def output(self, name: str) -> str | None:
        """Return the digest of a file, or None."""
        return next((output.sha256 for output in self.outputs if output.name == name), None)


def make_order(ctx: StudyContext, role: Role, program: str, *, seed: int, twin: dict[str, str] | None = None) -> Order:
    """Describe the execution of a program on the real data, or on the twin where one is given.

    Args:
        ctx: the study.
        role: which of the two programs.
        program: digest of the program.
        seed: from the plan.
        twin: digest of each twin file by name.
    """
    real = {file.name: file.sha256 for file in ctx.settings.data}
    inputs = tuple(InputRef(name=name, sha256=sha256) for name, sha256 in sorted((twin or real).items()))
    return Order(
        role=role,
        language="python",
        program=program,
        inputs=inputs,
        environment=ctx.environment.digest,
        limits=Limits(**ctx.settings.limits).as_dict(),
        seed=seed,
        synthetic=twin is not None,
    )


def run_on_twin(ctx: StudyContext, key: str, order: Order) -> Outcome:
    """Run a program on the twin, once for this key."""
    blobs = ctx.record.blobs
    spec = ExecutionSpec(
        program=blobs.get(order.program),
        environment=ctx.environment,
        inputs=tuple(Mount(host=blobs.path(ref.sha256), target=ref.name) for ref in order.inputs),
        limits=Limits(**order.limits),
        seed=order.seed,
    )
    return _perform(ctx, key, order, lambda: spec, side="open")


def run_on_real_data(ctx: StudyContext, key: str, order: Order) -> Outcome:
    """Run an approved program on the real data, once for this key.

    Raises:
        GateRefused: the gate keeps the data closed.
    """
    program = ctx.record.blobs.get(order.program)
    return _perform(ctx, key, order, lambda: ctx.gate.open(order, program, effect=key), side="secure")


def recorded_outcome(ctx: StudyContext, digest: str) -> Outcome:
    """Return the outcome with this digest, which must be the answer of an execution that the record has.

    Raises:
        VerificationFailed: no execution gave it; the graph's state was changed from outside.
    """
    finished = [event for event in ctx.record.of_type("effect.finished") if event.data["kind"] == "execution"]
    if not any(event.ref("response").sha256 == digest for event in finished):
        raise VerificationFailed(f"No execution of this study gave the outcome {digest[:12]}….")
    return Outcome.model_validate(ctx.json(digest))


def results_of(ctx: StudyContext, outcome: Outcome) -> tuple[ResultsFile, Flow]:
    """Read the results and the participant flow of an outcome.

    Raises:
        ModelMayRetry: they are missing or not of the form.
    """
    blobs = ctx.record.blobs
    found = [outcome.output(name) for name in ("results.json", "flow.json")]
    data = [blobs.get(digest) if digest else None for digest in found]
    return parse_results(data[0]), parse_flow(data[1])


def scrubbed(outcome: Outcome, stderr: str, *, program: str) -> str:
    """Say what went wrong on real data without any value: status, exception class and program line.

    The program may print what looks like a traceback; a line number that the program doesn't have may be a value.
    """
    lines = [line for line in _LINE.findall(stderr) if len(line) < 7 and 0 < int(line) <= program.count("\n") + 1]
    names = [name for name in _CLASS.findall(stderr) if _is_exception(name)]
    parts = [f"The program failed on the real data with status {outcome.status!r}"]
    if lines:
        parts.append(f"at line {lines[-1]} of the program")
    parts.append(f"with {names[-1]}" if names else "with an exception of its own")
    return ", ".join(parts) + ". Its message is held back, because it may hold values."


def _is_exception(name: str) -> bool:
    found = getattr(builtins, name, None)
    return name in _KNOWN or (isinstance(found, type) and issubclass(found, BaseException))


def _perform(ctx: StudyContext, key: str, order: Order, opened: Any, *, side: Side) -> Outcome:
    def execute(_attempt: int) -> Response:
        spec: ExecutionSpec = opened()
        (execution,) = run_all(ctx.sandbox, [spec])
        if execution.status in _NOT_THE_PROGRAMS:
            raise EffectFailed(
                f"The execution of the {order.role} program was cut off from outside ({execution.status}).",
                data={"status": execution.status},
                advice="Nothing is lost: run the study again, and the program runs anew.",
            )
        return _response(ctx, order, execution, side)

    attributes: dict[str, str | int | float | bool] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "program",
        "counterproof.effect": key,
        "counterproof.order": order.digest,
        "counterproof.synthetic": order.synthetic,
    }
    with span(f"execute_tool {order.role}", attributes) as current:
        performed = ctx.journal.perform(
            key, execute, kind="execution", request=canonical_json(order.model_dump(mode="json"))
        )
        outcome = Outcome.model_validate_json(performed.body)
        current.set_attribute("counterproof.execution.status", outcome.status)
    return outcome


def _response(ctx: StudyContext, order: Order, execution: Execution, side: Side) -> Response:
    put = ctx.record.put
    refs: list[Ref] = [
        put("stdout", execution.stdout.data, media="text/plain", side=side),
        put("stderr", execution.stderr.data, media="text/plain", side=side),
    ]
    outputs = []
    artifacts, rejected = _collected(ctx, order, execution)
    for artifact in artifacts:
        media = _MEDIA.get(artifact.name.rpartition(".")[2], "application/octet-stream")
        refs.append(put(f"output:{artifact.name}", artifact.data, media=media, side=side))
        outputs.append(Output(name=artifact.name, sha256=artifact.sha256))
    outcome = Outcome(
        order=order.digest,
        synthetic=order.synthetic,
        status=execution.status,
        exit_code=execution.exit_code,
        stdout=refs[0].sha256,
        stderr=refs[1].sha256,
        outputs=tuple(outputs),
        rejected=rejected,
    )
    facts = {
        "order": order.digest,
        "status": execution.status,
        "synthetic": order.synthetic,
        "isolation": execution.attestation.deterministic(),
        "host": dict(execution.attestation.host),
        "usage": {name: round(value, 3) for name, value in vars(execution.usage).items()},
    }
    program = put("program", ctx.record.blobs.get(order.program), media="text/x-python")
    body = canonical_json(outcome.model_dump(mode="json"))
    return Response(body=body, data=facts, refs=(program, *refs))


def _collected(ctx: StudyContext, order: Order, execution: Execution) -> tuple[tuple[Artifact, ...], tuple[str, ...]]:
    """Return the files to keep, and what is said of the others.

    The outcome of a real run leaves before anything is released, and a program chooses the names of its files: of a
    real run only files are kept whose names the run on the twin showed to a reviewer, and others are counted.
    """
    if order.synthetic:
        return execution.artifacts, tuple(f"{left.name}: {left.reason}" for left in execution.rejected)
    shown = {
        output.name
        for event in ctx.record.of_type("effect.finished")
        if event.data["kind"] == "execution"
        and event.data["synthetic"]
        and event.ref("program").sha256 == order.program
        for output in Outcome.model_validate_json(ctx.record.blobs.get(event.ref("response").sha256)).outputs
    }
    kept = tuple(artifact for artifact in execution.artifacts if artifact.name in shown)
    others = len(execution.artifacts) - len(kept) + len(execution.rejected)
    return kept, (f"{others} files were not collected",) if others else ()
