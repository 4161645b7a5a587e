"""Reaction time under sleep restriction: linear mixed model with random intercept and slope (statsmodels)."""

import json
import os
import warnings
from pathlib import Path

import pandas as pd
import statsmodels.formula.api as smf
from scipy.stats import norm

DATA = Path(os.environ["COUNTERPROOF_DATA"])
OUT = Path(os.environ["COUNTERPROOF_OUT"])
LEVEL = 0.95
Z = norm.ppf(0.5 + LEVEL / 2)

raw = pd.read_csv(DATA / "sleepstudy.csv")
used = raw.dropna(subset=["Reaction", "Days", "Subject"])
if (used["Reaction"] <= 0).any() or not used["Days"].between(0, 9).all():
    raise ValueError("reaction times must be positive and days within 0 and 9")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model = smf.mixedlm("Reaction ~ Days", used, groups=used["Subject"], re_formula="~Days")
    fit = model.fit(reml=True, method=["lbfgs", "bfgs", "powell"])
for text in sorted({str(warning.message) for warning in caught}):
    print("warning:", text)
subjects, n = int(used["Subject"].nunique()), len(used)


def result(name, label, value, unit, method, population="all subjects, all measurements", **more):
    found = {"id": name, "label": label, "value": float(value), "unit": unit, "n": subjects}
    return {**found, "method": method, "population": population, **more}


def wald(term):
    value, error = float(fit.fe_params[term]), float(fit.bse_fe[term])
    return {
        "ci_low": value - Z * error,
        "ci_high": value + Z * error,
        "ci_level": LEVEL,
        "p_value": float(2 * norm.sf(abs(value / error))),
    }


MIXED = "linear mixed model, random intercept and slope per subject, restricted maximum likelihood"
results = [
    result("subjects", "Subjects", subjects, "count", "count"),
    result("measurements", "Measurements", n, "count", "count"),
    result("intercept", "Reaction time on day 0", fit.fe_params["Intercept"], "ms", MIXED, **wald("Intercept")),
    result("slope", "Change of reaction time per day", fit.fe_params["Days"], "ms per day", MIXED, **wald("Days")),
    result("slope_se", "Standard error of the change per day", fit.bse_fe["Days"], "ms per day", MIXED),
    result(
        "sd_intercept",
        "Standard deviation of the intercept between subjects",
        fit.cov_re.iloc[0, 0] ** 0.5,
        "ms",
        MIXED,
    ),
    result(
        "sd_slope",
        "Standard deviation of the slope between subjects",
        fit.cov_re.iloc[1, 1] ** 0.5,
        "ms per day",
        MIXED,
    ),
    result("sd_residual", "Residual standard deviation", fit.scale**0.5, "ms", MIXED),
]
flow = {"schema": "counterproof/flow/1", "assessed": subjects, "excluded": [], "analysed": subjects}
(OUT / "results.json").write_text(json.dumps({"schema": "counterproof/results/1", "results": results}))
(OUT / "flow.json").write_text(json.dumps(flow))
