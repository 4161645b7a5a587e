"""Independent marginals: each column drawn alone, so that nothing of how columns go together is kept.

The right maker where only the form of the data matters, and the floor that others must beat.
"""

from __future__ import annotations

import numpy as np

from counterproof.tools.data import Table
from counterproof.tools.synth.makers.contract import Made, Order
from counterproof.tools.synth.makers.forms import cells_of, shown


def make_by_marginals(train: Table, order: Order) -> Made:
    """Make rows whose columns know nothing of each other."""
    random = np.random.default_rng(order.seed)
    columns = shown(train, {finding.column for finding in order.findings})
    drawn = [random.choice(one.values, order.rows) for one in columns]
    return Made(cells=cells_of(columns, drawn, random), facts={"maker": "marginals", "epsilon": None})
