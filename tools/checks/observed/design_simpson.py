"""Check: a crude association that turns round within strata."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from statsmodels.stats.contingency_tables import StratifiedTable

from counterproof.tools.checks.observed._seen import SUBJECT, Finding, Seen, judged, not_applicable


def check_simpson(seen: Seen) -> Finding:
    """Does a crude association turn round within strata of a named column, and is only the crude one given?

    For each pair of two-valued exposure and outcome that the program relates in a table or in a model with one
    predictor, the crude odds ratio is compared with the Mantel-Haenszel odds ratio over each other column that the
    plan or the data name (numbers in fifths; at most 12 levels). Fails where they lie on different sides of 1, both at
    least 10 % away from it, the stratified table is the better account (p < 0.05 for one of them), and the program has
    no model or table with that column.

    Not a reason to adjust by itself: a column on the causal path must not be adjusted for, which a person has to say.

    References
    ----------
    Hernán MA, Clayton D, Keiding N. The Simpson's paradox unraveled. Int J Epidemiol 2011;40:780.
    doi:10.1093/ije/dyr041
    """
    about = ("simpson", "Does the crude association turn round within strata?")
    frame = seen.frame()
    if seen.plan.get("design") == "randomised_trial":
        return not_applicable(*about, "the exposure was randomised")
    pairs = _pairs(seen, frame)
    fail, looked = [], 0
    for exposure, outcome in pairs:
        others = [c for c in map(str, frame.columns) if c not in (exposure, outcome) and _named(seen, c)]
        for column in others:
            strata = _strata(frame[column])
            if strata is None or _adjusts(seen, column):
                continue
            looked += 1
            turned = turns_round(_binary(frame[exposure]), _binary(frame[outcome]), strata)
            if turned:
                crude, adjusted = turned
                fail.append(
                    f"{exposure} and {outcome}: odds ratio {crude:.3g}, within strata of {column} {adjusted:.3g}; "
                    "the program never looks within them"
                )
    if not pairs:
        return not_applicable(*about, "no crude association of two two-valued columns")
    return judged(*about, fail=fail, looked_at=f"{len(pairs)} crude associations, {looked} stratifications")


def turns_round(exposure: pd.Series, outcome: pd.Series, strata: pd.Series) -> tuple[float, float] | None:
    """Return the crude and the Mantel-Haenszel odds ratio where they contradict; None where they don't.

    The three are aligned; exposure and outcome are 0, 1 or missing.
    """
    whole = pd.DataFrame({"e": exposure, "o": outcome, "s": strata}).dropna()
    if whole["e"].nunique() != 2 or whole["o"].nunique() != 2:
        return None
    tables = [
        pd.crosstab(part["e"], part["o"]).reindex(index=[0, 1], columns=[0, 1], fill_value=0).to_numpy(float)
        for _, part in whole.groupby("s", observed=True)
    ]
    tables = [table for table in tables if (table.sum(axis=0) > 0).all() and (table.sum(axis=1) > 0).all()]
    if len(tables) < 2:
        return None
    total = pd.crosstab(whole["e"], whole["o"]).to_numpy(float)
    crude = total[0, 0] * total[1, 1] / max(total[0, 1] * total[1, 0], 0.5)
    pooled = StratifiedTable([table.T for table in tables])
    adjusted = float(pooled.oddsratio_pooled)
    away = min(abs(np.log(max(crude, 1e-9))), abs(np.log(max(adjusted, 1e-9)))) > np.log(1.1)
    if (crude - 1) * (adjusted - 1) < 0 and away and _sure(total, pooled):
        return float(crude), adjusted
    return None


def _sure(total: np.ndarray, pooled: StratifiedTable) -> bool:
    error = np.sqrt((1 / np.maximum(total, 0.5)).sum())
    crude_p_small = abs(np.log(total[0, 0] * total[1, 1] / max(total[0, 1] * total[1, 0], 0.5))) / error > 1.96
    return bool(crude_p_small or pooled.test_null_odds().pvalue < 0.05)


def _pairs(seen: Seen, frame: pd.DataFrame) -> list[tuple[str, str]]:
    two = [c for c in map(str, frame.columns) if frame[c].nunique() == 2]
    named = {tuple(sorted(c for c in cross if c in two)) for cross in seen.crossed}
    outcome, exposure = seen.plan.get("outcome", ""), seen.plan.get("exposure", "")
    used = seen.used() & set(two)
    crude = any(fit.x.shape[1] == 1 for fit in seen.fits) or seen.called("table", "chisq.test", "fisher.test")
    if outcome in two and exposure in two:
        named.add((exposure, outcome))
    elif len(used) == 2 and crude:
        named.add(tuple(sorted(used)))
    return sorted(pair for pair in named if len(pair) == 2)  # type: ignore[misc]


def _named(seen: Seen, column: str) -> bool:
    """Say whether the plan names a column; of a few columns each counts."""
    if SUBJECT.match(column):
        return False
    return seen.frame().shape[1] <= 12 or bool(
        re.search(rf"(?<!\w){re.escape(column.lower())}(?!\w)", seen.plan.get("text", ""))
    )


def _adjusts(seen: Seen, column: str) -> bool:
    return column in seen.used()


def _strata(column: pd.Series) -> pd.Series | None:
    if column.nunique() < 2:
        return None
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > 12:
        return pd.qcut(column, 5, labels=False, duplicates="drop")
    return column if column.nunique() <= 12 else None


def _binary(column: pd.Series) -> pd.Series:
    levels = sorted(column.dropna().unique(), key=str)
    return column.map({levels[0]: 0, levels[-1]: 1})
