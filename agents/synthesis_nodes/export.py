"""Export: write the end of the study down. However it ended, the bundle shows it, without a set that stayed here."""

from __future__ import annotations

import shutil
from typing import Any

from langgraph.runtime import Runtime

from counterproof.agents.context import StudyContext
from counterproof.agents.set_papers import approved
from counterproof.agents.state import StudyState
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind


def export(state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Record how the study ended and make its bundle."""
    ctx = runtime.context
    ended, reason = state["ended"], state.get("reason", "")
    if ended == "done":
        _check_released(ctx, state)
    else:
        shutil.rmtree(ctx.set_folder, ignore_errors=True)
    data = {"plan": "", "released": state.get("released", ""), "report": ""}
    ctx.note_once("study.ended", {"ended": ended, "reason": reason, **data})
    ctx.progress(f"the study ended: {ended}" + (f" ({reason})" if reason else ""))
    ctx.export()
    return {}


def _check_released(ctx: StudyContext, state: StudyState) -> None:
    """Refuse to end a study as done without a signed approval of the release, whatever the graph was told."""
    release = approved(ctx, CheckpointKind.RELEASE).checkpoint
    released = ctx.record.of_type("set.released")
    if not released or (released[-1].data["checkpoint"], released[-1].ref("released").sha256) != (
        release,
        state["released"],
    ):
        raise VerificationFailed(f"Study {state['study']} can't end as done: another set was released.")
