"""Checks and replication: code judges the outputs, compares the two programs, and puts the release up.

Where results contradict themselves or the two programs disagree (`HALTING`), the study halts here: that is shown to
people, never averaged away and never shown to the model. After any other failed check everything is put up as held
back: a person who releases it in spite of the check says why, in a signed edit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from counterproof.agents.checking import columns_of, observed
from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import put_up_release
from counterproof.agents.nodes._disclosure import release_items
from counterproof.agents.outcomes import Outcome, recorded_outcome, results_of
from counterproof.agents.state import StudyState
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.telemetry import execute_tool
from counterproof.sandbox.orders import Role
from counterproof.tools import Item, compare
from counterproof.tools.checks import HALTING, Check, Evidence, Observation, ProgramSource, Verdict, run_checks
from counterproof.tools.disclosure.item import DisclosureFinding
from counterproof.tools.library_warnings import LibraryWarning, warnings_of

Goto = Literal["release_checkpoint", "export"]


def check(state: StudyState, runtime: Runtime[StudyContext]) -> Command[Goto]:
    """Run the checks; put the release up unless the results contradict themselves or each other."""
    ctx = runtime.context
    ctx.progress("checks and replication")
    primary, replication = (_outcome(ctx, state, role) for role in ("primary", "replication"))
    results, flow = results_of(ctx.record, primary)
    observation, unread = observed(ctx, _outcome(ctx, state, "checks") if "checks" in state["executions"] else None)
    code = ctx.record.blobs.get(state["programs"]["primary"]).decode()
    evidence = Evidence(
        plan=ctx.plan(state["plan"]),
        rows=_rows(ctx),
        primary=results,
        replication=results_of(ctx.record, replication)[0],
        flow=flow,
        columns=tuple(columns_of(ctx)),
        source=ProgramSource(code=code, language=ctx.settings.language_of("primary")),
        results_sha256=sha256_bytes(ctx.record.blobs.get(primary.output("results.json") or "")),
        observation=observation,
        unobserved="" if ctx.settings.checks_on_data else "the study was made without it",
    )
    with execute_tool("checks"):
        checks = [*run_checks(evidence), *unread]
    warned = _warned(ctx, {"primary": primary, "replication": replication}, observation)
    document = ctx.put_json("checks", [made.model_dump(mode="json") for made in checks], side="secure")
    listed = {id_: warning.model_dump(mode="json") for id_, warning in warned.items()}
    warnings = ctx.put_json("warnings", listed, side="secure")
    verdicts = {made.id: made.verdict for made in checks}
    failed = [made.id for made in checks if made.verdict is Verdict.FAIL]
    halting = [name for name in failed if name in HALTING]
    # Where the study goes on, `put_up` flushes it.
    ctx.note_once("checks.finished", {"verdicts": verdicts}, [document, warnings], durable=bool(halting))
    if halting:
        reason = f"failed checks: {', '.join(failed)} (`counterproof show {state['study']}` shows the evidence)"
        update = {"checks": document.sha256, "ended": "cannot_conclude", "reason": reason}
        return Command(goto="export", update=update)
    comparison = [vars(row) for row in compare(evidence.plan, evidence.primary, evidence.replication)]
    streams = {"primary": primary.stderr, "replication": replication.stderr}
    items = held_back(release_items(ctx, primary, warned=warned, streams=streams), failed)
    subject = release_subject(items, checks, comparison, execution=state["executions"]["primary"], warnings=listed)
    update = put_up_release(ctx, state, subject)
    return Command(goto="release_checkpoint", update={"checks": document.sha256, **update})


def _warned(
    ctx: StudyContext, outcomes: Mapping[Role, Outcome], observation: Observation | None
) -> dict[str, LibraryWarning]:
    """Return what the libraries warned of in both programs, by the ids of the items of the release."""
    found = []
    for role, outcome in outcomes.items():
        stderr = ctx.record.blobs.get(outcome.stderr).decode("utf-8", errors="replace")
        noted = observation.warnings if observation is not None and role == "primary" else ()
        found += warnings_of(role, stderr, ctx.settings.language_of(role), noted=noted)
    return {f"warning:{at}": warning for at, warning in enumerate(found, start=1)}


def _rows(ctx: StudyContext) -> int | None:
    """Return how many rows the data file has, as intake found; None where there are several files."""
    rows: dict[str, int] = ctx.record.of_type("intake.finished")[-1].data["rows"]
    return next(iter(rows.values())) if len(rows) == 1 else None


def held_back(items: list[Item], failed: list[str]) -> list[Item]:
    """Return the items as they are put up: after a failed check nothing is released unless a person says why.

    A reviewer who wants to release in spite of it edits the verdicts, and says why in the comment that is signed.
    """
    if not failed:
        return items
    why = f"held back: failed checks ({', '.join(failed)}); to release it, edit its verdict and say why"
    held = DisclosureFinding(check="checks", text=why, suggestion="suppress")
    return [item.model_copy(update={"verdict": "suppress", "findings": (held, *item.findings)}) for item in items]


def release_subject(
    items: list[Item],
    checks: list[Check],
    comparison: list[dict[str, Any]],
    *,
    execution: str,
    warnings: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Return what the release checkpoint shows; `editable` is the verdict of each item."""
    return {
        "items": [item.model_dump(mode="json") for item in items],
        "checks": [made.model_dump(mode="json") for made in checks],
        "comparison": comparison,
        "execution": execution,
        "warnings": warnings,
        "editable": {item.id: item.verdict for item in items},
    }


def _outcome(ctx: StudyContext, state: StudyState, role: str) -> Outcome:
    return recorded_outcome(ctx.record, state["executions"][role])
