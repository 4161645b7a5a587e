"""Check: predictors are not combinations of each other."""

from __future__ import annotations

import numpy as np

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable

_MADE = ("**", "bs(", "cr(", ":", "poly(", "np.power", "[T.", "_sq", "squared", "^2")


def check_collinearity(seen: Seen) -> Finding:
    """Is a predictor nearly a linear combination of the others?

    Variance inflation factors of the predictors without a constant, leaving out terms that are made from others
    (powers, splines, interactions, levels of a factor). Fails above 30, warns above 10.

    Not for prediction, where single coefficients are not read.

    References
    ----------
    O'Brien RM. A caution regarding rules of thumb for variance inflation factors. Qual Quant 2007;41:673.
    doi:10.1007/s11135-006-9018-6
    """
    about = ("collinearity", "Is a predictor nearly a combination of others?")
    fail, warn, looked = [], [], 0
    for fit in seen.fits:
        own = [at for at, name in enumerate(fit.names) if not any(sign in name for sign in _MADE)]
        x = fit.x[:, own]
        if fit.kind in ("mixed", "km") or x.shape[1] < 2 or len(x) <= x.shape[1]:
            continue
        looked += 1
        for at, factor in zip(own, inflation(x), strict=True):
            if factor > 10:
                line = f"line {fit.line}: variance inflation of {fit.names[at]} is {factor:.3g}"
                (fail if factor > 30 else warn).append(line)
    if not looked:
        return not_applicable(*about, "no model with two predictors")
    return judged(*about, fail=fail, warn=warn, looked_at=f"{looked} models")


def inflation(x: np.ndarray) -> np.ndarray:
    """Return the variance inflation factor of each column (rows × columns, no missing values)."""
    spread = x.std(axis=0)
    scaled = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    correlation = scaled.T @ scaled / len(x) + np.diag((spread == 0).astype(float))
    return np.clip(np.diag(np.linalg.pinv(correlation + 1e-10 * np.eye(len(correlation)))), 1, None)
