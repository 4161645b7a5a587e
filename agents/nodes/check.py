"""Checks and replication: code judges the outputs, compares the two programs, and puts the release up.

Where results contradict themselves or the two programs disagree (`HALTING`), the study halts here: that is shown to
people, never averaged away and never shown to the model. After any other failed check everything is put up as held
back: a person who releases it in spite of the check says why, in a signed edit.
"""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from counterproof.agents.context import StudyContext
from counterproof.agents.judgement import judge
from counterproof.agents.nodes._checkpoint import put_up_release
from counterproof.agents.nodes._disclosure import release_items
from counterproof.agents.state import StudyState
from counterproof.agents.subjects.release import held_back, release_subject
from counterproof.provenance.telemetry import execute_tool

Goto = Literal["release_checkpoint", "export"]


def check(state: StudyState, runtime: Runtime[StudyContext]) -> Command[Goto]:
    """Run the checks; put the release up unless the results contradict themselves or each other."""
    ctx = runtime.context
    ctx.progress("checks and replication")
    with execute_tool("checks"):
        judged = judge(ctx, state["executions"], plan=state["plan"])
    shown = judged.shown()
    document = ctx.put_json("checks", shown["checks"], side="secure")
    warnings = ctx.put_json("warnings", shown["warnings"], side="secure")
    verdicts = {made.id: made.verdict for made in judged.checks}
    # Where the study goes on, `put_up` flushes it.
    ctx.note_once("checks.finished", {"verdicts": verdicts}, [document, warnings], durable=bool(judged.halting))
    if judged.halting:
        named = ", ".join(judged.failed)
        reason = f"failed checks: {named} (`counterproof show {state['study']}` shows the evidence)"
        update = {"checks": document.sha256, "ended": "cannot_conclude", "reason": reason}
        return Command(goto="export", update=update)
    items = held_back(release_items(ctx, judged), judged.failed)
    update = put_up_release(ctx, state, release_subject(items, judged, execution=state["executions"]["primary"]))
    return Command(goto="release_checkpoint", update={"checks": document.sha256, **update})
