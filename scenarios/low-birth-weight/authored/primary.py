"""Smoking and low birth weight: crude and adjusted odds ratios by logistic regression (statsmodels)."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf

DATA = Path(os.environ["COUNTERPROOF_DATA"])
OUT = Path(os.environ["COUNTERPROOF_OUT"])
LEVEL = 0.95
USED = ["low", "smoke", "race", "age", "lwt", "ptl", "ht", "ui"]

raw = pd.read_csv(DATA / "lbw.csv")
missing = [name for name in USED if name not in raw]
if missing:
    raise ValueError(f"columns are missing: {missing}")
births = raw.dropna(subset=USED)
for name in ("low", "smoke", "ht", "ui"):
    if not set(births[name]) <= {0, 1}:
        raise ValueError(f"{name} must be 0 or 1")
if not set(births["race"]) <= {1, 2, 3}:
    raise ValueError("race must be 1, 2 or 3")

crude = smf.logit("low ~ smoke", births).fit(disp=0)
adjusted = smf.logit("low ~ smoke + age + lwt + C(race) + ptl + ht + ui", births).fit(disp=0)
if not (crude.mle_retvals["converged"] and adjusted.mle_retvals["converged"]):
    raise ValueError("a logistic regression did not converge")
smokers, others = births[births["smoke"] == 1], births[births["smoke"] == 0]


def result(name, label, value, unit, method, n=None, population="births with all variables", **more):
    found = {"id": name, "label": label, "value": float(value), "unit": unit, "n": int(n or len(births))}
    return {**found, "method": method, "population": population, **more}


def odds_ratio(name, label, model, term, method):
    low, high = np.exp(model.conf_int(1 - LEVEL).loc[term])
    interval = {"ci_low": float(low), "ci_high": float(high), "ci_level": LEVEL, "p_value": float(model.pvalues[term])}
    return result(name, label, np.exp(model.params[term]), "ratio", method, **interval)


ONE, ALL = "logistic regression on smoking", "logistic regression, adjusted"
results = [
    result("births", "Births analysed", len(births), "count", "count"),
    result("low_births", "Births below 2500 g", births["low"].sum(), "count", "count"),
    result("risk_smokers", "Risk, smokers", smokers["low"].mean(), "probability", "share", len(smokers), "smokers"),
    result(
        "risk_others", "Risk, non-smokers", others["low"].mean(), "probability", "share", len(others), "non-smokers"
    ),
    odds_ratio("or_smoking_crude", "Odds ratio, smokers against non-smokers, crude", crude, "smoke", ONE),
    odds_ratio("or_smoking_adjusted", "Odds ratio, smokers against non-smokers, adjusted", adjusted, "smoke", ALL),
    odds_ratio("or_race_black", "Odds ratio, black against white", adjusted, "C(race)[T.2]", ALL),
    odds_ratio("or_race_other", "Odds ratio, other race against white", adjusted, "C(race)[T.3]", ALL),
    odds_ratio("or_lwt", "Odds ratio for a pound of weight", adjusted, "lwt", ALL),
    odds_ratio("or_hypertension", "Odds ratio for hypertension", adjusted, "ht", ALL),
    result("log_likelihood", "Log likelihood of the adjusted model", adjusted.llf, "statistic", ALL),
]
flow = {"schema": "counterproof/flow/1", "assessed": len(raw), "analysed": len(births)}
flow["excluded"] = [{"reason": "a variable of the model is missing", "n": len(raw) - len(births)}]
(OUT / "results.json").write_text(json.dumps({"schema": "counterproof/results/1", "results": results}))
(OUT / "flow.json").write_text(json.dumps(flow))
