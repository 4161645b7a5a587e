"""Intake: look at the data, find identifiers and what is awkward, write the profile, make the twin. No model yet.

All of it happens where the data are (`agents.secure`); here its answer is written down. Where a column may identify a
person and nobody has said what it is, the study stops here: nothing is made of its data, and no model is asked.
"""

from __future__ import annotations

import json
from typing import Any

from langgraph.runtime import Runtime

from counterproof.agents.context import StudyContext
from counterproof.agents.reviews import FOUND, intake_question
from counterproof.agents.secure import INTAKE
from counterproof.agents.state import StudyState
from counterproof.provenance.errors import DecisionRequired
from counterproof.provenance.telemetry import execute_tool
from counterproof.tools.reading.writing import media_of

_SHOWN = 20
_FINISHED = "intake.finished"


def intake(_state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Make what the model may see of the data, and the twin to work on."""
    ctx = runtime.context
    ctx.progress("intake: profile, identifiers, twin")
    with execute_tool("profile"):
        told = ctx.secure.ask(INTAKE, intake_question(ctx.settings, ctx.record, ctx.checkpoints.policy().policy))
    found = json.loads(told.answer)
    _stop_at_undecided(ctx, found["undecided"])
    with execute_tool("twin"):
        bodies = {**told.bodies, **_private_again(ctx, found["noted"])}
        twins = {
            file.name: ctx.record.put(f"twin:{file.name}", bodies[file.name], media=media_of(file.name))
            for file in ctx.settings.data
        }
    for row in found["noted"]["noticed"]:
        ctx.progress(f"intake: noticed in {row['file']}, {', '.join(row['columns']) or 'its rows'}: {row['text']}")
    profile = ctx.put_json("profile", found["profile"])
    ctx.note_once(_FINISHED, found["noted"], [profile, *twins.values()])
    return {"profile": profile.sha256, "twin": {name: ref.sha256 for name, ref in twins.items()}}


def _private_again(ctx: StudyContext, noted: dict[str, Any]) -> dict[str, bytes]:
    """Return the differentially private twins that the record has already, of this study or of the one replayed.

    They can't be made again: their noise is drawn anew each time, and is kept nowhere.
    """
    private = [row["file"] for row in noted["twins"] if row["epsilon"] is not None]
    known = ctx.journal.noted(_FINISHED, noted) if private else None
    return {name: known[f"twin:{name}"] for name in private} if known is not None else {}


def _stop_at_undecided(ctx: StudyContext, undecided: list[dict[str, str]]) -> None:
    """Let the study go on.

    Raises:
        DecisionRequired: nobody has said of a column what it is.
    """
    if not undecided:
        return
    ctx.note_once(FOUND, {"findings": undecided})
    listed = "; ".join(f"{row['file']}: {row['column']!r} ({row['reason']})" for row in undecided[:_SHOWN])
    more = f"; and {len(undecided) - _SHOWN} more" if len(undecided) > _SHOWN else ""
    raise DecisionRequired(
        f"Columns that may identify a person, and nobody has said what they are: {listed}{more}.",
        allowed="Each is an identifier, a quasi-identifier, or not one.",
        advice="Look: `counterproof identifiers STUDY`. Then say it: `counterproof identifiers STUDY COLUMN identifier "
        "--as REVIEWER --why TEXT`, and run the study again.",
    )
