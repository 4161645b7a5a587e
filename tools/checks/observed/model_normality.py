"""Check: normality where a small sample rests on it."""

from __future__ import annotations

import numpy as np
from scipy import stats

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable

_SMALL = 30


def check_normality(seen: Seen) -> Finding:
    """Does a t test or linear model on a small sample rest on residuals that are far from normal?

    Looks at groups (or residuals) of fewer than 30 only: larger ones are carried by the central limit theorem. Fails
    for Shapiro-Wilk p < 0.001 with a skewness above 1.5.

    Not to be used for choosing a test after looking at the outcome; a plan says what happens if it fails.

    References
    ----------
    Lumley T, et al. The importance of the normality assumption in large public health data sets. Annu Rev Public Health
    2002;23:151. doi:10.1146/annurev.publhealth.23.100901.140546
    """
    about = ("normality", "Are small samples near enough to normal?")
    samples = [
        (test.line, test.name, np.asarray(side, float))
        for test in seen.tests
        if test.name in ("ttest_ind", "ttest_1samp", "f_oneway")
        for side in test.args
        if hasattr(side, "__len__")
    ]
    samples += [
        (test.line, test.name, np.asarray(test.args[0], float) - np.asarray(test.args[1], float))
        for test in seen.tests
        if test.name == "ttest_rel"
    ]
    samples += [(fit.line, "linear model", np.asarray(fit.raw.resid, float)) for fit in seen.fits if fit.kind == "ols"]
    small = [(line, name, values[~np.isnan(values)]) for line, name, values in samples]
    small = [sample for sample in small if 8 <= len(sample[2]) < _SMALL]
    if not small:
        return not_applicable(*about, f"no t test or linear model on fewer than {_SMALL}")
    fail = [
        f"line {line}: {name} on {len(values)} values with skewness {stats.skew(values):.1f}"
        for line, name, values in small
        if np.ptp(values) > 0 and stats.shapiro(values).pvalue < 0.001 and abs(stats.skew(values)) > 1.5
    ]
    return judged(*about, fail=fail, looked_at=f"{len(small)} small samples")
