"""Maternal smoking and birth weight: linear regression after the missing value codes were set aside (statsmodels)."""

import json
import os
from pathlib import Path

import pandas as pd
import statsmodels.formula.api as smf

DATA = Path(os.environ["COUNTERPROOF_DATA"])
OUT = Path(os.environ["COUNTERPROOF_OUT"])
LEVEL = 0.95
MISSING = {"gestation": 999, "age": 99, "height": 99, "weight": 999, "smoke": 9}

raw = pd.read_csv(DATA / "babies_coded.csv", usecols=["bwt", "gestation", "parity", "age", "height", "weight", "smoke"])
coded = raw.copy()
for name, code in MISSING.items():
    coded[name] = coded[name].mask(coded[name] == code)
used = coded.dropna()
if not set(used["smoke"]) <= {0, 1}:
    raise ValueError("smoke must be 0 or 1, or 9 for missing")
fit = smf.ols("bwt ~ gestation + parity + age + height + weight + smoke", used).fit()
n = int(fit.nobs)


def result(name, label, value, unit, method, **more):
    found = {"id": name, "label": label, "value": float(value), "unit": unit, "n": n}
    return {**found, "method": method, "population": "births with all variables known", **more}


def slope(name, label, term, unit):
    low, high = fit.conf_int(1 - LEVEL).loc[term]
    tested = {"ci_low": float(low), "ci_high": float(high), "ci_level": LEVEL, "p_value": float(fit.pvalues[term])}
    return result(name, label, fit.params[term], unit, "linear regression", **tested)


results = [
    result("births", "Births analysed", n, "count", "count"),
    slope("effect_smoking", "Birth weight, smokers minus non-smokers, adjusted", "smoke", "oz"),
    result("se_smoking", "Standard error of the effect of smoking", fit.bse["smoke"], "oz", "linear regression"),
    slope("effect_gestation", "Birth weight for a day of gestation", "gestation", "oz per day"),
    slope("effect_height", "Birth weight for an inch of height", "height", "oz per inch"),
    result("intercept", "Intercept", fit.params["Intercept"], "oz", "linear regression"),
]
flow = {"schema": "counterproof/flow/1", "assessed": len(raw), "analysed": n}
flow["excluded"] = [{"reason": "a variable is coded as missing", "n": len(raw) - n}]
(OUT / "results.json").write_text(json.dumps({"schema": "counterproof/results/1", "results": results}))
(OUT / "flow.json").write_text(json.dumps(flow))
