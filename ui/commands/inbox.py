"""`counterproof inbox`: what waits for a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from counterproof.provenance.policy import Policy
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.ui.common import home_option, workplace
from counterproof.ui.output import emit, json_option
from counterproof.ui.views import study_rules


@click.command(name="inbox")
@home_option
@json_option
def command(home: Path, as_json: bool) -> None:
    """List the checkpoints that wait for a person, oldest first."""
    place = workplace(home)
    rows = [_row(row, study_rules(place, row["study"])) for row in place.store.waiting()]
    lines = [
        f"{row['checkpoint']}  {' or '.join(row['roles'])}  since {row['opened_at']}  {row['title']}"
        + ("  (single-user mode)" if row["single_user"] else "")
        for row in rows
    ]
    emit(rows, "\n".join(lines) or "Nothing waits.", as_json=as_json)


def _row(row: dict[str, Any], policy: Policy) -> dict[str, Any]:
    return {
        "checkpoint": row["id"],
        "kind": row["kind"],
        "study": row["study"],
        "title": row["title"],
        "roles": [str(role) for role in policy.rule(CheckpointKind(row["kind"])).roles],
        "single_user": policy.single_user,
        "opened_at": row["opened_at"],
        "subject": row["subject"],
    }
