"""Executions as effects: a program runs once, and what it gave is kept by digest.

Its outcome (`outcomes`) is the journal's answer; times and host facts stand in the event beside it. What real data gave
is on the secure side.

It does not cover what the outputs mean (`tools`) nor who may run what (`sandbox.gate`).
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Mapping

from counterproof.agents.context import StudyContext
from counterproof.agents.outcomes import Outcome, Output
from counterproof.provenance.conventions import EFFECT, EXECUTION_STATUS, ORDER, RECORDED, SYNTHETIC
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.events import Ref, Side
from counterproof.provenance.journal import EffectFailed, Response
from counterproof.provenance.telemetry import execute_tool
from counterproof.sandbox import Execution, ExecutionSpec, Language, Limits, Mount
from counterproof.sandbox.orders import Order

PROGRAM_MEDIA: dict[Language, str] = {"python": "text/x-python", "r": "text/x-r-source"}
_MEDIA = {"json": "application/json", "csv": "text/csv", "png": "image/png", "svg": "image/svg+xml"}
# How a sandbox ends when somebody else ends it: that says nothing about the program.
_NOT_THE_PROGRAMS = ("lost", "killed")
_LINE: dict[Language, re.Pattern[str]] = {
    "python": re.compile(r'File "/program/program\.py", line (\d+)'),
    "r": re.compile(r"^  /program/program\.R#(\d+)(?:$|:)", re.MULTILINE),
}
_CLASS: dict[Language, re.Pattern[str]] = {
    "python": re.compile(r"^([A-Za-z_][\w.]*)(?::|$)", re.MULTILINE),
    "r": re.compile(r"^([A-Za-z_][\w.:]*?)(?: in .*)?: ", re.MULTILINE),
}
# R's own errors are all of class simpleError; packages have some of their own.
_KNOWN_R = frozenset(
    {
        "simpleError",
        "packageNotFoundError",
        "stackOverflowError",
        "expressionStackOverflowError",
        "CStackOverflowError",
        "rlang_error",
        "dplyr:::mutate_error",
        "vctrs_error_subscript_oob",
        "vctrs_error_incompatible_type",
    }
)
_KNOWN = frozenset(
    {
        "numpy.linalg.LinAlgError",
        "pandas.errors.ParserError",
        "pandas.errors.EmptyDataError",
        "lifelines.exceptions.ConvergenceError",
        "statsmodels.tools.sm_exceptions.PerfectSeparationError",
    }
)


def run_on_twin(ctx: StudyContext, key: str, order: Order) -> Outcome:
    """Run a program on the twin, once for this key."""
    blobs = ctx.record.blobs
    spec = ExecutionSpec(
        program=blobs.get(order.program),
        environment=ctx.environments[order.role],
        inputs=tuple(Mount(host=blobs.path(ref.sha256), target=ref.name) for ref in order.inputs),
        limits=Limits(**order.limits),
        seed=order.seed,
        program_name=order.program_name,
    )
    return _perform(ctx, key, order, lambda: ctx.secure.run_open(spec), side="open")


def run_on_real_data(ctx: StudyContext, key: str, order: Order) -> Outcome:
    """Run an approved program on the real data, once for this key.

    Raises:
        GateRefused: the gate keeps the data closed.
    """
    program = ctx.record.blobs.get(order.program)
    return _perform(ctx, key, order, lambda: ctx.secure.execute(order, program, effect=key), side="secure")


def media_of(name: str) -> str:
    """Return the media type of an output by its name."""
    return _MEDIA.get(name.rpartition(".")[2], "application/octet-stream")


def scrubbed(
    outcome: Outcome,
    stderr: str,
    *,
    program: str,
    language: Language = "python",
    shapes: Mapping[str, tuple[int, int]] | None = None,
) -> str:
    """Say what went wrong on real data without any value: status, exception class, program line, shape of the inputs.

    The program may print what looks like a traceback; a line number that the program doesn't have may be a value.
    `shapes` are rows and columns of each input, which the profile tells, too.
    """
    lines = [
        line for line in _LINE[language].findall(stderr) if len(line) < 7 and 0 < int(line) <= program.count("\n") + 1
    ]
    names = [name for name in _CLASS[language].findall(stderr) if _is_exception(name, language)]
    parts = [f"The program failed on the real data with status {outcome.status!r}"]
    if lines:
        parts.append(f"at line {lines[-1]} of the program")
    parts.append(f"with {names[-1]}" if names else "with an exception of its own")
    sizes = [f"{name} has {rows} rows and {columns} columns" for name, (rows, columns) in (shapes or {}).items()]
    inputs = f" Of its inputs, {'; '.join(sizes)}." if sizes else ""
    return ", ".join(parts) + f". Its message is held back, because it may hold values.{inputs}"


def _is_exception(name: str, language: Language) -> bool:
    if language == "r":
        return name in _KNOWN_R
    found = getattr(builtins, name, None)
    return name in _KNOWN or (isinstance(found, type) and issubclass(found, BaseException))


def _perform(ctx: StudyContext, key: str, order: Order, run: Callable[[], Execution], *, side: Side) -> Outcome:
    def execute(_attempt: int) -> Response:
        execution = run()
        if execution.status in _NOT_THE_PROGRAMS:
            raise EffectFailed(
                f"The execution of the {order.role} program was cut off from outside ({execution.status}).",
                data={"status": execution.status},
                advice="Nothing is lost: run the study again, and the program runs anew.",
            )
        return _response(ctx, order, execution, side)

    with execute_tool(order.role, {EFFECT: key, ORDER: order.digest, SYNTHETIC: order.synthetic}) as current:
        performed = ctx.journal.perform(
            key, execute, kind="execution", request=canonical_json(order.model_dump(mode="json"))
        )
        outcome = Outcome.model_validate_json(performed.body)
        current.set_attributes({EXECUTION_STATUS: outcome.status, RECORDED: performed.recorded})
    return outcome


def _response(ctx: StudyContext, order: Order, execution: Execution, side: Side) -> Response:
    put = ctx.record.put
    refs: list[Ref] = [
        put("stdout", execution.stdout.data, media="text/plain", side=side),
        put("stderr", execution.stderr.data, media="text/plain", side=side),
    ]
    outputs = []
    for artifact in execution.artifacts:
        refs.append(put(f"output:{artifact.name}", artifact.data, media=media_of(artifact.name), side=side))
        outputs.append(Output(name=artifact.name, sha256=refs[-1].sha256))
    outcome = Outcome(
        order=order.digest,
        synthetic=order.synthetic,
        status=execution.status,
        exit_code=execution.exit_code,
        stdout=refs[0].sha256,
        stderr=refs[1].sha256,
        outputs=tuple(outputs),
        rejected=_rejected(order, execution),
    )
    facts = {
        "order": order.digest,
        "status": execution.status,
        "synthetic": order.synthetic,
        "isolation": execution.attestation.deterministic(),
        "host": dict(execution.attestation.host),
        "usage": {name: round(value, 3) for name, value in vars(execution.usage).items()},
    }
    program = put("program", ctx.record.blobs.get(order.program), media=PROGRAM_MEDIA[order.language])
    body = canonical_json(outcome.model_dump(mode="json"))
    return Response(body=body, data=facts, refs=(program, *refs))


def _rejected(order: Order, execution: Execution) -> tuple[str, ...]:
    """Return what is said of files that were not collected: of a real run, how many there were (`secure_side`)."""
    if order.synthetic:
        return tuple(f"{left.name}: {left.reason}" for left in execution.rejected)
    return (f"{len(execution.rejected)} files were not collected",) if execution.rejected else ()
