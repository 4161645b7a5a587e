"""Disclosure control: what could tell something about one person if it left the secure side.

One check a file, each with its definition and source; `review` puts them together. Thresholds are those of ACRO and of
the handbook that it follows.
"""

from counterproof.tools.disclosure.item import DisclosureFinding, Item, ItemVerdict
from counterproof.tools.disclosure.review import (
    OutputFile,
    Outputs,
    figure_item,
    flow_item,
    result_item,
    review_outputs,
    table_item,
)

__all__ = [
    "DisclosureFinding",
    "Item",
    "ItemVerdict",
    "OutputFile",
    "Outputs",
    "figure_item",
    "flow_item",
    "result_item",
    "review_outputs",
    "table_item",
]
