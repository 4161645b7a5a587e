"""Check: missing values are neither filled with one value nor lost in a pattern."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable

_IMPUTED = ("MICE", "MICEData", "IterativeImputer", "mice", "multiple", "KNNImputer")


def check_missingness(seen: Seen) -> Finding:
    """How much is missing in the columns that are used, does it go with the outcome, and what became of it?

    Fails where a column with at least 5 % missing is filled with a constant, the mean or the median before a model.
    Warns where complete cases lose at least 10 % of the rows and missingness goes with the planned outcome (t or
    chi-squared test, p < 0.001). Multiple imputation passes. A column that is
    filled for one level of another only is no gap.

    Not a proof that values are missing at random: data can't show that.

    References
    ----------
    Sterne JAC, et al. Multiple imputation for missing data in epidemiological and clinical research. BMJ
    2009;338:b2393. doi:10.1136/bmj.b2393
    """
    about = ("missingness", "Are missing values handled without distortion?")
    frame = seen.frame()
    used = sorted(seen.used())
    share = {column: float(frame[column].isna().mean()) for column in used}
    gaps = [column for column in used if share[column] >= 0.05 and not _by_design(frame, column)]
    if not gaps:
        return (
            judged(*about, looked_at=f"{len(used)} used columns, none with 5 % missing")
            if used
            else not_applicable(*about, "the program names no column of the data")
        )
    if seen.called(*_IMPUTED):
        return judged(*about, looked_at=f"{', '.join(gaps)}: imputed")
    fail, warn = [], []
    for call in seen.called("fillna", "replace_na", "SimpleImputer", "na.aggregate"):
        named = " ".join(map(str, (*call["args"], *call["named"].values())))
        if not any(word in named for word in ("ffill", "bfill", "missing", "unknown")) and seen.fits + seen.learned:
            fail.append(
                f"line {call['line']}: {call['name']}() fills a column with one value ({', '.join(gaps)} missing)"
            )
    if seen.language == "r" and not fail:
        fail += [f"{column}: filled with one value" for column in gaps if _r_fills(seen, column)]
    outcome = seen.plan.get("outcome", "")
    lost = float(frame[gaps].isna().any(axis=1).mean())
    if outcome in frame and lost >= 0.10:
        warn += [
            f"{column}: {share[column]:.0%} missing, and missingness goes with {outcome}"
            for column in gaps
            if column != outcome and _goes_with(frame[column].isna(), frame[outcome])
        ]
    return judged(*about, fail=fail, warn=warn, looked_at=f"{', '.join(gaps)}: at least 5 % missing, complete cases")


def _by_design(frame: pd.DataFrame, column: str) -> bool:
    """Say whether a value is there exactly for one of the two levels of another column, such as a date of treatment."""
    there = frame[column].notna()
    two = [frame[other] for other in frame.columns if other != column and frame[other].nunique() == 2]
    return any(max((there == (one == level)).mean() for level in one.dropna().unique()) >= 0.95 for one in two)


def _r_fills(seen: Seen, column: str) -> bool:
    squeezed = seen.text.replace(" ", "")
    return f"[is.na(d${column})]<-" in squeezed and "<-NA" not in squeezed


def _goes_with(missing: pd.Series, outcome: pd.Series) -> bool:
    values = pd.to_numeric(outcome, errors="coerce")
    if values.nunique() > 5:
        groups = [values[missing].dropna(), values[~missing].dropna()]
        return min(map(len, groups)) > 4 and stats.ttest_ind(*groups, equal_var=False).pvalue < 0.001
    table = pd.crosstab(missing, outcome).to_numpy()
    return min(table.shape) > 1 and np.min(table.sum(axis=0)) > 4 and stats.chi2_contingency(table)[1] < 0.001
