"""Smoking and death within twenty years, stratified by age: crude and Mantel-Haenszel odds ratios (statsmodels)."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats.contingency_tables import StratifiedTable, Table2x2

DATA = Path(os.environ["COUNTERPROOF_DATA"])
OUT = Path(os.environ["COUNTERPROOF_OUT"])
LEVEL = 0.95
BANDS_YEARS = [17, 24, 34, 44, 54, 64, 74, 120]

raw = pd.read_csv(DATA / "whickham.csv", usecols=["vital_status_20y", "smoker", "age_baseline"])
used = raw.dropna()
if not set(used["vital_status_20y"]) <= {"Alive", "Dead"} or not set(used["smoker"]) <= {"Yes", "No"}:
    raise ValueError("vital status must be Alive or Dead, and smoker Yes or No")
band = pd.cut(used["age_baseline"], BANDS_YEARS)
if band.isna().any():
    raise ValueError("an age is outside of 18 to 120 years")
smokes, dead = used["smoker"] == "Yes", used["vital_status_20y"] == "Dead"


def table(rows):
    """Return smokers and others by dead and alive."""
    return np.array([[(rows & s & d).sum() for d in (dead, ~dead)] for s in (smokes, ~smokes)], dtype=float)


whole = table(pd.Series(True, index=used.index))
strata = [found for level in band.cat.categories if (found := table(band == level)).sum() > 1]
crude, pooled = Table2x2(whole, shift_zeros=False), StratifiedTable(strata)
n = len(used)


def result(name, label, value, unit, method, count=n, population="women with age, smoking and vital status", **more):
    found = {"id": name, "label": label, "value": float(value), "unit": unit, "n": int(count)}
    return {**found, "method": method, "population": population, **more}


def ends(pair):
    return {"ci_low": float(pair[0]), "ci_high": float(pair[1]), "ci_level": LEVEL}


results = [
    result("women", "Women analysed", n, "count", "count"),
    result("deaths", "Deaths within twenty years", dead.sum(), "count", "count"),
    result(
        "risk_smokers",
        "Share of smokers who died",
        dead[smokes].mean(),
        "probability",
        "share",
        smokes.sum(),
        "smokers",
    ),
    result(
        "risk_others",
        "Share of non-smokers who died",
        dead[~smokes].mean(),
        "probability",
        "share",
        (~smokes).sum(),
        "non-smokers",
    ),
    result(
        "or_crude",
        "Odds ratio of death, smokers against non-smokers, not adjusted",
        crude.oddsratio,
        "ratio",
        "cross product, Wald interval",
        p_value=float(crude.oddsratio_pvalue()),
        **ends(crude.oddsratio_confint(1 - LEVEL)),
    ),
    result(
        "or_age_stratified",
        "Odds ratio of death, smokers against non-smokers, within age bands",
        pooled.oddsratio_pooled,
        "ratio",
        "Mantel-Haenszel over seven age bands, interval of Robins, Breslow and Greenland",
        p_value=float(pooled.test_null_odds(correction=False).pvalue),
        **ends(pooled.oddsratio_pooled_confint(1 - LEVEL)),
    ),
]
flow = {"schema": "counterproof/flow/1", "assessed": len(raw), "analysed": n}
flow["excluded"] = [{"reason": "age, smoking or vital status missing", "n": len(raw) - n}]
(OUT / "results.json").write_text(json.dumps({"schema": "counterproof/results/1", "results": results}))
(OUT / "flow.json").write_text(json.dumps(flow))
