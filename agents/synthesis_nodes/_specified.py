"""Putting a specification up: first as it was asked for, then as it was edited, or after its sample was rejected."""

from __future__ import annotations

from typing import Any

from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import put_up
from counterproof.agents.reasons import pending
from counterproof.agents.state import StudyState
from counterproof.agents.subjects.sets import specification_subject
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.tools.synth.specification import SetSpecification


def put_up_specification(ctx: StudyContext, state: StudyState, specification: SetSpecification) -> dict[str, Any]:
    """Put a specification up, and return the update of the state."""
    subject = specification_subject(ctx, specification, reasons=pending(ctx, CheckpointKind.SAMPLE))
    return put_up(ctx, state, CheckpointKind.SPECIFICATION, subject)
