"""Survival by sex in advanced lung cancer: Kaplan-Meier, log-rank, Cox (lifelines)."""

import json
import os
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import logrank_test, proportional_hazard_test

DATA = Path(os.environ["COUNTERPROOF_DATA"])
OUT = Path(os.environ["COUNTERPROOF_OUT"])
LEVEL = 0.95
YEAR_DAYS = 365


def load():
    raw = pd.read_csv(DATA / "lung.csv")
    for column in ("time", "status", "sex"):
        if column not in raw:
            raise ValueError(f"column {column} is missing")
    complete = raw.dropna(subset=["time", "status", "sex"])
    if not set(complete["status"]) <= {1, 2}:
        raise ValueError("status must be 1 (censored) or 2 (dead)")
    if not set(complete["sex"]) <= {1, 2}:
        raise ValueError("sex must be 1 (male) or 2 (female)")
    if (complete["time"] <= 0).any():
        raise ValueError("times must be positive")
    data = pd.DataFrame(
        {
            "days": complete["time"].astype(float),
            "dead": (complete["status"] == 2).astype(int),
            "woman": (complete["sex"] == 2).astype(int),
        }
    )
    return raw, data


def main():
    raw, data = load()
    women, men = data[data["woman"] == 1], data[data["woman"] == 0]
    km = {
        name: KaplanMeierFitter(alpha=1 - LEVEL).fit(part["days"], part["dead"], label=name)
        for name, part in (("women", women), ("men", men), ("everybody", data))
    }
    logrank = logrank_test(women["days"], men["days"], women["dead"], men["dead"])
    cox = CoxPHFitter(alpha=1 - LEVEL).fit(data[["days", "dead", "woman"]], "days", "dead")
    row = cox.summary.loc["woman"]
    hazards = proportional_hazard_test(cox, data[["days", "dead", "woman"]], time_transform="rank")
    at_year = km["everybody"].confidence_interval_survival_function_
    year_low, year_high = (float(at_year.iloc[:, side][at_year.index <= YEAR_DAYS].iloc[-1]) for side in (0, 1))
    n, everybody = len(data), "all patients with time, status and sex"

    def result(name, label, value, unit, method, count=n, population=everybody, **more):
        return {
            "id": name,
            "label": label,
            "value": float(value),
            "unit": unit,
            "n": int(count),
            "method": method,
            "population": population,
            **more,
        }

    results = [
        result("patients", "Patients analysed", n, "count", "count"),
        result("deaths", "Deaths", data["dead"].sum(), "count", "count"),
        result(
            "hr_women_vs_men",
            "Hazard ratio of death, women against men",
            row["exp(coef)"],
            "ratio",
            "Cox proportional hazards, Efron ties, Wald interval and test",
            ci_low=float(row["exp(coef) lower 95%"]),
            ci_high=float(row["exp(coef) upper 95%"]),
            ci_level=LEVEL,
            p_value=float(row["p"]),
        ),
        result(
            "logrank_chi2",
            "Log-rank statistic, women against men",
            logrank.test_statistic,
            "statistic",
            "log-rank test, 1 degree of freedom, two-sided",
            p_value=float(logrank.p_value),
        ),
        result(
            "median_women",
            "Median survival, women",
            km["women"].median_survival_time_,
            "days",
            "Kaplan-Meier",
            len(women),
            "women",
        ),
        result(
            "median_men",
            "Median survival, men",
            km["men"].median_survival_time_,
            "days",
            "Kaplan-Meier",
            len(men),
            "men",
        ),
        result(
            "median_all", "Median survival, everybody", km["everybody"].median_survival_time_, "days", "Kaplan-Meier"
        ),
        result(
            "survival_one_year",
            "Probability of being alive after one year, everybody",
            km["everybody"].predict(YEAR_DAYS),
            "probability",
            "Kaplan-Meier, log(-log) interval",
            ci_low=year_low,
            ci_high=year_high,
            ci_level=LEVEL,
        ),
        result(
            "ph_chi2",
            "Test of proportional hazards for sex",
            float(hazards.summary["test_statistic"].iloc[0]),
            "statistic",
            "scaled Schoenfeld residuals against ranked time, 1 degree of freedom",
            data["dead"].sum(),
            "deaths",
            p_value=float(hazards.summary["p"].iloc[0]),
        ),
    ]
    write(raw, data, results, km)


def write(raw, data, results, km):
    (OUT / "tables").mkdir()
    (OUT / "figures").mkdir()
    flow = {
        "schema": "counterproof/flow/1",
        "assessed": len(raw),
        "excluded": [{"reason": "time, status or sex missing", "n": len(raw) - len(data)}],
        "analysed": len(data),
    }
    (OUT / "flow.json").write_text(json.dumps(flow))
    (OUT / "results.json").write_text(json.dumps({"schema": "counterproof/results/1", "results": results}))
    groups = [("women", data[data["woman"] == 1]), ("men", data[data["woman"] == 0]), ("everybody", data)]
    table = pd.DataFrame(
        [
            {
                "group": name,
                "patients": len(part),
                "deaths": int(part["dead"].sum()),
                "median_days": km[name].median_survival_time_,
            }
            for name, part in groups
        ]
    )
    table.to_csv(OUT / "tables" / "survival_by_sex.csv", index=False)
    figure, axes = plt.subplots(figsize=(5, 3.5))
    for name in ("women", "men"):
        axes.step(km[name].survival_function_.index, km[name].survival_function_[name], where="post", label=name)
    axes.set_xlabel("days since study entry")
    axes.set_ylabel("probability of being alive")
    axes.set_ylim(0, 1)
    axes.legend()
    figure.tight_layout()
    figure.savefig(OUT / "figures" / "survival_by_sex.png", dpi=100, metadata={"Software": None})


main()
