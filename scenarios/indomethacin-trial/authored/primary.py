"""Indomethacin against placebo after ERCP: risks, difference, ratio, number needed to treat, Fisher's exact test."""

import json
import os
from pathlib import Path

import pandas as pd
from scipy.stats import fisher_exact
from statsmodels.stats.proportion import confint_proportions_2indep

DATA = Path(os.environ["COUNTERPROOF_DATA"])
OUT = Path(os.environ["COUNTERPROOF_OUT"])
LEVEL = 0.95

raw = pd.read_csv(DATA / "indo_rct.csv", usecols=["rx", "outcome"])
known = raw.dropna()
if not set(known["rx"]) <= {"0_placebo", "1_indomethacin"}:
    raise ValueError("rx must be 0_placebo or 1_indomethacin")
if not set(known["outcome"]) <= {"0_no", "1_yes"}:
    raise ValueError("outcome must be 0_no or 1_yes")
table = pd.crosstab(known["rx"], known["outcome"]).reindex(
    index=["1_indomethacin", "0_placebo"], columns=["1_yes", "0_no"], fill_value=0
)
(a, b), (c, d) = table.to_numpy().tolist()
n1, n0 = a + b, c + d
if min(n1, n0, a, c) == 0:
    raise ValueError("an arm is empty or has no event")
difference = a / n1 - c / n0
wald = confint_proportions_2indep(a, n1, c, n0, method="wald", compare="diff", alpha=1 - LEVEL)
ratio = confint_proportions_2indep(a, n1, c, n0, method="log", compare="ratio", alpha=1 - LEVEL)
p = float(fisher_exact([[a, b], [c, d]]).pvalue)
EVERYBODY = "all randomised patients, by the arm they were randomised to"


def result(name, label, value, unit, method, n=n1 + n0, population=EVERYBODY, **more):
    found = {"id": name, "label": label, "value": float(value), "unit": unit, "n": int(n)}
    return {**found, "method": method, "population": population, **more}


def ends(pair):
    return {"ci_low": float(pair[0]), "ci_high": float(pair[1]), "ci_level": LEVEL}


results = [
    result("patients", "Patients randomised", n1 + n0, "count", "count"),
    result("n_indomethacin", "Patients, indomethacin", n1, "count", "count", n1, "indomethacin"),
    result("n_placebo", "Patients, placebo", n0, "count", "count", n0, "placebo"),
    result("events_indomethacin", "Pancreatitis, indomethacin", a, "count", "count", n1, "indomethacin"),
    result("events_placebo", "Pancreatitis, placebo", c, "count", "count", n0, "placebo"),
    result("risk_indomethacin", "Risk, indomethacin", a / n1, "probability", "share", n1, "indomethacin"),
    result("risk_placebo", "Risk, placebo", c / n0, "probability", "share", n0, "placebo"),
    result(
        "risk_difference",
        "Risk difference, indomethacin minus placebo",
        difference,
        "difference of probabilities",
        "Wald interval; Fisher's exact test, two-sided",
        p_value=p,
        **ends(wald),
    ),
    result(
        "risk_ratio",
        "Risk ratio, indomethacin against placebo",
        (a / n1) / (c / n0),
        "ratio",
        "log interval",
        **ends(ratio),
    ),
    result("nnt", "Number needed to treat", -1 / difference, "patients", "inverse of the risk difference"),
]
flow = {"schema": "counterproof/flow/1", "assessed": len(raw), "analysed": len(known)}
flow["excluded"] = [{"reason": "arm or outcome missing", "n": len(raw) - len(known)}]
(OUT / "results.json").write_text(json.dumps({"schema": "counterproof/results/1", "results": results}))
(OUT / "flow.json").write_text(json.dumps(flow))
