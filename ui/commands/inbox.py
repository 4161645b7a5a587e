"""`counterproof inbox`: what waits for a person."""

from __future__ import annotations

from pathlib import Path

import click

from counterproof.provenance.reviewers import ROLES_OF, CheckpointKind
from counterproof.ui.common import home_option, workplace
from counterproof.ui.output import emit, json_option


@click.command(name="inbox")
@home_option
@json_option
def command(home: Path, as_json: bool) -> None:
    """List the checkpoints that wait for a person, oldest first."""
    rows = [
        {
            "checkpoint": row["id"],
            "kind": row["kind"],
            "study": row["study"],
            "title": row["title"],
            "roles": [str(role) for role in ROLES_OF[CheckpointKind(row["kind"])]],
            "opened_at": row["opened_at"],
            "subject": row["subject"],
        }
        for row in workplace(home).store.waiting()
    ]
    lines = [
        f"{row['checkpoint']}  {' or '.join(row['roles'])}  since {row['opened_at']}  {row['title']}" for row in rows
    ]
    emit(rows, "\n".join(lines) or "Nothing waits.", as_json=as_json)
