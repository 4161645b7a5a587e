"""Classification and regression trees over binned columns: which rows are alike, in leaves that hold enough of them.

A tree is grown level by level, all nodes of a level at once, from counts of whole numbers: a split is the cut of one
column into lower and higher bins that takes most from the sum of squares of the target (ranks), or from the Gini
impurity (classes), and leaves at least `leaf` rows on both sides.

Own code because of two things that scikit-learn's trees don't give: its import costs more than half a second, which
each study would pay, and it sums floats in an order that differs between machines, where a replay compares the bytes
of a twin. The tests grow scikit-learn's trees beside these (`docs/decisions/010`).

It does not prune: the size of leaves is what keeps a tree from following single rows.

Source: Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAF = 15
"""Fewest rows in a leaf; smaller leaves follow single rows (see the comparison in the design notes)."""
_DEPTH_MAX = 10
_SCORE_MAX = 1024
"""Ranks are scaled to whole numbers below this, so that sums of them are exact."""
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A grown tree.

    Attributes:
        feature: shape (nodes,); by which column a node is split, -1 for a leaf.
        below: shape (nodes,); rows whose position of the bin is smaller go left.
        left: shape (nodes,); the left child; the right one is the next.
        order: shape (features, bins); position of each bin in the order in which this tree cuts a column.
    """

    feature: Ints
    below: Ints
    left: Ints
    order: Ints

    def leaves(self, bins: Ints) -> Ints:
        """Return the leaf of each row; `bins` has the shape (features, rows)."""
        at = np.zeros(bins.shape[1], dtype=np.int64)
        for _ in range(_DEPTH_MAX + 1):
            feature = self.feature[at]
            inner = np.flatnonzero(feature >= 0)
            if not len(inner):
                break
            node, of = at[inner], feature[inner]
            right = self.order[of, bins[of, inner]] >= self.below[node]
            at[inner] = self.left[node] + right
        return at


def ranks(values: Floats) -> Ints:
    """Return whole numbers in the order of the values, below `_SCORE_MAX`; equal values have equal ones."""
    _, dense = np.unique(values, return_inverse=True)
    top = int(dense.max()) if len(dense) else 0
    return dense * (_SCORE_MAX - 1) // top if top >= _SCORE_MAX else dense.astype(np.int64)


def grow(bins: Ints, target: Ints, *, classes: int, nominal: NDArray[np.bool_], leaf: int = LEAF) -> Tree:
    """Grow a tree.

    Args:
        bins: shape (features, rows); whole numbers from 0.
        target: shape (rows,); ranks, or class numbers.
        classes: how many classes there are; 0 for ranks.
        nominal: shape (features,); whether the bins of a column have no order of their own.
        leaf: fewest rows on both sides of a split.
    """
    features, rows = bins.shape
    size = int(bins.max()) + 1 if features and rows else 1
    order = _order(bins, target, size=size, classes=classes, nominal=nominal)
    placed = np.take_along_axis(order, bins, axis=1)
    feature, below, left = [-1], [0], [0]
    node = np.zeros(rows, dtype=np.int64)
    active = np.array([0])
    for _ in range(_DEPTH_MAX if features else 0):
        place = np.full(len(feature), -1)
        place[active] = np.arange(len(active))
        here = np.flatnonzero(place[node] >= 0)
        gain, of, cut = _best(placed[:, here], target[here], place[node[here]], (len(active), size, classes), leaf)
        split = np.flatnonzero(gain > 0)
        if not len(split):
            break
        begin = len(feature)
        for at, number in enumerate(split):
            parent = active[number]
            feature[parent], below[parent], left[parent] = int(of[number]), int(cut[number]), begin + 2 * at
        feature += [-1] * (2 * len(split))
        below += [0] * (2 * len(split))
        left += [0] * (2 * len(split))
        moving = here[np.isin(place[node[here]], split)]
        parents = node[moving]
        by, limit, child = np.array(feature)[parents], np.array(below)[parents], np.array(left)[parents]
        node[moving] = child + (placed[by, moving] >= limit)
        active = np.arange(begin, len(feature))
    return Tree(feature=np.array(feature), below=np.array(below), left=np.array(left), order=order)


def _order(bins: Ints, target: Ints, *, size: int, classes: int, nominal: NDArray[np.bool_]) -> Ints:
    """Put the bins of a nominal column into the order of their mean target; bins with an order keep it."""
    order = np.tile(np.arange(size), (len(bins), 1))
    common = int(np.bincount(target).argmax()) if classes and len(target) else 0
    score = (target == common).astype(np.int64) if classes else target
    for at in np.flatnonzero(nominal):
        count = np.bincount(bins[at], minlength=size)
        total = np.bincount(bins[at], weights=score, minlength=size)
        mean = np.where(count > 0, total / np.maximum(count, 1), -1.0)
        order[at, np.argsort(mean, kind="stable")] = np.arange(size)
    return order


def _best(placed: Ints, target: Ints, node: Ints, shape: tuple[int, int, int], leaf: int) -> tuple[Floats, Ints, Ints]:
    """Return for each node the gain of its best split, the column, and the first position that goes right."""
    nodes, size, classes = shape
    features = len(placed)
    cell = (np.arange(features)[:, None] * nodes + node[None, :]) * size + placed
    cells = features * nodes * size
    count = np.bincount(cell.ravel(), minlength=cells).reshape(features, nodes, size).cumsum(axis=2)
    if classes:
        both = (cell * classes + target[None, :]).ravel()
        sums = np.bincount(both, minlength=cells * classes).reshape(features, nodes, size, classes)
    else:
        weights = np.broadcast_to(target, cell.shape).ravel()
        sums = np.bincount(cell.ravel(), weights=weights, minlength=cells).reshape(features, nodes, size, 1)
    sums = sums.cumsum(axis=2).astype(np.float64)
    lower, upper = count, count[:, :, -1:] - count
    gain = (sums**2).sum(axis=3) / np.maximum(lower, 1)
    gain += ((sums[:, :, -1:, :] - sums) ** 2).sum(axis=3) / np.maximum(upper, 1)
    gain -= (sums[:, :, -1, :] ** 2).sum(axis=2)[:, :, None] / np.maximum(count[:, :, -1:], 1)
    gain[(lower < leaf) | (upper < leaf)] = -1.0
    flat = gain.transpose(1, 0, 2).reshape(nodes, features * size)
    best = flat.argmax(axis=1)
    # What is left of zero by rounding is no gain.
    worth = np.where(flat[np.arange(nodes), best] > 1e-6, flat[np.arange(nodes), best], -1.0)
    return worth, best // size, best % size + 1
