"""Differencing: two outputs that are safe alone, and tell of few persons when one is taken from the other.

Definition. Two counts of the same thing over groups of which one holds the other differ by 1 to K - 1: tables with the
same names of rows and columns, cell by cell; a table's total and the sum of its parts, where one part was left out; the
populations of two results of the same unit; a table and a released one of an earlier execution.

Only outputs that would be released take part: a count that is kept back can't be subtracted.

References
----------
Griffiths et al., 2019 (see `small_cells`), "Differencing"; Hundepool et al., 2012 (see `dominance`), chapter 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from counterproof.tools.disclosure.cells import COUNT, Cells
from counterproof.tools.disclosure.item import DisclosureFinding
from counterproof.tools.profile import K
from counterproof.tools.results import Result

CHECK = "differencing"
_SHOWN = 3


def between_tables(
    tables: Mapping[str, Cells], earlier: Mapping[str, Cells] | None = None, *, k: int = K
) -> dict[str, list[DisclosureFinding]]:
    """Subtract every two tables from each other, also from those that were released before.

    Parameters
    ----------
    tables : mapping of str to Cells
        Tables of this release by name.
    earlier : mapping of str to Cells
        Tables that were released before, by a name that says where.
    k : int
        The threshold.

    Returns
    -------
    dict of str to list of DisclosureFinding
        By the name of the table that would have to be kept back or merged: the later one of each two.
    """
    found: dict[str, list[DisclosureFinding]] = {}
    pairs = [*combinations(tables, 2), *((old, new) for old in earlier or {} for new in tables)]
    everything = {**(earlier or {}), **tables}
    for first, second in pairs:
        places = _differences(everything[first], everything[second], k)
        if places:
            shown = "; ".join(places[:_SHOWN])
            text = f"differs from {first} by fewer than {k} persons: {shown} ({len(places)} such)"
            found.setdefault(second, []).append(DisclosureFinding(check=CHECK, text=text, suggestion="round"))
    return found


def in_table(cells: Cells, *, k: int = K) -> list[DisclosureFinding]:
    """Take the parts from the total: what is left over may be a group that was left out because it is small."""
    totals = [row for row in cells.rows if cells.is_total(row)]
    if len(totals) != 1 or len(cells.rows) < 3:
        return []
    found = []
    for at in range(len(cells.header)):
        counts = cells.counts(at)
        if at in cells.labels or counts is None:
            continue
        of_total = counts[cells.rows.index(totals[0])]
        left = of_total - (sum(counts) - of_total)
        if 0 < left < k:
            text = f"{cells.header[at][:60]}: the total less its parts is {left}, fewer than {k}"
            found.append(DisclosureFinding(check=CHECK, text=text, suggestion="round"))
    return found


def between_results(
    results: Sequence[Result], earlier: Sequence[Result] = (), *, k: int = K
) -> dict[str, list[DisclosureFinding]]:
    """Compare the populations of every two results of the same unit and method, also with those released before."""
    found: dict[str, list[DisclosureFinding]] = {}
    for old, new in [*combinations(results, 2), *((old, new) for old in earlier for new in results)]:
        if (old.unit, old.method) != (new.unit, new.method) or not 0 < abs(old.n - new.n) < k:
            continue
        again = old.id == new.id
        text = f"rests on n = {new.n}, and {old.id}{' of an earlier release' if again else ''} on n = {old.n}"
        finding = DisclosureFinding(
            check=CHECK, text=f"{text}: fewer than {k} persons apart", suggestion="round" if again else "look"
        )
        found.setdefault(new.id, []).append(finding)
    return found


def _differences(first: Cells, second: Cells, k: int) -> list[str]:
    """Return the places at which the same counts of two tables are less than k apart."""
    one, other = _counts(first), _counts(second)
    places = []
    for place in one.keys() & other.keys():
        if 0 < abs(one[place] - other[place]) < k:
            places.append(f"{' '.join(place)}: {one[place]} and {other[place]}")
    return sorted(places)


def _counts(cells: Cells) -> dict[tuple[str, ...], int]:
    """Return the counts of a table by the names of row and column."""
    found = {}
    for row in cells.rows:
        name = tuple(row[at].strip() for at in cells.labels if len(row) > at)
        for at in range(len(cells.header)):
            if at in cells.labels or len(row) <= at:
                continue
            count = COUNT.fullmatch(row[at])
            if count and cells.counts(at) is not None:
                found[(*name, cells.header[at].strip())] = int(count.group(1))
    return found
