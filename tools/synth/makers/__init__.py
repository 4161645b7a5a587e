"""Makers of synthetic tables: one contract, one maker a file."""

from collections.abc import Mapping

from counterproof.tools.synth.makers.contract import Made, Maker, Order
from counterproof.tools.synth.makers.copula import make_by_copula
from counterproof.tools.synth.makers.marginals import make_by_marginals
from counterproof.tools.synth.makers.private import PRIVATE, domains_of, make_privately, privacy_of, private_maker
from counterproof.tools.synth.makers.trees import make_by_trees

MAKERS: Mapping[str, Maker] = {"trees": make_by_trees, "copula": make_by_copula, "marginals": make_by_marginals}
"""By name; the first is the default."""

__all__ = [
    "MAKERS",
    "PRIVATE",
    "Made",
    "Maker",
    "Order",
    "domains_of",
    "make_privately",
    "privacy_of",
    "private_maker",
]
