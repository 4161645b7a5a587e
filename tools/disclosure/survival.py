"""Survival curves: each step is an event of somebody, and the tail is a few persons.

Definition. In a table with a time and a number at risk: a row with fewer than K at risk. In a table with a time and a
survival probability: steps behind which stand fewer than K events (events between two rows, where they are given; else
the drop times the persons of the study), as in a curve that steps at each event time.

References
----------
Griffiths et al., 2019 (see `small_cells`), "Survival analysis (Kaplan-Meier)"; ACRO's survival threshold.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from counterproof.tools.disclosure.cells import Cells
from counterproof.tools.disclosure.item import DisclosureFinding
from counterproof.tools.profile import K

CHECK = "survival"
_TIME = re.compile(r"time|day|month|year|week|duration", re.IGNORECASE)
_RISK = re.compile(r"risk", re.IGNORECASE)
_EVENTS = re.compile(r"event|death|observed|removed|censor", re.IGNORECASE)
_CURVE = re.compile(r"surviv|^s$|^km|kaplan|cumulative|incidence|hazard", re.IGNORECASE)
_STEPS_MIN = 3


def in_table(cells: Cells, *, persons: int, k: int = K) -> list[DisclosureFinding]:
    """Look at a survival table or the data behind a curve.

    Parameters
    ----------
    cells : Cells
        The table.
    persons : int
        How many persons the study has.
    k : int
        The threshold.
    """
    if _first(cells, _TIME) is None:
        return []
    found = []
    at_risk = _first(cells, _RISK)
    if at_risk is not None:
        few = [at for at, value in enumerate(cells.numbers(at_risk) or []) if 0 < value < k]
        if few:
            text = f"{len(few)} rows have fewer than {k} at risk, the first in row {few[0] + 1}"
            found.append(DisclosureFinding(check=CHECK, text=text, suggestion="suppress"))
    curve = _first(cells, _CURVE)
    values = None if curve is None else cells.numbers(curve)
    if values and len(values) > _STEPS_MIN:
        steps = _steps(cells, values, persons)
        few = [at for at, events in enumerate(steps) if 0 < events < k]
        if few:
            text = f"{len(few)} of {len(steps)} steps rest on fewer than {k} events"
            found.append(DisclosureFinding(check=CHECK, text=text, suggestion="merge"))
    return found


def _steps(cells: Cells, curve: list[float], persons: int) -> list[float]:
    """Return how many events stand behind each step; a curve that starts anew belongs to another group."""
    events = _first(cells, _EVENTS)
    given = None if events is None else cells.numbers(events)
    if given is not None:
        return given
    top = max(curve)
    scale = 100.0 if top > 1 else 1.0
    return [round(abs(after - before) / scale * persons, 6) for before, after in pairwise(curve)]


def _first(cells: Cells, name: re.Pattern[str]) -> int | None:
    search: Callable[[str], object] = name.search
    return next((at for at, called in enumerate(cells.header) if search(called.strip())), None)
