"""Check: cells are filled enough for the test."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from scipy.stats.contingency import expected_freq

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable


def check_sparse_cells(seen: Seen) -> Finding:
    """Is a chi-squared test made on a table with too few expected counts?

    Fails where more than a fifth of the expected counts are below 5, or one is below 1, and the program has no exact
    test beside it. In R the table is made here, of the two columns that the call names.

    Not for exact or permutation tests.

    References
    ----------
    Cochran WG. Some methods for strengthening the common chi-squared tests. Biometrics 1954;10:417. doi:10.2307/3001616
    """
    about = ("sparse_cells", "Are cells filled enough for a chi-squared test?")
    tables = [
        (test.line, np.asarray(test.args[0], float))
        for test in seen.tests
        if test.name == "chi2_contingency" and test.args
    ]
    tables += [made for call in seen.called("chisq.test") if (made := _in_r(seen, call)) is not None]
    if not tables:
        return not_applicable(*about, "no chi-squared test of a table")
    exact = seen.called("fisher_exact", "fisher.test", "barnard_exact", "boschloo_exact")
    fail = [f"line {line}: {text}" for line, table in tables if (text := sparse(table)) and not exact]
    return judged(*about, fail=fail, looked_at=f"{len(tables)} tables" + (", an exact test beside" if exact else ""))


def sparse(table: np.ndarray) -> str:
    """Say how a table of counts is too sparse; "" where it is not."""
    if table.ndim != 2 or min(table.shape) < 2 or not table.sum():
        return ""
    expected = expected_freq(table)
    if expected.min() < 1 or (expected < 5).mean() > 0.2:
        return f"{(expected < 5).sum()} of {expected.size} expected counts are below 5 (smallest {expected.min():.2g})"
    return ""


def _in_r(seen: Seen, call: dict[str, object]) -> tuple[int, np.ndarray] | None:
    text = " ".join(map(str, call["args"]))  # type: ignore[call-overload]
    frame = seen.frame()
    columns = [c for c in map(str, frame.columns) if re.search(rf"\${re.escape(c)}(?![\w.])", text)]
    if len(columns) != 2:
        return None
    return int(str(call["line"])), pd.crosstab(frame[columns[0]], frame[columns[1]]).to_numpy(float)
