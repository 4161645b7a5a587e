"""A twin with differential privacy: drawn from noisy counts, so that no one person's rows change it by much.

    1  each column is cut into cells: its public levels, or up to `_BINS` bins between its public ends; and "missing"
    2  the counts of each column's cells are measured with noise
    3  pairs of columns are chosen, one after the other, into a tree: those that go together most, chosen with noise
    4  the counts of each chosen pair are measured with noise
    5  rows are drawn along the tree, values evenly within their bins, on the grid of the column

2, 3 and 4 get a third of epsilon each. Noise and choices are OpenDP's (discrete Laplace noise, permute-and-flip), with
its own randomness and its own proof of how much each takes; nothing else here looks at the data, and the sum of what
they take is epsilon (`docs/decisions/013`).

What epsilon holds for: any one person's rows, at most `rows_per_person`, put in the place of any others. Public, and so
not protected: the number of rows, the names, kinds and decimals of the columns, which of them identify persons, and
the levels and ends that the policy gives. A column of which the
policy gives nothing is made up, and so is what identifies persons.

It does not cover the profile, which is not differentially private; what several studies of one file take together;
relations of more than two columns; and the order of a person's rows.

Source: McKenna, Miklau and Sheldon, Winning the NIST contest, J Privacy Confidentiality 11(3), 2021,
https://doi.org/10.29012/jpc.778 (the tree); McKenna and Sheldon, Permute-and-flip, NeurIPS 2020, arXiv:2010.12603.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterproof.provenance.errors import UsageError
from counterproof.tools.data import Column, Table
from counterproof.tools.twin.columns import day_numbers, written, written_days
from counterproof.tools.twin.engine import Twin, check_real, grouped, marked

ENGINE = "noisy counts of a tree of column pairs (OpenDP)"
VERSION = 1
_BINS = 16
_DECIMALS_MAX = 6
_COLUMNS_MAX = 60
_IDENTIFIER = 9_000_000_001
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Domain:
    """What is publicly known of a column: its levels, or its ends.

    Attributes:
        levels: as the file writes them; empty for a measurement.
        bounds: smallest and largest value, dates as YYYY-MM-DD; empty for categories.
        missing: whether values may be missing.
    """

    levels: tuple[str, ...] = ()
    bounds: tuple[float | str, ...] = ()
    missing: bool = True


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """What a policy asks of a twin.

    Attributes:
        epsilon: how much one person may change it: probabilities by a factor of at most e to the power of this.
        rows_per_person: how many rows one person has at most.
        domains: what is publicly known of columns, by name.
    """

    epsilon: float
    rows_per_person: int = 1
    domains: Mapping[str, Domain] = field(default_factory=dict)

    @property
    def moved(self) -> int:
        """By how much one person's rows can change the counts of the cells of a column or pair, in sum."""
        return 2 * self.rows_per_person


def private_twin(
    table: Table, hidden: Collection[str], subject: Column | None, privacy: Privacy, *, rows: int | None = None
) -> Twin:
    """Make a twin with differential privacy; each time another.

    Args:
        table: the real data, on the secure side.
        hidden: columns that may identify a person; their twins are made up.
        subject: the column that tells persons apart; None where each row is a person.
        privacy: what the policy asks for.
        rows: how many to draw, which takes nothing of epsilon; None for as many as the table has.

    Raises:
        UsageError: the table is a twin; epsilon can't hold for it; the policy's levels and ends don't fit its columns;
            or OpenDP is not installed.
    """
    check_real(table)
    _check_size(table)
    _check_persons(table, hidden, subject, privacy)
    grids = _grids(table, hidden, privacy)
    counted = _counted(table, subject, privacy)
    mechanisms = Mechanisms(privacy.epsilon, moved=privacy.moved, columns=len(grids))
    codes = [grid.codes(column)[counted] for column, grid in grids]
    tree = _measured(codes, [grid.cells for _, grid in grids], mechanisms, rows=table.rows if subject is None else None)
    random = np.random.default_rng(secrets.randbits(128))
    count = table.rows if rows is None else rows
    drawn = tree.rows(count, random)
    made = {column.name: grid.written(drawn[at], column, random) for at, (column, grid) in enumerate(grids)}
    at_person = np.arange(count) // (privacy.rows_per_person if subject is not None else 1)
    cells = {
        column.name: made[column.name] if column.name in made else _made_up(column, at_person)
        for column in table.columns
    }
    how = {column.name: "noisy counts" if column.name in made else "made up" for column in table.columns}
    most = privacy.rows_per_person
    protects = "any one row" if most == 1 else f"all rows of any one person, at most {most}"
    facts = {
        "engine": ENGINE,
        "version": VERSION,
        "seed": "drawn for this twin by the machine, and not kept",
        "k": None,
        "epsilon": privacy.epsilon,
        "protects": f"{protects}, put in the place of any other; the number of rows is public",
        "made": grouped(how),
    }
    return Twin(data=marked(cells, table), facts=facts)


def _check_size(table: Table) -> None:
    if table.on_disk:
        raise UsageError(
            f"{table.name} has {table.size:,} bytes: too many for a twin with differential privacy.",
            advice="Leave out columns that the question doesn't need, or ask for no differential privacy of this file.",
        )


class Mechanisms:
    """OpenDP's mechanisms, with what each may take of epsilon, and what was taken.

    Args:
        epsilon: how much all of them may take.
        moved: by how much one person's rows can change counts, in sum.
        columns: how many columns are measured.

    Attributes:
        taken: the sum of what OpenDP says that each use took.
    """

    def __init__(self, epsilon: float, *, moved: int, columns: int) -> None:
        try:
            import opendp.prelude as dp  # extra: dp
        except ImportError as error:
            raise UsageError(
                "Differential privacy was asked for, and OpenDP is not installed.",
                advice="Install it: `pip install 'counterproof[dp]'`. Or ask for none: `epsilon = 0` in the policy of "
                "a study, another maker for a synthetic set.",
            ) from error
        dp.enable_features("contrib")
        self._moved = moved
        part = epsilon / 3 if columns > 1 else epsilon
        counts = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
        scores = dp.vector_domain(dp.atom_domain(T="i64")), dp.linf_distance(T="i64")

        def noise(scale: float) -> Any:
            return dp.m.make_laplace(*counts, scale=scale)

        def choice(scale: float) -> Any:
            return dp.m.make_noisy_max(*scores, dp.max_divergence(), scale=scale)

        def fitted(make: Any, most: float) -> Any:
            # What a mechanism takes is in inverse proportion to its scale; a hair more keeps rounding below `most`.
            return make(make(1.0).map(moved) / most * (1 + 1e-12))

        pairs = max(1, columns - 1)
        self.noise_of_columns = fitted(noise, part / max(1, columns))
        self.noise_of_pairs = fitted(noise, part / pairs)
        self.choice_of_pairs = fitted(choice, part / pairs)
        self.taken = 0.0

    def counts(self, counts: Ints, *, of_pair: bool = False) -> Floats:
        """Return counts with noise."""
        noise = self.noise_of_pairs if of_pair else self.noise_of_columns
        self.taken += noise.map(self._moved)
        return np.array(noise(counts.ravel().tolist()), dtype=np.float64).reshape(counts.shape)

    def highest(self, scores: Sequence[int]) -> int:
        """Return the place of about the highest score; one person's rows must change none by more than `moved`."""
        self.taken += self.choice_of_pairs.map(self._moved)
        return int(self.choice_of_pairs(list(scores)))


@dataclass(frozen=True, kw_only=True)
class _Tree:
    """The measured counts.

    Attributes:
        first: shape (cells,); chance of each cell of the root, which is column 0.
        edges: (from, to, chances), each from a column that came before; chances have the shape (cells, cells).
    """

    first: Floats
    edges: tuple[tuple[int, int, Floats], ...]

    def rows(self, rows: int, random: np.random.Generator) -> dict[int, Ints]:
        """Draw the cell of each column for as many rows."""
        drawn = {0: _draw(np.broadcast_to(self.first, (rows, len(self.first))), random)} if len(self.first) else {}
        for parent, child, chances in self.edges:
            drawn[child] = _draw(chances[drawn[parent]], random)
        return drawn


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """The cells of a column; the last is for missing values, where there may be some.

    Attributes:
        levels: numbers or texts, for categories.
        low: smallest value of a measurement.
        step: between neighbouring values.
        points: how many values there are from `low` on.
        missing: whether values may be missing; if not, one that is counts as the first cell.
    """

    levels: tuple[str, ...] = ()
    low: float = 0.0
    step: float = 1.0
    points: int = 0
    missing: bool = True

    @property
    def bins(self) -> int:
        return len(self.levels) or min(_BINS, self.points)

    @property
    def cells(self) -> int:
        return self.bins + self.missing

    @property
    def _absent(self) -> int:
        return self.bins if self.missing else 0

    def codes(self, column: Column) -> Ints:
        """Return the cell of each row; what is no level is missing, what lies beyond an end is at the end."""
        if self.levels:
            place = {_worth(level, column): at for at, level in enumerate(self.levels)}
            found: Ints = column.values.map(place).fillna(self._absent).to_numpy().astype(np.int64)
            return found
        values = day_numbers(column) if column.kind == "date" else column.values.to_numpy(dtype=np.float64)
        there = ~np.isnan(values)
        points = np.clip(np.rint((np.where(there, values, self.low) - self.low) / self.step), 0, self.points - 1)
        return np.where(there, (points * self.bins // self.points).astype(np.int64), self._absent)

    def written(self, codes: Ints, column: Column, random: np.random.Generator) -> list[str]:
        """Write a value of each cell."""
        if self.levels:
            names = (*self.levels, "")
            return [names[code] for code in codes.tolist()]
        first = -(-codes * self.points // self.bins)
        after = -(-(codes + 1) * self.points // self.bins)
        points = np.minimum(first + (random.random(len(codes)) * (after - first)).astype(np.int64), self.points - 1)
        values = self.low + points * self.step
        texts = written_days(values) if column.kind == "date" else written(values, column)
        return ["" if code == self.bins else text for code, text in zip(codes.tolist(), texts, strict=True)]


def _measured(codes: Sequence[Ints], cells: Sequence[int], mechanisms: Mechanisms, *, rows: int | None) -> _Tree:
    """Measure each column, choose the pairs, and measure them."""
    if not codes:
        return _Tree(first=np.empty(0), edges=())
    single = [mechanisms.counts(np.bincount(one, minlength=size)) for one, size in zip(codes, cells, strict=True)]
    # How many rows are counted is public where each row is a person, and is taken from the noisy counts elsewhere.
    counted = float(rows if rows is not None else max(1.0, np.mean([one.sum() for one in single])))
    chances = [_shares(_counts_again(one, counted)) for one in single]
    scores = {
        (left, right): _apart(_pair(codes, cells, left, right), counted * np.outer(chances[left], chances[right]))
        for right in range(len(codes))
        for left in range(right)
    }
    reached, edges = {0}, list[tuple[int, int, Floats]]()
    while len(reached) < len(codes):
        open_ = [pair for pair in scores if (pair[0] in reached) != (pair[1] in reached)]
        left, right = open_[mechanisms.highest([scores[pair] for pair in open_])]
        parent, child = (left, right) if left in reached else (right, left)
        noisy = _counts_again(mechanisms.counts(_pair(codes, cells, parent, child), of_pair=True), counted)
        # A row of cells that nobody is in says nothing: there the child is drawn as if it were alone.
        edges.append((parent, child, np.stack([_shares(row + chances[child]) for row in noisy])))
        reached.add(child)
    return _Tree(first=chances[0], edges=tuple(edges))


def _pair(codes: Sequence[Ints], cells: Sequence[int], left: int, right: int) -> Ints:
    both = codes[left] * cells[right] + codes[right]
    return np.bincount(both, minlength=cells[left] * cells[right]).reshape(cells[left], cells[right])


def _apart(counts: Ints, expected: Floats) -> int:
    """Return how far counts are from what is expected without a relation; a moved count changes it by one at most."""
    return int(np.abs(counts - np.rint(expected).astype(np.int64)).sum())


def _counts_again(noisy: Floats, rows: float) -> Floats:
    """Return the counts nearest to noisy ones, none of them below zero, whose sum is the number of rows."""
    high = np.sort(noisy, axis=None)[::-1]
    over = (high.cumsum() - rows) / np.arange(1, len(high) + 1)
    last = int(np.flatnonzero(high > over)[-1])
    counts: Floats = np.maximum(noisy - over[last], 0.0)
    return counts


def _shares(counts: Floats) -> Floats:
    total = counts.sum()
    shares: Floats = counts / total if total > 0 else np.full(len(counts), 1 / len(counts))
    return shares


def _draw(chances: Floats, random: np.random.Generator) -> Ints:
    """Draw a cell for each row of chances."""
    limits = chances.cumsum(axis=1)
    drawn: Ints = (random.random((len(chances), 1)) * limits[:, -1:] >= limits).sum(axis=1)
    return np.minimum(drawn, chances.shape[1] - 1)


def _counted(table: Table, subject: Column | None, privacy: Privacy) -> NDArray[np.bool_]:
    """Say which rows are counted: of each person no more than the policy says."""
    if subject is None:
        return np.ones(table.rows, dtype=np.bool_)
    before = subject.values.groupby(subject.values, dropna=False).cumcount().to_numpy()
    counted: NDArray[np.bool_] = before < privacy.rows_per_person
    return counted


def _check_persons(table: Table, hidden: Collection[str], subject: Column | None, privacy: Privacy) -> None:
    advice = f'Say in the policy how many rows a person has at most: data."{table.name}".rows_per_person.'
    if privacy.rows_per_person > 1 and subject is None:
        raise UsageError(
            f"{table.name}: the policy says that a person has up to {privacy.rows_per_person} rows, and no column "
            "tells persons apart. Epsilon would hold for single rows only.",
            advice="Name the column with --subject.",
        )
    repeats = [
        column.name
        for column in table.columns
        if (column is subject or column.name in hidden) and bool(column.values.dropna().duplicated().any())
        if column.kind in ("text", "integer")
    ]
    if privacy.rows_per_person == 1 and repeats:
        raise UsageError(
            f"{table.name}: the policy says that each row is another person, and values of {repeats[0]!r}, which "
            "identifies persons, repeat. Epsilon would hold for single rows only.",
            allowed="One row a person, or a column that tells persons apart and a bound on their rows.",
            advice=advice if subject is not None else f"Name the column with --subject. {advice}",
        )


def _grids(table: Table, hidden: Collection[str], privacy: Privacy) -> list[tuple[Column, _Grid]]:
    """Return the columns that are measured, each with its cells."""
    unknown = set(privacy.domains) - {column.name for column in table.columns}
    if unknown:
        raise _misfit(table, min(unknown), "there is no such column")
    found = [
        (column, _grid(table, column, privacy.domains[column.name]))
        for column in table.columns
        if column.name in privacy.domains and column.name not in hidden
    ]
    if len(found) > _COLUMNS_MAX:
        raise UsageError(
            f"{table.name}: the policy gives levels or ends of {len(found)} columns.",
            allowed=f"At most {_COLUMNS_MAX}: each takes a part of epsilon, and what is left would be noise.",
            advice="Leave out those that the analysis does not need; they are made up.",
        )
    return found


def _grid(table: Table, column: Column, domain: Domain) -> _Grid:
    if bool(domain.levels) == bool(domain.bounds):
        raise _misfit(table, column.name, "it needs either levels or bounds")
    if domain.levels:
        try:
            different = {_worth(level, column) for level in domain.levels}
        except ValueError as error:
            raise _misfit(table, column.name, f"its kind is {column.kind}, and a level is not") from error
        if len(different) < len(domain.levels):
            raise _misfit(table, column.name, "a level is named twice")
        return _Grid(levels=domain.levels, missing=domain.missing)
    if column.kind == "text":
        raise _misfit(table, column.name, "its kind is text, which has levels and no bounds")
    try:
        ends = [_end(end, column) for end in domain.bounds]
        low, high = ends
    except ValueError as error:
        raise _misfit(table, column.name, "bounds are two numbers, or two dates as YYYY-MM-DD") from error
    step = 1.0 if column.kind in ("integer", "date") else 10.0 ** -min(column.decimals, _DECIMALS_MAX)
    if not (math.isfinite(low) and math.isfinite(high) and low < high and (high - low) / step < 2**52):
        raise _misfit(table, column.name, "the first bound must lie below the second")
    return _Grid(low=low, step=step, points=int((high - low) / step + 1e-9) + 1, missing=domain.missing)


def _misfit(table: Table, column: str, why: str) -> UsageError:
    return UsageError(
        f"The policy's data.{table.name!r}.columns.{column!r} does not fit: {why}.",
        allowed='Levels, as in levels = ["a", "b"], or bounds, as in bounds = [0, 120].',
        advice="Make a policy with what is publicly known of the column, not with what the file holds.",
    )


def _worth(level: str, column: Column) -> str | float:
    if column.kind in ("text", "date"):
        return level
    return float(level)


def _end(end: float | str, column: Column) -> float:
    if column.kind == "date":
        return float(np.datetime64(str(end), "D").astype(np.int64))
    return float(end)


def _made_up(column: Column, persons: Ints) -> list[str]:
    """Return values that come from nothing but the column's kind and the number of rows."""
    match column.kind:
        case "text":
            return [f"SYNTHETIC-{at + 1:06d}" for at in persons.tolist()]
        case "date":
            return written_days(
                (persons % 3650).astype(np.float64) + float(np.datetime64("1800-01-01", "D").astype(int))
            )
        case "number":
            return [f"{at + 1}.5" for at in persons.tolist()]
        case _:
            return written((persons + _IDENTIFIER).astype(np.float64), column)
