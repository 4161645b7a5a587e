"""Looking at a data file before any model is asked: identifiers, what a person said of them, quasi-identifiers.

A column that may identify a person is undecided until a person says what it is:

    identifier         nothing of it is told but its name; its twin is made up
    quasi-identifier   it is described as other columns are, but no correlation of it is shown
    not one            it is described as other columns are

It does not cover writing down what a person said (`agents.reviews`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from counterproof.provenance.errors import UsageError
from counterproof.tools.data import Column, Table
from counterproof.tools.exposure import DataRules, Suppression
from counterproof.tools.identifiers import Finding, find_identifiers, subject_column
from counterproof.tools.quasi_identifiers import Anonymity, anonymity

Meaning = Literal["identifier", "quasi-identifier", "not one"]
MEANINGS: tuple[Meaning, ...] = get_args(Meaning)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a person said of a column.

    Attributes:
        file: name of the data file.
        column: name of the column.
        said: what it is.
        why: the reason given.
        by: id of the reviewer.
    """

    file: str
    column: str
    said: Meaning
    why: str
    by: str


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What was found in a file, and what follows from what a person said.

    Attributes:
        found: every column that may identify a person.
        undecided: those of which nobody said what they are.
        hidden: those of which nothing may be told but the name: found and not cleared, or called so by a person; and
            the one that tells persons apart, whatever was said of it.
        subject: the column that tells persons apart; None where each row is a person.
        quasi: the quasi-identifiers, and how far they single out.
    """

    found: tuple[Finding, ...]
    undecided: tuple[Finding, ...]
    hidden: tuple[Finding, ...]
    subject: Column | None
    quasi: Anonymity


def look(
    table: Table,
    said: Sequence[Said] = (),
    *,
    rules: DataRules,
    suppression: Suppression,
    marked: Collection[str] = (),
) -> Looked:
    """Look at a file.

    Args:
        table: the data.
        said: what persons said of its columns; the last word on a column counts.
        rules: what a person set for the file.
        suppression: where suppression begins.
        marked: columns that the codebook marks as identifiers.

    Raises:
        UsageError: a person spoke of a column that there isn't.
    """
    word = {one.column: one for one in said if one.file == table.name}
    there = {column.name for column in table.columns}
    unknown = [name for name, one in word.items() if name not in there and one.said != "not one"]
    if unknown:
        raise UsageError(
            f"{table.name} has no column {unknown[0]!r}, of which something was said.",
            allowed=f"Columns: {', '.join(sorted(there))[:2000]}.",
            advice="Take the word back by saying `not one` of it, and say it of the right column.",
        )
    word = {name: one for name, one in word.items() if name in there}
    found = find_identifiers(table)
    by_form = {one.column for one in found}
    reason = "the codebook marks it as an identifier"
    found += [
        Finding(column=column.name, reason=reason)
        for column in table.columns
        if column.name in marked and column.name not in by_form
    ]
    named = {one.column for one in found}
    also = [
        Finding(column=name, reason=f"{one.by} says that it identifies persons")
        for name, one in word.items()
        if one.said == "identifier" and name not in named
    ]
    hidden = [one for one in found if one.column not in word or word[one.column].said == "identifier"] + also
    subject = subject_column(table, rules.subject)
    if subject is not None:
        known = [one for one in hidden if one.column == subject.name]
        of_subject = known[0] if known else Finding(column=subject.name, reason="it tells persons apart")
        hidden = [one for one in hidden if one.column != subject.name]
        hidden.append(replace(of_subject, tells_persons_apart=True))
    quasi = anonymity(
        table,
        subject=None if subject is None else subject.values,
        said={name for name, one in word.items() if one.said == "quasi-identifier"},
        not_one={name for name, one in word.items() if one.said == "not one"} | {one.column for one in hidden},
        rules=suppression,
    )
    return Looked(
        found=tuple(found),
        undecided=tuple(one for one in found if one.column not in word),
        hidden=tuple(hidden),
        subject=subject,
        quasi=quasi,
    )
