"""Comparing two independent programs for the same plan, number by number.

Two numbers agree when they differ by at most the tolerance that the plan sets for that result, relative to the
larger of the two (counts must be equal). Intervals and p values are compared in the same way. A number that only one
program has is a disagreement. Disagreements are shown, never averaged away.

The kind of a number (`PlannedResult.statistic`) sets its usual tolerance: none for counts, 1e-4 for estimates with a
closed form or a convex likelihood, 1e-3 for what is found by iteration. P values are compared on their relative scale
down to 1e-10, below which they are the same "practically zero". Where two numbers disagree in a way that has a name,
the row says it: a sign flip, the inverse of a ratio (another reference level), a logarithm, a percentage, the other
level of an outcome, a square, one side against two, another level of the interval. A name is a hint for people; the
numbers still disagree.

It does not cover whether both programs make the same mistake.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from counterproof.tools.plan import Plan
from counterproof.tools.results import Result, ResultsFile

FIELDS = ("value", "ci_low", "ci_high", "p_value", "n")
# Below this, two numbers are the same zero (relative difference has no meaning there).
_ABSOLUTE = 1e-9
# P values below this are the same "practically zero": libraries lose their last digits there.
_P_ZERO = 1e-10
# P values are tails: a relative difference in a statistic is larger in its p.
_P_TOLERANCE = 1e-3
# How near two numbers must be, under a transformation, for a disagreement to have a name.
_NAMED = 1e-3
_LEVELS = (0.8, 0.9, 0.95, 0.975, 0.99, 0.999)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One field of one result in both programs.

    Attributes:
        result: id of the result.
        field: "value", "ci_low", "ci_high", "p_value" or "n".
        primary: number of the primary program; None when it has none.
        replication: number of the replication; None when it has none.
        tolerance: largest relative difference that counts as agreement.
        agrees: the verdict.
        diagnosis: what a disagreement looks like; "" where it has no name, or both agree.
    """

    result: str
    field: str
    primary: float | None
    replication: float | None
    tolerance: float
    agrees: bool
    diagnosis: str = ""


def compare(plan: Plan, primary: ResultsFile, replication: ResultsFile) -> list[Comparison]:
    """Compare two result files on every number that the plan promises, in the plan's order."""
    first, second = primary.by_id(), replication.by_id()
    rows: list[Comparison] = []
    for planned in plan.results:
        one, two = first.get(planned.id), second.get(planned.id)
        tolerance = 0.0 if planned.unit == "count" else planned.tolerance
        for field in FIELDS:
            left, right = _number(one, field), _number(two, field)
            # A field that neither gives is nothing to compare; a value that neither gives is a missing result.
            if left is None and right is None and field != "value":
                continue
            limit = _limit(field, tolerance)
            agrees = _agree(left, right, limit, field=field)
            rows.append(
                Comparison(
                    result=planned.id,
                    field=field,
                    primary=left,
                    replication=right,
                    tolerance=limit,
                    agrees=agrees,
                    diagnosis="" if agrees else diagnose(one, two, field),
                )
            )
    return rows


def diagnose(one: Result | None, two: Result | None, field: str) -> str:
    """Return the name of a disagreement; "" where none fits.

    Args:
        one: the result of the primary program; None where it has none.
        two: that of the replication.
        field: which of its numbers disagrees.
    """
    left, right = _number(one, field), _number(two, field)
    if one is None or two is None or left is None or right is None:
        return "only one of the programs gives it"
    if field == "n":
        return "they rest on different people"
    if field == "p_value":
        return _sides(left, right)
    partner = {"ci_low": "ci_high", "ci_high": "ci_low"}.get(field, field)
    other = _number(two, partner)
    turned = right if other is None else other
    for name, same in _NAMES:
        mirrored = name in _TURNS
        if same(left, turned if mirrored else right):
            return name
    return _other_level(one, two) if field.startswith("ci_") else ""


_SIGN = "opposite signs: the difference is taken the other way round"
_INVERSE = "one is the inverse of the other: another reference level"
_LOG = "one is the logarithm of the other"
_LOG_INVERSE = "one is the logarithm of the other's inverse: log scale and another reference level"
_TURNS = (_SIGN, _INVERSE, _LOG_INVERSE, "one is 1 minus the other: the other level of the outcome")
_NAMES: tuple[tuple[str, Callable[[float, float], bool]], ...] = (
    (_SIGN, lambda a, b: _near(a, -b)),
    (_INVERSE, lambda a, b: a > 0 and b > 0 and _near(a, 1 / b)),
    (_LOG, lambda a, b: (a > 0 and _near(math.log(a), b)) or (b > 0 and _near(math.log(b), a))),
    (_LOG_INVERSE, lambda a, b: (a > 0 and _near(-math.log(a), b)) or (b > 0 and _near(-math.log(b), a))),
    ("one is a percentage of the other", lambda a, b: _near(a, 100 * b) or _near(100 * a, b)),
    (_TURNS[3], lambda a, b: 0 <= a <= 1 and 0 <= b <= 1 and _near(a, 1 - b)),
    (
        "one is the square of the other: variance and standard deviation",
        lambda a, b: _near(a, b * b) or _near(a * a, b),
    ),
)


def _sides(left: float, right: float) -> str:
    small, large = sorted((left, right))
    if small > 0 and _near(large, 2 * small):
        return "one is twice the other: one-sided and two-sided"
    if _near(large, 1 - small) or _near(large, 1 - small / 2):
        return "the tails are opposite: one-sided in the other direction"
    return ""


def _other_level(one: Result, two: Result) -> str:
    """Say whether the intervals are of two levels, by their half widths around one estimate on either scale."""
    for scale in (float, math.log):
        try:
            first, second = (_half_width(result, scale) for result in (one, two))
        except ValueError:  # no logarithm
            continue
        if first is None or second is None or not second:
            return ""
        for level in _LEVELS:
            for other in _LEVELS:
                if level != other and _near(first / second, _z(level) / _z(other)):
                    return f"the intervals look like {level:g} and {other:g}: another level"
    return ""


def _half_width(result: Result, scale: Callable[[float], float]) -> float | None:
    if result.ci_low is None or result.ci_high is None:
        return None
    return (scale(result.ci_high) - scale(result.ci_low)) / 2


def _z(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


def _near(left: float, right: float) -> bool:
    return abs(left - right) <= _NAMED * max(abs(left), abs(right)) and max(abs(left), abs(right)) > _ABSOLUTE


def _limit(field: str, tolerance: float) -> float:
    if field == "n":
        return 0.0
    return max(tolerance, _P_TOLERANCE) if field == "p_value" and tolerance else tolerance


def _number(result: Result | None, field: str) -> float | None:
    value = None if result is None else getattr(result, field)
    return None if value is None else float(value)


def _agree(left: float | None, right: float | None, tolerance: float, *, field: str) -> bool:
    if left is None or right is None:
        return False
    if field == "p_value" and tolerance and max(left, right) < _P_ZERO:
        return True
    return abs(left - right) <= max(tolerance * max(abs(left), abs(right)), _ABSOLUTE if tolerance else 0.0)
