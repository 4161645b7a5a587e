"""Survival by sex in advanced lung cancer, independently: statsmodels and numpy."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

DATA = Path(os.environ["COUNTERPROOF_DATA"])
OUT = Path(os.environ["COUNTERPROOF_OUT"])
LEVEL = 0.95
Z = norm.ppf(0.5 + LEVEL / 2)


def proportional_hazards(time, dead, x, beta):
    """Score test of a trend of the scaled Schoenfeld residuals over the ranks of the death times."""
    order = np.argsort(time, kind="stable")
    time, dead, x = time[order], dead[order], x[order]
    weight = np.exp(beta * x)
    residuals, information = [], 0.0
    for moment in np.unique(time[dead == 1]):
        at_risk = time >= moment
        dying = (time == moment) & (dead == 1)
        total, first = weight[at_risk].sum(), (weight * x)[at_risk].sum()
        second = (weight * x * x)[at_risk].sum()
        dying_total, dying_first = weight[dying].sum(), (weight * x)[dying].sum()
        dying_second = (weight * x * x)[dying].sum()
        count = int(dying.sum())
        means = []
        for step in range(count):
            share = step / count
            below = total - share * dying_total
            mean = (first - share * dying_first) / below
            means.append(mean)
            information += (second - share * dying_second) / below - mean**2
        residuals += list(x[dying] - np.mean(means))
    residuals = np.array(residuals)
    ranks = np.arange(1, len(residuals) + 1, dtype=float)
    centred = ranks - ranks.mean()
    deaths = len(residuals)
    scaled = deaths * residuals / information
    return (centred @ scaled) ** 2 / (deaths / information * (centred @ centred))


raw = pd.read_csv(DATA / "lung.csv", usecols=["time", "status", "sex"])
used = raw.dropna()
if not (used["status"].isin([1, 2]).all() and used["sex"].isin([1, 2]).all() and (used["time"] > 0).all()):
    raise ValueError("status and sex must be 1 or 2, and times positive")
time = used["time"].to_numpy(float)
dead = (used["status"] == 2).to_numpy(int)
woman = (used["sex"] == 2).to_numpy(float)

cox = PHReg(time, woman[:, None], status=dead, ties="efron").fit()
beta, error = float(cox.params[0]), float(cox.bse[0])
statistic, p_logrank = survdiff(time, dead, woman)
everybody = SurvfuncRight(time, dead)
median = {group: SurvfuncRight(time[woman == group], dead[woman == group]).quantile(0.5) for group in (0, 1)}
last = np.searchsorted(everybody.surv_times, 365, side="right") - 1
alive, alive_error = everybody.surv_prob[last], everybody.surv_prob_se[last]
spread = Z * alive_error / (alive * abs(np.log(alive)))
year = sorted(alive ** np.exp(sign * spread) for sign in (-1, 1))
hazards = proportional_hazards(time, dead, woman, beta)

n, all_patients = len(used), "all patients with time, status and sex"
rows = [
    ("patients", "Patients analysed", n, "count", "count", n, all_patients, {}),
    ("deaths", "Deaths", dead.sum(), "count", "count", n, all_patients, {}),
    (
        "hr_women_vs_men",
        "Hazard ratio of death, women against men",
        np.exp(beta),
        "ratio",
        "Cox proportional hazards, Efron ties, Wald interval and test",
        n,
        all_patients,
        {
            "ci_low": np.exp(beta - Z * error),
            "ci_high": np.exp(beta + Z * error),
            "ci_level": LEVEL,
            "p_value": 2 * norm.sf(abs(beta / error)),
        },
    ),
    (
        "logrank_chi2",
        "Log-rank statistic, women against men",
        statistic,
        "statistic",
        "log-rank test, 1 degree of freedom, two-sided",
        n,
        all_patients,
        {"p_value": p_logrank},
    ),
    ("median_women", "Median survival, women", median[1], "days", "Kaplan-Meier", int(woman.sum()), "women", {}),
    ("median_men", "Median survival, men", median[0], "days", "Kaplan-Meier", int(n - woman.sum()), "men", {}),
    ("median_all", "Median survival, everybody", everybody.quantile(0.5), "days", "Kaplan-Meier", n, all_patients, {}),
    (
        "survival_one_year",
        "Probability of being alive after one year, everybody",
        alive,
        "probability",
        "Kaplan-Meier, log(-log) interval",
        n,
        all_patients,
        {"ci_low": year[0], "ci_high": year[1], "ci_level": LEVEL},
    ),
    (
        "ph_chi2",
        "Test of proportional hazards for sex",
        hazards,
        "statistic",
        "scaled Schoenfeld residuals against ranked time, 1 degree of freedom",
        int(dead.sum()),
        "deaths",
        {"p_value": chi2.sf(hazards, 1)},
    ),
]
results = [
    {
        "id": name,
        "label": label,
        "value": float(value),
        "unit": unit,
        "method": method,
        "n": int(count),
        "population": population,
        **{key: float(number) for key, number in more.items()},
    }
    for name, label, value, unit, method, count, population, more in rows
]
flow = {
    "schema": "counterproof/flow/1",
    "assessed": len(raw),
    "excluded": [{"reason": "time, status or sex missing", "n": len(raw) - n}],
    "analysed": n,
}
(OUT / "results.json").write_text(json.dumps({"schema": "counterproof/results/1", "results": results}))
(OUT / "flow.json").write_text(json.dumps(flow))
