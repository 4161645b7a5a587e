"""Markers of poor outcome after subarachnoid haemorrhage: areas under the ROC curve and paired DeLong tests."""

import json
import os
from pathlib import Path

import pandas as pd
from scipy.stats import norm

DATA = Path(os.environ["COUNTERPROOF_DATA"])
OUT = Path(os.environ["COUNTERPROOF_OUT"])
LEVEL = 0.95
Z = norm.ppf(0.5 + LEVEL / 2)
MARKERS = ["s100b", "ndka", "wfns"]

raw = pd.read_csv(DATA / "asah.csv")
used = raw.dropna(subset=["outcome", *MARKERS])
if not set(used["outcome"]) <= {"Good", "Poor"}:
    raise ValueError("outcome must be Good or Poor")
poor = (used["outcome"] == "Poor").to_numpy()
if poor.sum() < 2 or (~poor).sum() < 2:
    raise ValueError("an outcome has fewer than two patients")


def components(marker):
    """Return the area and its DeLong components: one a patient with poor, one a patient with good outcome."""
    values = used[marker].to_numpy(float)
    above = values[poor][:, None] - values[~poor][None, :]
    wins = (above > 0) + 0.5 * (above == 0)
    return wins.mean(), wins.mean(axis=1), wins.mean(axis=0)


def variance(by_poor, by_good):
    return by_poor.var(ddof=1) / len(by_poor) + by_good.var(ddof=1) / len(by_good)


parts = {marker: components(marker) for marker in MARKERS}
n, everybody = len(used), "patients with outcome and all three markers"


def result(name, label, value, unit, method, **more):
    found = {"id": name, "label": label, "value": float(value), "unit": unit, "n": n}
    return {**found, "method": method, "population": everybody, **more}


def area(marker, label):
    value, by_poor, by_good = parts[marker]
    error = variance(by_poor, by_good) ** 0.5
    ends = {"ci_low": float(value - Z * error), "ci_high": float(value + Z * error), "ci_level": LEVEL}
    return result(
        f"auc_{marker}", f"Area under the curve, {label}", value, "probability", "empirical, DeLong interval", **ends
    )


def comparison(name, label, first, second):
    (one, one_poor, one_good), (two, two_poor, two_good) = parts[first], parts[second]
    error = variance(one_poor - two_poor, one_good - two_good) ** 0.5
    difference = one - two
    return result(
        name,
        label,
        difference,
        "difference of probabilities",
        "paired DeLong test, two-sided",
        ci_low=float(difference - Z * error),
        ci_high=float(difference + Z * error),
        ci_level=LEVEL,
        p_value=float(2 * norm.sf(abs(difference / error))),
    )


results = [
    result("patients", "Patients analysed", n, "count", "count"),
    result("poor_outcomes", "Patients with poor outcome", poor.sum(), "count", "count"),
    area("s100b", "S100B"),
    area("ndka", "NDKA"),
    area("wfns", "WFNS grade"),
    comparison("difference_wfns_s100b", "Difference of areas, WFNS grade minus S100B", "wfns", "s100b"),
    comparison("difference_s100b_ndka", "Difference of areas, S100B minus NDKA", "s100b", "ndka"),
]
flow = {"schema": "counterproof/flow/1", "assessed": len(raw), "analysed": n}
flow["excluded"] = [{"reason": "outcome or a marker missing", "n": len(raw) - n}]
(OUT / "results.json").write_text(json.dumps({"schema": "counterproof/results/1", "results": results}))
(OUT / "flow.json").write_text(json.dumps(flow))
