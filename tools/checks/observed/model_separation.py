"""Check: a predictor that separates the outcome."""

from __future__ import annotations

import numpy as np

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable


def check_separation(seen: Seen) -> Finding:
    """Does a predictor, or a combination, separate the two outcomes of a logistic model?

    Fails where the standard error of a coefficient, times the standard deviation of its predictor, passes 10 or the
    library warned of perfect separation: the maximum likelihood estimate doesn't exist then.

    Not for penalised models, whose estimates exist.

    References
    ----------
    Mansournia MA, et al. Separation in logistic regression. Am J Epidemiol 2018;187:864. doi:10.1093/aje/kwx299
    """
    about = ("separation", "Does a predictor separate the outcome?")
    models = [fit for fit in seen.fits if fit.kind in ("logit", "glm-binomial")]
    fail = []
    for fit in models:
        errors = np.asarray(getattr(fit.raw, "bse", []), float)[-fit.x.shape[1] or None :]
        spread = fit.x.std(axis=0)
        if errors.shape == spread.shape:
            bad = ~np.isfinite(errors) | (errors * spread > 10)
            fail += [
                f"line {fit.line}: {name} separates the outcome"
                for name, off in zip(fit.names, bad, strict=True)
                if off
            ]
    fail += [f"the library warned: {kind}: {text}" for kind, text in seen.warned if "eparation" in kind + text]
    if not models and not fail:
        return not_applicable(*about, "no logistic model without a penalty")
    return judged(*about, fail=fail, looked_at=f"{len(models)} logistic models")
