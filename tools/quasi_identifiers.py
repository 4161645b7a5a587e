"""Quasi-identifiers: columns that anybody may know of a neighbour, and that single a person out together.

Columns are taken by their names (age, sex, place of treatment, occupation …). How far they single out is measured as
k-anonymity: the smallest group of persons who share all of these values, and how many persons are in a group smaller
than k. A column is treated as a quasi-identifier until a person says otherwise: no correlation of it is shown, and the
person who approves the plan sees the figures.

It does not cover l-diversity, nor what a particular neighbour knows.

Source: Sweeney, k-anonymity, Int. J. Uncertainty Fuzziness Knowl.-Based Syst. 10 (2002) 557,
doi:10.1142/S0218488502001648.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from counterproof.tools.data import Table
from counterproof.tools.exposure import Suppression
from counterproof.tools.identifier_words import QUASI_WORDS
from counterproof.tools.identifiers import words_of


@dataclass(frozen=True, kw_only=True)
class Anonymity:
    """How far the quasi-identifiers of a table single persons out.

    Attributes:
        columns: the quasi-identifiers, in the order of the file.
        smallest: persons in the smallest group that shares all values; 0 where there is no quasi-identifier.
        below: persons in groups smaller than k.
        persons: all persons.
    """

    columns: tuple[str, ...]
    smallest: int
    below: int
    persons: int


def anonymity(
    table: Table,
    *,
    subject: pd.Series | None = None,
    said: Collection[str] = (),
    not_one: Collection[str] = (),
    rules: Suppression | None = None,
) -> Anonymity:
    """Measure the k-anonymity of a table.

    Args:
        table: the data.
        subject: tells persons apart, one value a row; None where each row is a person.
        said: columns that a person called quasi-identifiers.
        not_one: columns that a person said are none, or that are hidden anyway.
        rules: where suppression begins.
    """
    k = (rules or Suppression()).k
    chosen = [
        column
        for column in table.columns
        if column.name in said or (column.name not in not_one and QUASI_WORDS & set(words_of(column.name)))
    ]
    names = tuple(column.name for column in chosen)
    persons = table.rows if subject is None else int(subject.nunique())
    if not chosen:
        return Anonymity(columns=(), smallest=0, below=0, persons=persons)
    frame = pd.DataFrame({str(at): column.values for at, column in enumerate(chosen)})
    groups = frame.assign(_person=range(table.rows) if subject is None else subject.to_numpy())
    sizes = groups.groupby([str(at) for at in range(len(chosen))], dropna=False, observed=True)["_person"].nunique()
    return Anonymity(columns=names, smallest=int(sizes.min()), below=int(sizes[sizes < k].sum()), persons=persons)
