"""Minimum counts: a number behind which stand few persons may be about one that somebody knows.

Definition. A count, denominator or number at risk `n` is too small where 0 < n < K.

When not to use it: on counts of things that are no persons (visits, genes); the finding names the cell, a person can
release it.

References
----------
Griffiths et al., Handbook on Statistical Disclosure Control for Outputs, 2019,
https://doi.org/10.6084/m9.figshare.9958520, "Frequencies"; ACRO's `MinimumThresholdCheck`.
"""

from __future__ import annotations

from counterproof.tools.disclosure.cells import Cells, small
from counterproof.tools.disclosure.item import DisclosureFinding
from counterproof.tools.profile import K
from counterproof.tools.results import Flow, Result

CHECK = "small cells"


def in_result(result: Result, *, k: int = K) -> list[DisclosureFinding]:
    """Look at n and, for a count, at the value; `k` is the threshold."""
    found = []
    if 0 < result.n < k:
        found.append(_finding(f"rests on n = {result.n}, fewer than {k}", "suppress"))
    if result.unit == "count" and 0 < result.value < k:
        found.append(_finding(f"is a count of {result.value:g}, fewer than {k}", "round"))
    return found


def in_flow(flow: Flow, *, k: int = K) -> list[DisclosureFinding]:
    """Look at each count of the participant flow; two reasons may be merged."""
    counts = [("assessed", flow.assessed), ("analysed", flow.analysed)]
    counts += [(f"excluded, {part.reason}", part.n) for part in flow.excluded]
    return [_finding(f"{label}: a count of {n}, fewer than {k}", "merge") for label, n in counts if 0 < n < k]


def in_table(cells: Cells, *, k: int = K, levels: frozenset[str] = frozenset()) -> list[DisclosureFinding]:
    """Look at every cell that reads like a count.

    Parameters
    ----------
    cells : Cells
        The table.
    k : int
        The threshold.
    levels : frozenset of str
        Names of columns that hold codes of groups, not counts: those that are called as a column of the data and hold
        nothing but its levels.
    """
    found = []
    for place, cell in cells.places():
        count = small(cell, k)
        if count is not None and place.partition(", ")[2] not in levels:
            text = cell.strip().partition(" ")[0].partition("(")[0].partition("/")[0].partition(".")[0]
            found.append(_finding(f"{place}: a count of {text}, fewer than {k}", "merge"))
    return found


def _finding(text: str, suggestion: str) -> DisclosureFinding:
    return DisclosureFinding.model_validate({"check": CHECK, "text": text, "suggestion": suggestion})
