"""Heart transplantation and death: transplantation as a time-dependent exposure in a Cox model (lifelines)."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from lifelines import CoxTimeVaryingFitter

DATA = Path(os.environ["COUNTERPROOF_DATA"])
OUT = Path(os.environ["COUNTERPROOF_OUT"])
LEVEL = 0.95
SHORTEST_DAYS, STEP_DAYS = 0.5, 0.25

raw = pd.read_csv(
    DATA / "heart_transplant.csv", usecols=["futime", "fustat", "transplant", "wait.time", "age", "surgery"]
)
known = raw.dropna(subset=["futime", "fustat", "transplant", "age", "surgery"])
known = known[~((known["transplant"] == 1) & known["wait.time"].isna())].reset_index(drop=True)
for name in ("fustat", "transplant", "surgery"):
    if not set(known[name]) <= {0, 1}:
        raise ValueError(f"{name} must be 0 or 1")
if (known["futime"] < 0).any():
    raise ValueError("a time of follow-up is negative")

end = np.maximum(known["futime"].to_numpy(float), SHORTEST_DAYS)
received = known["transplant"].to_numpy() == 1
at = np.clip(known["wait.time"].fillna(0).to_numpy(float), STEP_DAYS, end - STEP_DAYS)
shared = {"age": known["age"].to_numpy(float), "surgery": known["surgery"].to_numpy(float)}
dead = known["fustat"].to_numpy(int)
person = np.arange(len(known))
before = pd.DataFrame({"person": person, "start": 0.0, "stop": np.where(received, at, end), "on": 0.0, **shared})
before["dead"] = np.where(received, 0, dead)
after = pd.DataFrame({"person": person, "start": at, "stop": end, "on": 1.0, **shared, "dead": dead})[received]
spells = pd.concat([before, after], ignore_index=True)


def fit(columns):
    model = CoxTimeVaryingFitter(alpha=1 - LEVEL)
    used = spells[["person", "start", "stop", "dead", *columns]]
    return model.fit(used, id_col="person", start_col="start", stop_col="stop", event_col="dead").summary.loc["on"]


n = len(known)


def result(name, label, value, unit, method, **more):
    found = {"id": name, "label": label, "value": float(value), "unit": unit, "n": n}
    return {**found, "method": method, "population": "patients accepted for transplantation", **more}


def hazard_ratio(name, label, row, method):
    ends = {"ci_low": float(row["exp(coef) lower 95%"]), "ci_high": float(row["exp(coef) upper 95%"])}
    return result(name, label, row["exp(coef)"], "ratio", method, ci_level=LEVEL, p_value=float(row["p"]), **ends)


TIMED = "Cox model, transplantation as time-dependent exposure, Efron ties"
results = [
    result("patients", "Patients accepted", n, "count", "count"),
    result("transplanted", "Patients who received a heart", received.sum(), "count", "count"),
    result("deaths", "Deaths", dead.sum(), "count", "count"),
    hazard_ratio("hr_transplant", "Hazard ratio of death, after against before transplantation", fit(["on"]), TIMED),
    hazard_ratio(
        "hr_transplant_adjusted",
        "Hazard ratio, after against before transplantation, adjusted",
        fit(["on", "age", "surgery"]),
        TIMED + ", adjusted for age and earlier surgery",
    ),
]
flow = {"schema": "counterproof/flow/1", "assessed": len(raw), "analysed": n}
flow["excluded"] = [{"reason": "a variable is missing, or a transplantation without its time", "n": len(raw) - n}]
(OUT / "results.json").write_text(json.dumps({"schema": "counterproof/results/1", "results": results}))
(OUT / "flow.json").write_text(json.dumps(flow))
