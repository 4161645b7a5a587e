"""The trees of the twin split as scikit-learn's do."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from counterproof.tools.twin.trees import LEAF, grow, ranks

RANDOM = np.random.default_rng(4)
BINS = RANDOM.integers(0, 12, size=(4, 400))
TARGET = ranks((BINS[0] > 6) * 3.0 + BINS[1] * 0.4 + RANDOM.normal(0, 0.5, 400))
ORDERED = np.zeros(4, dtype=bool)


def _within(
    leaves: np.ndarray[tuple[int], np.dtype[np.int64]], target: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> float:
    return float(sum(((target[leaves == leaf] - target[leaves == leaf].mean()) ** 2).sum() for leaf in set(leaves)))


def test_a_tree_of_ranks_explains_as_much_as_that_of_scikit_learn() -> None:
    ours = grow(BINS, TARGET, classes=0, nominal=ORDERED).leaves(BINS)
    theirs = DecisionTreeRegressor(min_samples_leaf=LEAF, max_depth=10).fit(BINS.T, TARGET).apply(BINS.T)
    assert _within(ours, TARGET) == pytest.approx(_within(theirs, TARGET), rel=0.02)
    assert np.bincount(ours)[np.bincount(ours) > 0].min() >= LEAF


def test_a_tree_of_classes_is_as_pure_as_that_of_scikit_learn() -> None:
    classes = np.digitize(TARGET, np.quantile(TARGET, [0.3, 0.7]))
    ours = grow(BINS, classes, classes=3, nominal=ORDERED).leaves(BINS)
    theirs = DecisionTreeClassifier(min_samples_leaf=LEAF, max_depth=10).fit(BINS.T, classes).apply(BINS.T)

    def pure(leaves: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
        return float(sum(np.bincount(classes[leaves == leaf]).max() for leaf in set(leaves)) / len(classes))

    assert pure(ours) == pytest.approx(pure(theirs), abs=0.02)


def test_the_bins_of_a_column_without_order_are_cut_by_their_targets() -> None:
    code = RANDOM.permutation(12)[BINS[:1]]
    target = ranks((BINS[0] > 6).astype(np.float64))
    as_names = grow(code, target, classes=0, nominal=np.array([True])).leaves(code)
    assert _within(as_names, target) == 0.0
    assert len(set(as_names)) == 2


def test_a_leaf_is_not_split_below_its_least() -> None:
    tree = grow(BINS[:, : 2 * LEAF - 1], TARGET[: 2 * LEAF - 1], classes=0, nominal=ORDERED)
    assert tree.feature.tolist() == [-1]
