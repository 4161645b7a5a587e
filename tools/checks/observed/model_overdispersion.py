"""Check: counts vary no more than their model says."""

from __future__ import annotations

import numpy as np
from scipy import stats

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable


def check_overdispersion(seen: Seen) -> Finding:
    """Do counts vary more than a Poisson model says?

    Pearson's chi-squared over its degrees of freedom; fails above 1.5 with p < 0.001 where the errors are those of the
    model (not robust, not scaled). A negative binomial model passes.

    Not for binary outcomes, nor where fitted means are mostly below 1.

    References
    ----------
    Ver Hoef JM, Boveng PL. Quasi-Poisson vs. negative binomial regression. Ecology 2007;88:2766. doi:10.1890/07-0043.1
    """
    about = ("overdispersion", "Do counts vary more than the model says?")
    models = [fit for fit in seen.fits if fit.kind in ("poisson", "glm-poisson")]
    if not models:
        return not_applicable(*about, "no Poisson model")
    fail = []
    for fit in models:
        means = np.asarray(fit.raw.predict(), float)
        chi2, free = float((((fit.y - means) ** 2) / means).sum()), len(fit.y) - fit.x.shape[1] - 1
        if free > 0 and chi2 / free > 1.5 and stats.chi2.sf(chi2, free) < 0.001 and not fit.robust:
            fail.append(f"line {fit.line}: dispersion {chi2 / free:.2f}, and the errors are those of a Poisson model")
    return judged(*about, fail=fail, looked_at=f"{len(models)} Poisson models")
