"""Quitting smoking and weight: inverse probability weights from a logistic model, robust interval."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf

DATA = Path(os.environ["COUNTERPROOF_DATA"])
OUT = Path(os.environ["COUNTERPROOF_OUT"])
LEVEL = 0.95
GROUPS, AMOUNTS = ["sex", "race", "education", "exercise", "active"], ["age", "smokeintensity", "smokeyrs", "wt71"]

raw = pd.read_csv(DATA / "nhefs_complete.csv", usecols=["qsmk", "wt82_71", *GROUPS, *AMOUNTS])
used = raw.dropna().reset_index(drop=True)
used["qsmk"] = pd.to_numeric(used["qsmk"]).astype(int)
if not set(used["qsmk"]) <= {0, 1}:
    raise ValueError("qsmk must be 0 or 1")
terms = [f"C({name})" for name in GROUPS] + [f"{name} + I({name}**2)" for name in AMOUNTS]
propensity = smf.logit("qsmk ~ " + " + ".join(terms), used).fit(disp=0, maxiter=100)
if not propensity.mle_retvals["converged"]:
    raise ValueError("the model of quitting did not converge")
quit_, share = used["qsmk"].to_numpy(), used["qsmk"].mean()
chance = propensity.predict(used).to_numpy()
weight = np.where(quit_ == 1, 1 / chance, 1 / (1 - chance))
stabilised = weight * np.where(quit_ == 1, share, 1 - share)

crude = smf.ols("wt82_71 ~ qsmk", used).fit()
weighted = sm.GEE(
    used["wt82_71"],
    sm.add_constant(used[["qsmk"]]),
    groups=np.arange(len(used)),
    weights=stabilised,
    cov_struct=sm.cov_struct.Independence(),
).fit()
n = len(used)


def result(name, label, value, unit, method, **more):
    found = {"id": name, "label": label, "value": float(value), "unit": unit, "n": n}
    return {**found, "method": method, "population": "smokers of 1971 with all variables", **more}


def tested(fit):
    low, high = fit.conf_int(1 - LEVEL).loc["qsmk"]
    return {"ci_low": float(low), "ci_high": float(high), "ci_level": LEVEL, "p_value": float(fit.pvalues["qsmk"])}


IPW = "inverse probability weights, robust standard error"
results = [
    result("participants", "Participants analysed", n, "count", "count"),
    result("quitters", "Participants who quit", quit_.sum(), "count", "count"),
    result(
        "difference_crude",
        "Difference of weight change, quit minus not, unadjusted",
        crude.params["qsmk"],
        "kg",
        "difference of means",
        **tested(crude),
    ),
    result(
        "effect_weighted",
        "Average effect of quitting on weight change",
        weighted.params["qsmk"],
        "kg",
        IPW,
        **tested(weighted),
    ),
    result("weight_min", "Smallest weight", weight.min(), "statistic", "inverse probability weights"),
    result("weight_max", "Largest weight", weight.max(), "statistic", "inverse probability weights"),
    result("stabilised_mean", "Mean of the stabilised weights", stabilised.mean(), "statistic", "stabilised weights"),
]
flow = {"schema": "counterproof/flow/1", "assessed": len(raw), "analysed": n}
flow["excluded"] = [{"reason": "a variable of the model is missing", "n": len(raw) - n}]
(OUT / "results.json").write_text(json.dumps({"schema": "counterproof/results/1", "results": results}))
(OUT / "flow.json").write_text(json.dumps(flow))
