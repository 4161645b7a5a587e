"""Check: hazards are proportional."""

from __future__ import annotations

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.statistics import proportional_hazard_test

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable

_HANDLED = (
    "proportional_hazard_test",
    "check_assumptions",
    "cox.zph",
    "CoxTimeVaryingFitter",
    "restricted_mean_survival_time",
    "tt",
    "survSplit",
    "coxphw",
)


def check_proportional_hazards(seen: Seen) -> Finding:
    """Are the hazards of each Cox model proportional?

    Scaled Schoenfeld residuals are tested against ranked time for each predictor. Fails where the smallest p, times
    the number of predictors, is below 0.01 and the program never looks at the assumption; warns where it does.

    Not for fewer than 20 events, where the test has no power, nor as a proof of proportionality.

    References
    ----------
    Grambsch PM, Therneau TM. Proportional hazards tests and diagnostics based on weighted residuals. Biometrika
    1994;81:515. doi:10.1093/biomet/81.3.515
    """
    about = ("proportional_hazards", "Are hazards proportional?")
    fail, warn, looked = [], [], 0
    for fit in seen.fits:
        if fit.kind not in ("cox", "phreg") or fit.time is None or fit.entry or fit.y.sum() < 20 or fit.rows > 20_000:
            continue
        worst = smallest_p(fit.x, fit.names, fit.time, fit.y)
        if worst is None:
            continue
        looked += 1
        name, p = worst
        if p < 0.01:
            line = f"line {fit.line}: the hazard ratio of {name} changes over time (p = {p:.2g})"
            (warn if seen.called(*_HANDLED) else fail).append(line)
    if not looked:
        return not_applicable(*about, "no Cox model with 20 events")
    return judged(*about, fail=fail, warn=warn, looked_at=f"{looked} Cox models")


def smallest_p(x: np.ndarray, names: list[str], time: np.ndarray, event: np.ndarray) -> tuple[str, float] | None:
    """Return the predictor with the smallest p, and that p times the number of predictors; None where nothing fits."""
    table = pd.DataFrame(x, columns=[f"x{at}" for at in range(x.shape[1])])
    table = table.loc[:, table.std() > 0]
    if not table.shape[1]:
        return None
    whole = table.assign(time=time, event=event)
    try:
        model = CoxPHFitter().fit(whole, "time", "event")
        p = proportional_hazard_test(model, whole, time_transform="rank").summary["p"]
    except (ValueError, ArithmeticError, RuntimeError, np.linalg.LinAlgError):
        return None
    least = str(p.idxmin() if not isinstance(p.idxmin(), tuple) else p.idxmin()[0])
    return names[int(least[1:])], float(min(1.0, p.min() * table.shape[1]))
