"""What the documents of a study are made of: its choices, its record and its decisions; no model, and no real data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from counterproof.agents.settings import StudySettings
from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.record import Record
from counterproof.tools import Plan


@dataclass(frozen=True, kw_only=True)
class Papers:
    """The papers of one study.

    Attributes:
        settings: the question and the choices that the study was made with.
        record: the history.
        checkpoints: the decisions.
    """

    settings: StudySettings
    record: Record
    checkpoints: Checkpoints

    def json(self, digest: str) -> Any:
        """Return a stored JSON document."""
        return json.loads(self.record.blobs.get(digest))

    def plan(self, digest: str) -> Plan:
        """Return a stored plan."""
        return Plan.model_validate_json(self.record.blobs.get(digest))

    def text(self, digest: str) -> str:
        """Return a stored text."""
        return self.record.blobs.get(digest).decode()
