"""Degrees of freedom: a model with nearly as many parameters as observations is a table of the observations.

Definition. Residual degrees of freedom below `DF_MIN`: where a number is named so; and of a table of coefficients,
the smallest n of the results less the number of its rows.

References
----------
Griffiths et al., 2019 (see `small_cells`), "Linear regression coefficients"; ACRO's `MinimumDoFCheck`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from counterproof.tools.disclosure.cells import Cells
from counterproof.tools.disclosure.item import DisclosureFinding
from counterproof.tools.results import Result

CHECK = "degrees of freedom"
DF_MIN = 10
_RESIDUAL = re.compile(r"(df|dof|degrees[ _]of[ _]freedom)[ _.]?resid|resid(ual)?[ _.]?(df|dof|degrees)", re.IGNORECASE)
_COEFFICIENT = re.compile(r"^(coef|coefficient|estimate|beta|log[ _]?(or|hr)|b)s?$", re.IGNORECASE)


def is_too_few(residual: float) -> bool:
    """Say whether a model leaves too few residual degrees of freedom."""
    return residual < DF_MIN


def in_result(result: Result) -> list[DisclosureFinding]:
    """Look at a number that is named as residual degrees of freedom."""
    named = _RESIDUAL.search(result.id) or _RESIDUAL.search(result.label)
    if named and is_too_few(result.value):
        return [_finding(f"{result.value:g} residual degrees of freedom, fewer than {DF_MIN}")]
    return []


def in_table(cells: Cells, results: Sequence[Result]) -> list[DisclosureFinding]:
    """Look at columns of residual degrees of freedom, and at tables of coefficients."""
    found = []
    for at, name in enumerate(cells.header):
        for number, value in enumerate(cells.numbers(at) or [], start=1) if _RESIDUAL.search(name) else ():
            if is_too_few(value):
                found.append(_finding(f"row {number}: {value:g} residual degrees of freedom, fewer than {DF_MIN}"))
    smallest = min((result.n for result in results), default=0)
    if smallest and any(_COEFFICIENT.match(name.strip()) for name in cells.header):
        left = smallest - len(cells.rows)
        if is_too_few(left):
            text = f"{len(cells.rows)} coefficients, and a result rests on n = {smallest}: {max(left, 0)} are left"
            found.append(_finding(f"{text}, fewer than {DF_MIN}"))
    return found


def _finding(text: str) -> DisclosureFinding:
    return DisclosureFinding(check=CHECK, text=text, suggestion="suppress")
