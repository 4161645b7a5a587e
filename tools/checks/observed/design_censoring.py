"""Check: hints that censoring depends on the prognosis."""

from __future__ import annotations

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable


def check_informative_censoring(seen: Seen) -> Finding:
    """Does being censored go with the predictors of the model?

    For each Cox model with at least 20 censored rows a second one is fitted in which being censored is the event,
    leaving out those who are still followed at the last 10 % of the time scale. Warns where its likelihood-ratio test
    is below 0.001: the model's assumption of independent censoring is then doubtful. It is a hint, so it never fails.

    Not a test of the assumption, which data can't show.

    References
    ----------
    Leung KM, Elashoff RM, Afifi AA. Censoring issues in survival analysis. Annu Rev Public Health 1997;18:83.
    doi:10.1146/annurev.publhealth.18.1.83
    """
    about = ("informative_censoring", "Does censoring go with the predictors?")
    warn, models = [], 0
    for fit in seen.fits:
        if fit.kind not in ("cox", "phreg") or fit.time is None or fit.entry or not fit.x.shape[1]:
            continue
        late = fit.time > np.quantile(fit.time, 0.9)
        censored = (fit.y == 0) & ~late
        if censored.sum() < 20 or fit.rows > 20_000:
            continue
        models += 1
        table = pd.DataFrame(fit.x, columns=[f"x{at}" for at in range(fit.x.shape[1])])
        table = table.loc[:, table.std() > 0].assign(time=fit.time, out=censored.astype(int))
        try:
            p = CoxPHFitter(penalizer=1e-4).fit(table, "time", "out").log_likelihood_ratio_test().p_value
        except (ValueError, ArithmeticError, RuntimeError, np.linalg.LinAlgError):
            continue
        if p < 0.001:
            warn.append(f"line {fit.line}: leaving early goes with {', '.join(fit.names[:6])} (p = {p:.2g})")
    if not models:
        return not_applicable(*about, "no Cox model with 20 early censored rows")
    return judged(*about, warn=warn, looked_at=f"{models} Cox models")
