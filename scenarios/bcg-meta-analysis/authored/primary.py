"""BCG against tuberculosis: random effects by restricted maximum likelihood, heterogeneity, and latitude."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, norm

DATA = Path(os.environ["COUNTERPROOF_DATA"])
OUT = Path(os.environ["COUNTERPROOF_OUT"])
LEVEL = 0.95
Z = norm.ppf(0.5 + LEVEL / 2)
CELLS = ["tpos", "tneg", "cpos", "cneg"]

raw = pd.read_csv(DATA / "bcg.csv")
trials = raw.dropna(subset=[*CELLS, "ablat"])
if (trials[CELLS] <= 0).any().any():
    raise ValueError("a trial has an empty cell; the log risk ratio needs all four cells")
vaccinated, controls = trials["tpos"] + trials["tneg"], trials["cpos"] + trials["cneg"]
y = np.log((trials["tpos"] / vaccinated) / (trials["cpos"] / controls)).to_numpy()
v = (1 / trials["tpos"] - 1 / vaccinated + 1 / trials["cpos"] - 1 / controls).to_numpy()
k = len(trials)


def fit(design):
    """Return tau2, coefficients and their standard errors at the restricted maximum likelihood."""

    def pieces(tau2):
        weight = 1 / (v + tau2)
        information = design.T @ (weight[:, None] * design)
        beta = np.linalg.solve(information, design.T @ (weight * y))
        return weight, information, beta

    def loss(tau2):
        weight, information, beta = pieces(tau2)
        squares = (weight * (y - design @ beta) ** 2).sum()
        return 0.5 * (np.log(v + tau2).sum() + np.linalg.slogdet(information)[1] + squares)

    tau2 = minimize_scalar(
        loss, bounds=(0, 1 + 10 * y.var()), method="bounded", options={"xatol": 1e-11, "maxiter": 1000}
    ).x
    _, information, beta = pieces(tau2)
    return float(tau2), beta, np.sqrt(np.diag(np.linalg.inv(information)))


tau2, (mean,), (error,) = fit(np.ones((k, 1)))
_, (_, slope), (_, slope_error) = fit(np.column_stack([np.ones(k), trials["ablat"].to_numpy(float)]))
weight = 1 / v
fixed = (weight * y).sum() / weight.sum()
q = float((weight * (y - fixed) ** 2).sum())
typical = (k - 1) * weight.sum() / (weight.sum() ** 2 - (weight**2).sum())
spread = np.sqrt(tau2 + error**2)


def result(name, label, value, unit, method, **more):
    found = {"id": name, "label": label, "value": float(value), "unit": unit, "n": k}
    return {**found, "method": method, "population": "trials with four cells and latitude", **more}


REML = "random effects, restricted maximum likelihood"
results = [
    result("trials", "Trials pooled", k, "count", "count"),
    result(
        "rr_pooled",
        "Risk ratio of tuberculosis, vaccinated against controls",
        np.exp(mean),
        "ratio",
        REML,
        ci_low=float(np.exp(mean - Z * error)),
        ci_high=float(np.exp(mean + Z * error)),
        ci_level=LEVEL,
        p_value=float(2 * norm.sf(abs(mean / error))),
    ),
    result("tau2", "Variance between trials (log risk ratio)", tau2, "statistic", REML),
    result("i2", "Share of variance between trials", tau2 / (tau2 + typical), "probability", REML),
    result("q", "Cochran's Q", q, "statistic", "inverse variance weights", p_value=float(chi2.sf(q, k - 1))),
    result("prediction_low", "Lower end of the prediction interval", np.exp(mean - Z * spread), "ratio", REML),
    result("prediction_high", "Upper end of the prediction interval", np.exp(mean + Z * spread), "ratio", REML),
    result(
        "slope_latitude",
        "Change of the log risk ratio per degree of latitude",
        slope,
        "per degree",
        "meta-regression, restricted maximum likelihood",
        ci_low=float(slope - Z * slope_error),
        ci_high=float(slope + Z * slope_error),
        ci_level=LEVEL,
        p_value=float(2 * norm.sf(abs(slope / slope_error))),
    ),
]
flow = {"schema": "counterproof/flow/1", "assessed": len(raw), "analysed": k}
flow["excluded"] = [{"reason": "a cell or the latitude is missing", "n": len(raw) - k}]
(OUT / "results.json").write_text(json.dumps({"schema": "counterproof/results/1", "results": results}))
(OUT / "flow.json").write_text(json.dumps(flow))
