"""Coefficients of agreement that stand in the literature come out as printed."""

from __future__ import annotations

import numpy as np
import pytest

from counterproof.provenance.errors import UsageError
from counterproof.tools.synth.evaluation.agreement import UNITS_MIN, cohen, fleiss, krippendorff

pytestmark = pytest.mark.synthetic
NONE = float("nan")
# Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, example C: four observers, twelve units, missing data.
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
        [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
    ]
).T
# Fleiss 1971 as in Wikipedia's "Fleiss' kappa": fourteen raters, ten subjects, five categories.
SUBJECTS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


@pytest.mark.parametrize(("level", "printed"), [("nominal", "0.743"), ("ordinal", "0.815"), ("interval", "0.849")])
def test_alpha_of_krippendorffs_example(level: str, printed: str) -> None:
    assert level in ("nominal", "ordinal", "interval")
    found = krippendorff(OBSERVERS, level=level)  # type: ignore[arg-type]  # narrowed by the line above
    assert f"{found.value:.3f}" == printed
    assert found.low < found.value < found.high
    assert (found.units, found.raters) == (11, 4)


def test_kappa_of_fleiss_fourteen_raters() -> None:
    ratings = np.array([np.repeat(np.arange(5), counts) for counts in SUBJECTS], dtype=np.float64)
    found = fleiss(ratings)
    assert f"{found.value:.3f}" == "0.210"
    assert not found.concludes


@pytest.mark.parametrize(
    ("table", "printed"),
    [
        # Cohen's kappa, worked examples of Wikipedia's "Cohen's kappa": 50 proposals, then two tables of 100.
        ([[20, 5], [10, 15]], "0.40"),
        ([[45, 15], [25, 15]], "0.1304"),
        ([[25, 35], [5, 35]], "0.2593"),
    ],
)
def test_kappa_of_cohen(table: list[list[int]], printed: str) -> None:
    pairs = [(one, other) for one in (0, 1) for other in (0, 1) for _ in range(table[one][other])]
    found = cohen([one for one, _ in pairs], [other for _, other in pairs])
    assert f"{found.value:.{len(printed) - 2}f}" == printed
    assert found.low < found.value < found.high
    assert found.units >= UNITS_MIN


def test_perfect_agreement_is_one_and_opposite_is_below_zero() -> None:
    assert cohen([0, 1] * 20, [0, 1] * 20).value == pytest.approx(1)
    assert cohen([0, 1] * 20, [1, 0] * 20).value == pytest.approx(-1)
    assert krippendorff(np.array([[1.0, 1], [2, 2], [3, 3]]), level="nominal").value == pytest.approx(1)


def test_missing_ratings_are_refused_by_fleiss_and_lonely_ones_by_krippendorff() -> None:
    with pytest.raises(UsageError, match=r"13 ratings are missing|\d+ ratings are missing.*take alpha"):
        fleiss(OBSERVERS)
    with pytest.raises(UsageError, match=r"No unit was rated by two.*same units"):
        krippendorff(np.array([[1.0, NONE], [NONE, 2.0]]), level="nominal")


def test_raters_of_other_units_are_refused() -> None:
    with pytest.raises(UsageError, match=r"One rater rated 2 units, the other 1.*The same units"):
        cohen([1, 2], [1])
