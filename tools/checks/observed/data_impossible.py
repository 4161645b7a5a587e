"""Check: values that can't be, and units that were mixed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, kept, not_applicable, numeric
from counterproof.tools.checks.observed.data_sentinels import sentinel_codes

_RANGES = (
    (re.compile(r"^age([._].*)?$|_age$", re.IGNORECASE), 0, 120),
    (
        re.compile(r"^(time|days|months|years|futime|followup|follow_up|survival|.*_days|.*time)$", re.IGNORECASE),
        0,
        np.inf,
    ),
    (
        re.compile(r"^(weight|height|bmi|wt\d*|ht|lwt|bwt|gestation|sbp|dbp|pulse|dose|.*_kg|.*_cm)$", re.IGNORECASE),
        0,
        np.inf,
    ),
    (re.compile(r"percent|pct|_perc", re.IGNORECASE), 0, 100),
    (re.compile(r"^(prob|probability|proportion|fraction).*", re.IGNORECASE), 0, 1),
)


def check_impossible_values(seen: Seen) -> Finding:
    """Are there values that can't be, or two units in one column?

    A negative time or an age of 200 can't be (columns are known by their names). Two units are suspected where a
    column falls into two narrow groups with at least 2 % of the rows each and an empty factor of 1.8 or more between
    them (metres and centimetres, Celsius and Fahrenheit, pounds and kilograms of adults). Codes for missing values are
    left to their own check. Fails where such rows reached a model, or nothing is known of the models.

    Not for columns whose names say nothing, and not for real mixtures such as two species.

    References
    ----------
    Van den Broeck J, et al. Data cleaning: detecting, diagnosing, and editing data abnormalities. PLoS Med 2005;2:e267.
    doi:10.1371/journal.pmed.0020267
    """
    about = ("impossible_values", "Are there impossible values or mixed units?")
    frame, fail, columns = seen.frame(), [], 0
    for column in sorted(seen.used()):
        values = numeric(frame, column)
        values = values[~np.isin(values, sentinel_codes(values))]
        if not len(values):
            continue
        columns += 1
        for pattern, low, high in _RANGES:
            off = values[(values < low) | (values > high)]
            if pattern.search(column) and len(off):
                if kept(seen, column, set(off)) is not False and not _excluded(seen, len(off)):
                    fail.append(f"{column}: {len(off)} values outside {low} to {high:g}, such as {off[0]:g}")
                break
        border = mixed_units(values)
        if border and _stays_mixed(seen, column):
            low_side, high_side = values[values < border], values[values >= border]
            fail.append(
                f"{column}: {len(low_side)} values around {np.median(low_side):.3g} and {len(high_side)} around "
                f"{np.median(high_side):.3g}, nothing between: two units?"
            )
    if not columns:
        return not_applicable(*about, "the program names no column of numbers")
    return judged(*about, fail=fail, looked_at=f"{columns} columns of numbers that the program uses")


def mixed_units(values: np.ndarray[Any, Any]) -> float:
    """Return the border between two groups of positive numbers that look like two units; 0 where there is none."""
    positive = np.sort(values[values > 0])
    if len(positive) < 50 or len(np.unique(positive)) < 12:
        return 0.0
    steps = positive[1:] / positive[:-1]
    at = int(np.argmax(steps))
    lower, upper = positive[: at + 1], positive[at + 1 :]
    if steps[at] < 1.8 or min(len(lower), len(upper)) < 0.02 * len(positive):
        return 0.0
    narrow = all(np.std(np.log(side)) < 0.3 for side in (lower, upper))
    return float(upper[0]) if narrow else 0.0


def _stays_mixed(seen: Seen, column: str) -> bool:
    held = [fit.x[:, fit.names.index(column)] for fit in seen.fits if column in fit.names]
    held += [fit.y for fit in seen.fits if not held and len(fit.y) == len(seen.frame())]
    if not held:
        return not seen.called("where", "ifelse", "mask", "case_when", "apply", "loc")
    return any(mixed_units(part) > 0 for part in held)


def _excluded(seen: Seen, count: int) -> bool:
    return sum(int(part.get("n", 0)) for part in seen.flow.get("excluded", [])) >= count
