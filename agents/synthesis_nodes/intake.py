"""Intake: look at what the set is made from, and put its specification up. No model yet, and nothing is made.

For a table the real rows are looked at as for an analysis. For texts the table must carry the mark of synthetic data;
that is looked at where the table is.
"""

from __future__ import annotations

import json
from typing import Any

from langgraph.runtime import Runtime

from counterproof.agents.context import StudyContext
from counterproof.agents.nodes.intake import intake as look_at_data
from counterproof.agents.secure import PATIENTS
from counterproof.agents.state import StudyState
from counterproof.agents.synthesis_nodes._specified import put_up_specification
from counterproof.provenance.marks import MARK


def intake(state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Take in the data, and put the specification up as it was asked for."""
    ctx = runtime.context
    specification = ctx.settings.specification
    assert specification is not None
    if specification.kind == "table":
        look_at_data(state, runtime)
    else:
        _take_in_patients(ctx)
    return put_up_specification(ctx, state, specification)


def _take_in_patients(ctx: StudyContext) -> None:
    told = ctx.secure.ask(PATIENTS)
    rows = json.loads(told.answer)
    ref = ctx.record.put("patients", told.answer)
    ctx.note_once("set.begun", {"rows": len(rows), "synthetic_mark": MARK}, [ref])
    ctx.progress(f"intake: {len(rows)} rows that are marked as synthetic")
