"""What every subject begins with: of which study it is, and what is asked there."""

from __future__ import annotations

from typing import Any

from counterproof.agents.settings import StudySettings
from counterproof.provenance.reviewers import CheckpointKind


def head_of(settings: StudySettings, study: str, kind: CheckpointKind) -> dict[str, Any]:
    """Return what stands in each subject of a study."""
    return {
        "schema": "counterproof/subject/1",
        "kind": kind,
        "study": study,
        "title": settings.title,
        "question": settings.question,
        "exposure": settings.exposure,
    }
