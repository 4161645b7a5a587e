"""Three attacks on single persons, as Anonymeter defines them: singling out, linkability and inference.

Each attack guesses about training rows, and the same about hold-out rows that the maker did not see. The risk is what
is gained by the candidate: (a - c) / (1 - c) with a and c the shares of guesses that are right, both by Wilson's
estimate with a 95 % interval.

Own code because Anonymeter wants an older NumPy; the tests run it beside these on the same rows. It does not cover
attackers who know more than the columns.

Source: Giomi, Boenisch, Wehmeyer and Tasnadi, A Unified Framework for Quantifying Privacy Risk in Synthetic Data, Proc
Priv Enh Technol 2023(2):312-328, https://doi.org/10.56553/popets-2023-0055
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterproof.tools.synth.evaluation.case import Case, some
from counterproof.tools.synth.evaluation.distances import nearest, scaled
from counterproof.tools.synth.evaluation.frames import Floats

GUESSES = 500
"""Most guesses of one attack."""
GUESSES_MIN = 20
"""With fewer, a risk of 0 says nothing."""
AMONG = 5_000
SECRETS_MAX = 5
COLUMNS = 3
_TRIES = 4
_Z = 1.959964
_RIGHT = 0.05
Test = tuple[int, str, float]
"""One part of a guess: column, `==`, `<=` or `>=`, value; NaN with `==` is a missing value."""


@dataclass(frozen=True, kw_only=True)
class Risk:
    """What an attack gained.

    Attributes:
        value: the risk, from 0 to 1.
        low: lower end of its 95 % interval.
        high: upper end.
        guesses: how many there were.
    """

    value: float
    low: float
    high: float
    guesses: int


def singling_out(case: Case) -> Risk | None:
    """Guess by the values that one candidate row has in a column, and by the ends of columns."""
    random = case.random("singling out")
    made, tests = some(case.candidate, AMONG, random), []
    for at, variable in enumerate(case.schema.variables):
        column = made[:, at]
        if np.isnan(column).sum() == 1:
            tests.append(((at, "==", np.nan),))
        values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        if variable.kind == "number" and len(values):
            tests += [((at, "<=", float(values[0])),), ((at, ">=", float(values[-1])),)]
        tests += [((at, "==", value),) for value in values[counts == 1].tolist()]
    chosen = [tests[at] for at in random.permutation(len(tests))[:GUESSES].tolist()]
    return _singled(case, chosen, random)


def singling_out_several(case: Case) -> Risk | None:
    """Guess by three values of one candidate row, where only it has them."""
    random = case.random("singling out several")
    made = some(case.candidate, AMONG, random)
    width = min(COLUMNS, made.shape[1])
    with np.errstate(all="ignore"):
        middle = np.array([np.nanmedian(column) if not np.isnan(column).all() else np.nan for column in made.T])
    chosen: dict[tuple[Test, ...], None] = {}
    for _ in range(_TRIES * GUESSES):
        row = made[int(random.integers(len(made)))]
        columns = sorted(random.choice(made.shape[1], width, replace=False).tolist())
        guess = tuple(_test(case, at, float(row[at]), float(middle[at])) for at in columns)
        if guess not in chosen and _matches(made, guess).sum() == 1:
            chosen[guess] = None
            if len(chosen) == GUESSES:
                break
    return _singled(case, list(chosen), random)


def linkability(case: Case) -> Risk | None:
    """Link the two halves of a row's columns by the nearest candidate rows."""
    random = case.random("linkability")
    made = scaled(some(case.candidate, AMONG, random), case.schema)
    width = made.shape[1]
    if width < 2:
        return None
    order = random.permutation(width)
    one, other = order[: width // 2], order[width // 2 :]
    right = []
    for rows in _targets(case, random):
        of = scaled(rows, case.schema)
        links = [nearest(of[:, half], made[:, half], ties=random).at for half in (one, other)]
        right.append(links[0] == links[1])
    return _risk(right[0], right[1])


def inference(case: Case) -> Risk | None:
    """Guess each of some columns from all others by the nearest candidate row; the highest risk."""
    random = case.random("inference")
    made = some(case.candidate, AMONG, random)
    width = made.shape[1]
    if width < 2:
        return None
    near, risks = scaled(made, case.schema), []
    both = _targets(case, random)
    secrets = sorted(set(np.linspace(0, width - 1, min(width, SECRETS_MAX)).astype(int).tolist()))
    for secret in secrets:
        known = np.array([at for at in range(width) if at != secret])
        right = []
        for rows in both:
            guess = made[nearest(scaled(rows, case.schema)[:, known], near[:, known], ties=random).at, secret]
            right.append(_right(guess, rows[:, secret], case.schema.variables[secret].kind == "category"))
        risks.append(_risk(right[0], right[1]))
    return max((risk for risk in risks if risk is not None), key=lambda risk: risk.value, default=None)


def _targets(case: Case, random: np.random.Generator) -> tuple[Floats, Floats]:
    count = min(len(case.train), len(case.holdout), GUESSES)
    return some(case.train, count, random), some(case.holdout, count, random)


def _test(case: Case, at: int, value: float, middle: float) -> Test:
    if case.schema.variables[at].kind == "category" or value != value:
        return at, "==", value
    return at, (">=" if value > middle else "<="), value


def _matches(rows: Floats, guess: Sequence[Test]) -> NDArray[np.bool_]:
    found = np.ones(len(rows), dtype=bool)
    for at, how, value in guess:
        column = rows[:, at]
        if how == "==":
            found &= np.isnan(column) if value != value else column == value
        else:
            found &= column <= value if how == "<=" else column >= value
    return found


def _singled(case: Case, guesses: Sequence[Sequence[Test]], random: np.random.Generator) -> Risk | None:
    count = min(len(case.train), len(case.holdout), 4 * AMONG)
    train, other = some(case.train, count, random), some(case.holdout, count, random)
    right = [
        np.array([int(_matches(rows, guess).sum()) == 1 for guess in guesses], dtype=bool) for rows in (train, other)
    ]
    return _risk(right[0], right[1])


def _right(guess: Floats, truth: Floats, category: bool) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = guess == truth
    if not category:
        with np.errstate(invalid="ignore"):
            found = np.abs(guess - truth) <= _RIGHT * np.abs(truth)
    return np.asarray(found | (np.isnan(guess) & np.isnan(truth)))


def _risk(attack: NDArray[np.bool_], control: NDArray[np.bool_]) -> Risk | None:
    """Return the risk with its interval; None with too few guesses to say anything."""
    if len(attack) < GUESSES_MIN:
        return None
    (a, a_error), (c, c_error) = _wilson(attack), _wilson(control)
    if c >= 1:
        return Risk(value=0.0, low=0.0, high=1.0, guesses=len(attack))
    value = (a - c) / (1 - c)
    error = float(np.hypot(a_error / (1 - c), (a - 1) / (1 - c) ** 2 * c_error))
    return Risk(
        value=min(1.0, max(0.0, value)),
        low=min(1.0, max(0.0, value - error)),
        high=min(1.0, max(0.0, value + error)),
        guesses=len(attack),
    )


def _wilson(right: NDArray[np.bool_]) -> tuple[float, float]:
    count, hits = len(right), int(right.sum())
    below = count + _Z**2
    return (hits + _Z**2 / 2) / below, _Z / below * float(np.sqrt(hits * (count - hits) / count + _Z**2 / 4))
