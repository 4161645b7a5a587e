"""Floor < maker < ceiling, where it must hold: six published tables, three makers, three to five splits each.

Seen from the rows that no maker saw: these take the place of the training rows, the training rows themselves are the
ceiling, and their columns in an order of chance the floor. Seen from the training rows, as on a card, a maker may lie
above the ceiling: it has learned their chance, too, and a copy lies highest of all.

Below the ceiling, each maker must lie in the numbers of `BELOW`: nothing that was made from the training rows says more
of other people than these rows do. Above the floor, a maker must lie in `fidelity.association_kept` alone, and only one
that learns how columns go together: on the floor, single columns are those of the training rows, and a maker that hides
rare values and extremes lies below that. `marginals` is the floor but for them, and must lie on it.

What need not hold: `fidelity.correlation`, `fidelity.worst_marginal` and `fidelity.missing` (a few pairs or one column,
which chance moves by more than makers differ), `utility.*` and `fairness.*` (by chance, an analysis of a few dozen rows
gives other coefficients than the ceiling's; docs/synthetic-figures.md shows it), `privacy.*`, where a copy is worst.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from counterproof.tools.data import read_table
from counterproof.tools.synth.evaluation import diversity, fidelity
from counterproof.tools.synth.evaluation.case import Case
from counterproof.tools.synth.evaluation.frames import Floats
from counterproof.tools.synth.evaluation.tables import Battery, Sides
from counterproof.tools.synth.makers import MAKERS, Order
from counterproof.tools.synth.marks import write_content
from counterproof.tools.synth.splitting import split

from .conftest import prepared

pytestmark = [pytest.mark.synthetic, pytest.mark.slow]
SPLITS, SPLITS_OF_MANY = range(1, 6), range(1, 4)
MANY = 900
"""From so many training rows on, chance moves numbers less, and fewer splits are enough."""
BELOW: Mapping[str, Callable[[Case], float | None]] = {
    "fidelity.association_kept": fidelity.association_kept,
    "fidelity.marginals": fidelity.marginals,
    "fidelity.pairs": fidelity.pairs,
    "fidelity.pmse": lambda case: -fidelity.pmse(case),
    "diversity.coverage": diversity.coverage,
}
"""Numbers in which each maker lies below the ceiling; turned, where lower is better."""
ABOVE = "fidelity.association_kept"
LEARNS = ("trees", "copula")
"""Makers that learn how columns go together."""


@cache
def _case(name: str, maker: str, seed: int) -> tuple[Case, Floats]:
    """Return a split seen from the rows that the maker did not see, and the floor."""
    of = prepared(name)
    both = split(of.table, share=0.4, seed=seed, hidden={found.column for found in of.findings})
    order = Order(findings=of.findings, rows=both.train.rows, seed=seed)
    made = read_table("made.csv", write_content(MAKERS[maker](both.train, order).cells))
    cases = Battery(Sides(train=both.train, holdout=both.holdout, said="a test"), made, of.question).cases
    seen = cases["value"]
    return replace(seen, train=seen.holdout, holdout=seen.train), cases["floor"].candidate


def _means(name: str, maker: str, compute: Callable[[Case], float | None]) -> tuple[float, float, float]:
    """Return floor, maker and ceiling: means over the splits."""
    found = []
    for seed in SPLITS_OF_MANY if prepared(name).split.train.rows >= MANY else SPLITS:
        case, floor = _case(name, maker, seed)
        candidates = (floor, case.candidate, case.holdout)
        values = [compute(replace(case, candidate=candidate)) for candidate in candidates]
        found.append([np.nan if value is None else value for value in values])
    low, value, high = np.mean(found, axis=0).tolist()
    return low, value, high


@pytest.mark.parametrize("maker", list(MAKERS))
def test_a_maker_stands_between_floor_and_ceiling_where_it_must(maker: str, name: str) -> None:
    means = {id_: _means(name, maker, compute) for id_, compute in BELOW.items()}
    for id_, (_, value, ceiling) in means.items():
        assert value < ceiling, (id_, value, ceiling)
    floor, value, _ = means[ABOVE]
    if maker in LEARNS:
        assert floor < value, (floor, value)
    else:
        # Chance: the floor is one shuffling a split.
        assert value == pytest.approx(floor, abs=0.12)
