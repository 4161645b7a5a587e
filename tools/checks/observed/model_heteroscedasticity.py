"""Check: the spread of residuals is even where the errors rest on it."""

from __future__ import annotations

import numpy as np
from scipy import stats
from statsmodels.stats.diagnostic import het_breuschpagan

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable


def check_heteroscedasticity(seen: Seen) -> Finding:
    """Do uneven residuals make the standard errors of a linear model, or a pooled t test, wrong?

    Linear models with errors of the model: fails where the Breusch-Pagan test has p < 0.001 and the robust (HC3) error
    of a coefficient is more than twice the model's, warns from 1.4 times on; weighted fits fail above 1.2 times,
    without the test. Pooled t
    tests: fails where variances differ by a factor of 3 or more and group sizes by 1.5 or more.

    Not for robust errors or Welch's test, which allow for it.

    References
    ----------
    Long JS, Ervin LH. Using heteroscedasticity consistent standard errors in the linear regression model. Am Stat
    2000;54:217. doi:10.1080/00031305.2000.10474549
    """
    about = ("heteroscedasticity", "Is the spread even where the errors rest on it?")
    models = [fit for fit in seen.fits if fit.kind in ("ols", "wls") and not fit.robust and not fit.clustered]
    fail, warn = [], []
    for fit in models:
        if len(fit.y) < 20 or not fit.x.shape[1]:
            continue
        try:
            ratio = float(np.nanmax(np.asarray(fit.raw.HC3_se, float) / np.asarray(fit.raw.bse, float)))
            p = float(het_breuschpagan(fit.raw.resid, fit.raw.model.exog)[1])
        except (ValueError, AttributeError, np.linalg.LinAlgError):
            continue
        if (fit.kind == "ols" and p < 0.001 and ratio > 1.4) or (fit.kind == "wls" and ratio > 1.2):
            line = f"line {fit.line}: robust errors are up to {ratio:.2f} times those of the model"
            (warn if fit.kind == "ols" and ratio <= 2 else fail).append(line)
    pooled = [
        test for test in seen.tests if test.name == "ttest_ind" and test.named.get("equal_var", True) is not False
    ]
    for test in pooled:
        text = uneven(*(np.asarray(side, float) for side in test.args[:2])) if len(test.args) >= 2 else ""
        if text:
            fail.append(f"line {test.line}: pooled t test; {text}")
    if not models and not pooled:
        return not_applicable(*about, "no linear model or pooled t test with errors of the model")
    return judged(*about, fail=fail, warn=warn, looked_at=f"{len(models)} linear models, {len(pooled)} pooled t tests")


def uneven(one: np.ndarray, other: np.ndarray) -> str:
    """Say how two samples are too uneven for a pooled variance; "" where they are not."""
    one, other = one[~np.isnan(one)], other[~np.isnan(other)]
    if min(len(one), len(other)) < 5:
        return ""
    spread, sizes = np.var(one, ddof=1) / max(np.var(other, ddof=1), 1e-300), len(one) / len(other)
    if (
        max(spread, 1 / max(spread, 1e-300)) >= 3
        and max(sizes, 1 / sizes) >= 1.5
        and stats.levene(one, other).pvalue < 0.01
    ):
        return f"variances differ by a factor of {max(spread, 1 / spread):.1f}, sizes {len(one)} and {len(other)}"
    return ""
