"""The default maker: the engine of the twin, classification and regression trees with leaves of at least 15 rows.

No rare level, extreme, identifier or real row is shown (`tools.twin`). It does not cover differential privacy.
"""

from __future__ import annotations

from dataclasses import replace

from counterproof.provenance.digests import sha256_bytes
from counterproof.tools.data import Table
from counterproof.tools.synth.makers.contract import Made, Order
from counterproof.tools.synth.marks import Cells, read_cells
from counterproof.tools.twin import build_twin


def make_by_trees(train: Table, order: Order) -> Made:
    """Make rows by trees; more rows than the real ones come from several twins, one behind the other."""
    cells: Cells = {column.name: [] for column in train.columns}
    made = twins = 0
    facts: dict[str, object] = {}
    while made < order.rows:
        twin = build_twin(_seeded(train, order.seed + twins), list(order.findings))
        part = read_cells(twin.data, separator=train.separator)
        count = min(order.rows - made, train.rows)
        for name, column in cells.items():
            column += part[name][:count]
        made, twins, facts = made + count, twins + 1, twin.facts
    parameters = {name: facts[name] for name in ("version", "k", "epsilon", "made")}
    return Made(cells=cells, facts={"maker": "trees", "engine": facts["engine"], "twins": twins, **parameters})


def _seeded(train: Table, seed: int) -> Table:
    """Return the table under a digest of its own: the draws of a twin follow from it."""
    return replace(train, sha256=sha256_bytes(f"{train.sha256} {seed}".encode()))
