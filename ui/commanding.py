"""The commands of the pages beside deciding: each asks first whether whoever is there may give it.

It does not cover signing (`deciding`) nor making a study (`making`).
"""

from __future__ import annotations

from counterproof.agents.reviews import say
from counterproof.agents.study import open_study
from counterproof.provenance.errors import UsageError
from counterproof.tools.looking import MEANINGS, Meaning, Said
from counterproof.ui.desk import Desk


def ask_run(desk: Desk, study: str) -> None:
    """Leave word for a worker to go on with a study.

    Raises:
        NotAllowed: nobody is there, or somebody in none of the roles for it.
    """
    desk.require("go on with a study")
    desk.workplace.store.ask_run(study)


def say_meaning(
    desk: Desk, study: str, *, file: str, column: str, meaning: Meaning | None, why: str, by: str = ""
) -> None:
    """Write down what a person says of a column that may identify somebody.

    Args:
        desk: who is there; that person says it.
        study: which study.
        file: the data file.
        column: the column.
        meaning: what it is.
        why: the reason.
        by: in single-user mode, the reviewer's id.

    Raises:
        NotAllowed: nobody is there, or somebody in none of the roles for it.
        UsageError: nothing was chosen, no reason is given, no reviewer is named, or the intake is over.
    """
    person = desk.require("say what a column is")
    if meaning is None:
        raise UsageError(f"Nothing was said of {column!r}.", allowed=f"One of: {', '.join(MEANINGS)}.")
    if person is None and not by.strip():
        raise UsageError("Nobody says it.", advice="Give the id of a reviewer.")
    who = desk.workplace.registry.get(by.strip() if person is None else person.id)
    if who.replay:
        raise UsageError("The replay reviewer says nothing of columns.", advice="Give the id of a person.")
    said = Said(file=file, column=column, said=meaning, why=why, by=who.id)
    say(open_study(desk.workplace, study), said)
