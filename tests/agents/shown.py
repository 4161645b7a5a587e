"""An installation that shows a reviewer something else than there is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.reviewers import CheckpointKind

Change = Callable[[dict[str, Any]], None]
OTHER = "shows something else than the papers of the study say: {}\\."


def show(monkeypatch: pytest.MonkeyPatch, kind: CheckpointKind, change: Change, *, number: int = 1) -> None:
    """Whoever runs this installation has one checkpoint show something else."""
    put_up = Checkpoints.open

    def other(self: Checkpoints, of: CheckpointKind, at: int, subject: dict[str, Any], **more: Any) -> Checkpoint:
        shown = copy.deepcopy(subject)
        if (of, at) == (kind, number):
            change(shown)
        return put_up(self, of, at, shown, **more)

    monkeypatch.setattr(Checkpoints, "open", other)
