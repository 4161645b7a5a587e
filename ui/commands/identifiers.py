"""`counterproof identifiers`: columns that may identify a person, and what a person says they are."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import cast

import click

from counterproof.agents.reviews import say as write_down
from counterproof.agents.reviews import undecided
from counterproof.agents.study import open_study
from counterproof.provenance.errors import UsageError
from counterproof.tools.looking import MEANINGS, Meaning, Said
from counterproof.ui.common import home_option, workplace
from counterproof.ui.output import emit, json_option, say


@click.command(name="identifiers")
@click.argument("study")
@click.argument("column", required=False)
@click.argument("meaning", required=False, type=click.Choice(MEANINGS))
@click.option("--file", "file", default="", help="Data file of the column; needed where a study has several.")
@click.option("--why", default="", help="Why it is that; stands in the record.")
@click.option("--as", "reviewer", default="", help="The reviewer's id.")
@home_option
@json_option
def command(
    study: str, column: str | None, meaning: str | None, file: str, why: str, reviewer: str, home: Path, as_json: bool
) -> None:
    """List the columns of STUDY that may identify a person and wait for a word, or say that COLUMN is MEANING.

    MEANING is `identifier` (nothing of it is told but its name), `quasi-identifier` or `not one`. A study stops at its
    intake until each column that was found has one. Columns that were not found may be named, too; a word on a column
    that there isn't is an error of the next run. COLUMN may be a pattern (`AFFX*`) of columns that wait for a word.
    """
    place = workplace(home)
    opened = open_study(place, study)
    if column is None or meaning is None:
        if column is not None:
            raise UsageError(f"Nothing was said of {column!r}.", allowed=f"One of: {', '.join(MEANINGS)}.")
        rows = undecided(opened.record)
        lines = [f"{row['file']}: {row['column']}: {row['reason']}" for row in rows]
        emit(rows, "\n".join(lines) or "No column waits for a word.", as_json=as_json)
        return
    person = place.registry.get(reviewer) if reviewer else None
    if person is None or person.replay:
        raise UsageError(
            "Nobody says it.", advice="Name a reviewer with --as; `counterproof reviewers list` lists them."
        )
    files = [one.name for one in opened.settings.data]
    if not file and len(files) > 1:
        raise UsageError(
            f"Study {study} has {len(files)} data files.",
            allowed=f"Files: {', '.join(files)}.",
            advice="Name one with --file.",
        )
    said = [
        Said(file=file or files[0], column=name, said=cast(Meaning, meaning), why=why, by=person.id)
        for name in _meant(
            column, [row["column"] for row in undecided(opened.record) if row["file"] == (file or files[0])]
        )
    ]
    for one in said:
        write_down(opened, one)
    left = len(undecided(opened.record))
    say(f"{left} columns still wait for a word." if left else f"Go on with: counterproof run {study}")
    emit(
        [vars(one) for one in said], "\n".join(f"{one.file}: {one.column}: {meaning}" for one in said), as_json=as_json
    )


def _meant(column: str, waiting: list[str]) -> list[str]:
    """Return the columns that wait and that a pattern fits; a name that is no pattern, or is one of them, is itself."""
    if column in waiting or not set("*?[") & set(column):
        return [column]
    found = [name for name in waiting if fnmatchcase(name, column)]
    if not found:
        raise UsageError(
            f"No column that waits for a word fits {column!r}.", advice="Look: `counterproof identifiers STUDY`."
        )
    return found
