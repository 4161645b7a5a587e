"""Rules that rows must keep: given by a person, or found because every real row keeps them.

A rule is one line: `a <= b`, `a < 5`, `sex == "1"`, `if sex == "1" then pregnancies == 0`, or a sum `c = 1 * (a - b)`.
Sides are columns, numbers, or levels in double quotes; operators are <= < >= > == !=. A row without a value on a side
keeps the rule.

It does not cover arithmetic beyond one sum, nor rules across rows.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterproof.provenance.errors import UsageError
from counterproof.tools.data import Table
from counterproof.tools.synth.columns import numbers_of
from counterproof.tools.twin.relations import find_relation

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
_COMPARISON = re.compile(r"\s*(?P<left>.+?)\s*(?P<op><=|>=|==|!=|<|>)\s*(?P<right>.+?)\s*")
_CONDITION = re.compile(r"\s*if\s+(?P<when>.+?)\s+then\s+(?P<then>.+)")
_ROWS_MIN = 30
_TOLERANCE = 1e-6
_MINED_MAX = 100
_COLUMNS_MAX = 40


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two sides and how they compare."""

    left: str
    how: str
    right: str

    def holds(self, table: Table) -> Booleans:
        """Return where it holds or can't be said, shape (rows,)."""
        return self.true(table) | self.unknown(table)

    def true(self, table: Table) -> Booleans:
        """Return where it holds."""
        texts = self._quoted(self.left) or self._quoted(self.right)
        one, other = (_side(side, table, texts=texts) for side in (self.left, self.right))
        with np.errstate(invalid="ignore"):
            found: Booleans = _OPERATORS[self.how](one, other).astype(np.bool_)
        return found & ~self.unknown(table)

    def unknown(self, table: Table) -> Booleans:
        """Return where a side has no value."""
        gone = np.zeros(table.rows, dtype=bool)
        for side in (self.left, self.right):
            for column in table.columns:
                if column.name == side:
                    gone |= column.values.isna().to_numpy()
        return gone

    def names(self) -> set[str]:
        """Return the sides that are neither a number nor a level."""
        return {side for side in (self.left, self.right) if not self._quoted(side) and _number(side) is None}

    @staticmethod
    def _quoted(side: str) -> bool:
        return len(side) >= 2 and side[0] == side[-1] == '"'


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        text: as it is written.
        when: where it applies; None for every row.
        then: what must hold.
        found: whether it was found in the data, not given.
    """

    text: str
    when: Comparison | None
    then: Comparison | Sum
    found: bool = False

    def columns(self) -> set[str]:
        """Return the names of columns on its sides."""
        parts = [self.then] if self.when is None else [self.when, self.then]
        named: set[str] = set()
        for part in parts:
            named |= {part.target, part.left, part.right} if isinstance(part, Sum) else part.names()
        return named

    def holds(self, table: Table) -> Booleans:
        """Return which rows keep it, shape (rows,)."""
        kept = self.then.holds(table)
        return kept if self.when is None else kept | ~self.when.true(table)


@dataclass(frozen=True, kw_only=True)
class Sum:
    """`target = scale * (left + sign * right)`, up to the column's rounding."""

    target: str
    left: str
    right: str
    sign: int
    scale: float
    within: float

    def holds(self, table: Table) -> Booleans:
        """Return where it holds or a value is missing."""
        columns = {column.name: numbers_of(column) for column in table.columns if column.kind != "text"}
        if not {self.target, self.left, self.right} <= set(columns):
            return np.zeros(table.rows, dtype=bool)
        apart = columns[self.target] - self.scale * (columns[self.left] + self.sign * columns[self.right])
        return np.isnan(apart) | (np.abs(apart) <= self.within)


def parse_rules(lines: Iterable[str], *, source: str, columns: Sequence[str]) -> list[Rule]:
    """Read rules, one a line; empty lines and those that begin with # are left out.

    Args:
        lines: the rules.
        source: where they come from, for errors.
        columns: names that there are.

    Raises:
        UsageError: a line is no rule, or names no column.
    """
    rules = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        condition = _CONDITION.fullmatch(text)
        parts = [condition["when"], condition["then"]] if condition else [text]
        compared = [_comparison(part, columns) for part in parts]
        if any(part is None for part in compared):
            raise UsageError(
                f"{source}, line {number}: {text!r} is no rule.",
                allowed='`a <= b`, or `if sex == "1" then pregnancies == 0`; sides are columns, numbers or "levels", '
                f"and at least one is a column: {', '.join(columns[:30])}.",
            )
        known = [part for part in compared if part is not None]
        rules.append(Rule(text=text, when=known[0] if condition else None, then=known[-1]))
    return rules


def find_rules(real: Table) -> list[Rule]:
    """Return orders and sums that every real row keeps."""
    numbers = {
        column.name: numbers_of(column) for column in real.columns if column.kind in ("integer", "number", "date")
    }
    names = list(numbers)[:_COLUMNS_MAX]
    kinds = {column.name: column.kind == "date" for column in real.columns}
    found: list[Rule] = []
    earlier: dict[str, Floats] = {}
    for name in names:
        relation = find_relation(numbers[name], earlier)
        if relation is not None:
            within = max(1.0 if kinds[name] else 0.0, _rounding(real, name) * 1.01, _TOLERANCE)
            sum_ = Sum(
                target=name,
                left=relation.left,
                right=relation.right,
                sign=relation.sign,
                scale=relation.scale,
                within=within,
            )
            operator_ = "+" if relation.sign > 0 else "-"
            text = f"{name} = {relation.scale:.6g} * ({relation.left} {operator_} {relation.right})"
            rule = Rule(text=text, when=None, then=sum_, found=True)
            if rule.holds(real).all():
                found.append(rule)
        earlier[name] = numbers[name]
    for one in names:
        for other in names:
            if one != other and kinds[one] == kinds[other] and _always_below(numbers[one], numbers[other]):
                then = Comparison(left=one, how="<=", right=other)
                found.append(Rule(text=f"{one} <= {other}", when=None, then=then, found=True))
    return found[:_MINED_MAX]


def _always_below(one: Floats, other: Floats) -> bool:
    """Say whether an order holds in every row though the ranges overlap, so that it is no accident of their scales."""
    there = ~np.isnan(one) & ~np.isnan(other)
    if there.sum() < _ROWS_MIN or not (one[there] <= other[there]).all():
        return False
    left, right = one[there], other[there]
    # By chance, pairs of rows would break the order.
    broken = (left > np.roll(right, len(right) // 2)).mean()
    return bool(broken > 0.05)


def _comparison(text: str, columns: Sequence[str]) -> Comparison | None:
    parts = _COMPARISON.fullmatch(text)
    if parts is None:
        return None
    sides = (parts["left"], parts["right"])
    if not any(side in columns for side in sides) or not all(_is_side(side, columns) for side in sides):
        return None
    return Comparison(left=sides[0], how=parts["op"], right=sides[1])


def _is_side(side: str, columns: Sequence[str]) -> bool:
    return side in columns or Comparison._quoted(side) or _number(side) is not None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _side(side: str, table: Table, *, texts: bool) -> NDArray[np.generic]:
    for column in table.columns:
        if column.name == side:
            if not texts:
                return numbers_of(column)
            values = column.values
            if column.kind in ("integer", "number"):
                return np.array(["" if value != value else f"{value:.15g}" for value in values.tolist()], dtype=object)
            return values.fillna("").astype(str).to_numpy(dtype=object)
    if texts:
        return np.full(table.rows, side.strip('"'), dtype=object)
    return np.full(table.rows, _number(side), dtype=np.float64)


def _rounding(table: Table, name: str) -> float:
    decimals = next(column.decimals for column in table.columns if column.name == name)
    return float(10.0 ** -min(decimals, 6))
