"""Scoring analyses: the numbers of `results.json` held against those that a right analysis gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose

from counterproof.tools.scoring.answers import Answers

_SAME = 0.005
"""A number within half a percent of a known wrong answer, and not right, has fallen into that trap."""


@dataclass(frozen=True, kw_only=True)
class NumbersScore:
    """How right an analysis was.

    Attributes:
        right: ids of the scored numbers that are right.
        wrong: ids of those that are given and wrong.
        missing: ids of those that are not given.
        traps: names of the known wrong answers that were given.
        concluded: whether the program gave numbers at all, rather than that the data can't answer.
        verdict_right: whether that was right.
    """

    right: tuple[str, ...]
    wrong: tuple[str, ...]
    missing: tuple[str, ...]
    traps: tuple[str, ...]
    concluded: bool
    verdict_right: bool

    @property
    def share(self) -> float:
        """Share of the scored numbers that are right; where the right answer is "cannot conclude", 1 for that, or 0."""
        scored = len(self.right) + len(self.wrong) + len(self.missing)
        return len(self.right) / scored if scored else float(self.verdict_right)


def score_numbers(given: Mapping[str, float] | None, answers: Answers) -> NumbersScore:
    """Hold numbers against the answers.

    Args:
        given: the numbers by their ids; None where the program says that the data can't answer.
        answers: what is right.
    """
    if given is None or answers.cannot_conclude:
        concluded = given is not None
        missing = () if answers.cannot_conclude else tuple(answers.expected)
        return NumbersScore(
            right=(),
            wrong=(),
            missing=missing,
            traps=(),
            concluded=concluded,
            verdict_right=concluded != answers.cannot_conclude,
        )
    scored = {name: number for name, number in answers.expected.items() if number.is_scored}
    right = tuple(name for name, number in scored.items() if name in given and number.holds(given[name]))
    wrong = tuple(name for name in scored if name in given and name not in right)
    traps = tuple(
        name
        for name, value in answers.traps.items()
        if any(isclose(given[one], value, rel_tol=_SAME, abs_tol=1e-9) for one in wrong)
    )
    missing = tuple(name for name in scored if name not in given)
    return NumbersScore(right=right, wrong=wrong, missing=missing, traps=traps, concluded=True, verdict_right=True)
