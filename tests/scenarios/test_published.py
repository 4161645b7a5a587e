"""Tasks with published answers, each through a whole study: programs in Python and in R that agree on every number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from counterproof.agents.study import open_study
from counterproof.provenance.store import Status
from counterproof.provenance.verify import verify_bundle
from counterproof.scenarios.catalogue import load_scenario, scenario_names
from counterproof.scenarios.replayer import run_scenario, start_scenario

from ..lab import Lab
from ..r import r_or_skip

TASKS = Path(__file__).parents[3] / "shared" / "tasks" / "tasks.yaml"
PUBLISHED = [name for name in scenario_names() if name != "lung-survival"]

ANSWERS = {
    "dev-01-lung-survival": (
        "lung-survival",
        {
            "n": "patients",
            "events": "deaths",
            "logrank_chi2": "logrank_chi2",
            "logrank_p": "logrank_chi2.p_value",
            "hr_female_vs_male": "hr_women_vs_men",
            "hr_lo": "hr_women_vs_men.ci_low",
            "hr_hi": "hr_women_vs_men.ci_high",
            "median_male": "median_men",
            "median_female": "median_women",
            "median_all": "median_all",
            "surv_1y": "survival_one_year",
        },
    ),
    "dev-02-low-birth-weight": (
        "low-birth-weight",
        {
            "crude_or": "or_smoking_crude",
            "adj_or_smoke": "or_smoking_adjusted",
            "or_race_black": "or_race_black",
            "or_lwt": "or_lwt",
            "or_ht": "or_hypertension",
            "loglik": "log_likelihood",
            "p_smoke": "or_smoking_adjusted.p_value",
            "rate_smokers": "risk_smokers",
            "rate_nonsmokers": "risk_others",
        },
    ),
    "dev-03-indomethacin-rct": (
        "indomethacin-trial",
        {
            "events_indo": "events_indomethacin",
            "n_indo": "n_indomethacin",
            "events_placebo": "events_placebo",
            "n_placebo": "n_placebo",
            "risk_indo": "risk_indomethacin",
            "risk_placebo": "risk_placebo",
            "risk_difference": "risk_difference",
            "rr": "risk_ratio",
            "nnt": "nnt",
            "p_value": "risk_difference.p_value",
        },
    ),
    "dev-04-bcg-meta-analysis": (
        "bcg-meta-analysis",
        {
            "rr": "rr_pooled",
            "rr_lo": "rr_pooled.ci_low",
            "rr_hi": "rr_pooled.ci_high",
            "tau2": "tau2",
            "I2": "i2",
            "Q": "q",
            "pi_lo": "prediction_low",
            "pi_hi": "prediction_high",
            "slope_ablat": "slope_latitude",
        },
    ),
    "dev-05-sleep-deprivation-mixed": (
        "sleep-restriction",
        {
            "intercept": "intercept",
            "slope": "slope",
            "slope_se": "slope_se",
            "var_intercept": "sd_intercept^2",
            "var_slope": "sd_slope^2",
            "resid_sd": "sd_residual",
        },
    ),
    "dev-06-sah-biomarkers-roc": (
        "sah-biomarkers",
        {
            "auc_s100b": "auc_s100b",
            "auc_ndka": "auc_ndka",
            "auc_wfns": "auc_wfns",
            "s100b_lo": "auc_s100b.ci_low",
            "s100b_hi": "auc_s100b.ci_high",
            "p_wfns_vs_s100b": "difference_wfns_s100b.p_value",
            "p_s100b_vs_ndka": "difference_s100b_ndka.p_value",
        },
    ),
    "dev-07-nhefs-smoking-cessation": (
        "smoking-cessation",
        {
            "crude": "difference_crude",
            "ate": "effect_weighted",
            "ate_ipw": "effect_weighted",
            "ci_lo": "effect_weighted.ci_low",
            "ci_hi": "effect_weighted.ci_high",
            "w_min": "weight_min",
            "w_max": "weight_max",
            "sw_mean": "stabilised_mean",
        },
    ),
    "dev-trap-1-immortal-time": (
        "heart-transplant",
        {
            "hr_time_dependent": "hr_transplant",
            "ci_lo": "hr_transplant.ci_low",
            "ci_hi": "hr_transplant.ci_high",
        },
    ),
    "dev-trap-2-simpson-smoking": ("whickham-smoking", {"crude_or": "or_crude", "adj_or": "or_age_stratified"}),
    "dev-trap-3-coded-missing": (
        "coded-missing",
        {
            "n": "births",
            "b_smoke": "effect_smoking",
            "se_smoke": "se_smoking",
            "b_gestation": "effect_gestation",
            "b_height": "effect_height",
            "intercept": "intercept",
        },
    ),
}
"""For each task: its scenario, and which result (or `.field` of it, or its square) answers each of its items."""
SAID_OTHERWISE = {("dev-trap-1-immortal-time", "significant"), ("dev-trap-2-simpson-smoking", "reversed")}
"""Items that are conclusions from the numbers; `_conclusions` looks at them."""


def _released(lab: Lab, study: str) -> dict[str, dict[str, Any]]:
    opened = open_study(lab.workplace, study)
    (event,) = opened.record.of_type("results.released")
    document = json.loads(opened.record.blobs.get(event.ref("released").sha256))
    return {result["id"]: result for result in document["results"]}


def _answer(results: dict[str, dict[str, Any]], where: str) -> float:
    name, _, field = where.removesuffix("^2").partition(".")
    value = float(results[name][field or "value"])
    return value**2 if where.endswith("^2") else value


def _right(answer: float, item: dict[str, Any]) -> bool:
    if "range" in item:
        return bool(item["range"][0] <= answer <= item["range"][1])
    return bool(abs(answer - item["value"]) <= item["tol"] + 1e-12)


@pytest.fixture(scope="module")
def tasks() -> dict[str, dict[str, Any]]:
    """The tasks with their answers; they lie beside the checkout, and no program or prompt gets them."""
    return {task["id"]: task for task in yaml.safe_load(TASKS.read_text())["tasks"] if task["kind"] != "challenge"}


def test_each_task_has_a_scenario_and_each_item_a_result(tasks: dict[str, dict[str, Any]]) -> None:
    assert set(tasks) == set(ANSWERS)
    items = {(name, item) for name, task in tasks.items() for item in task["expected"]}
    assert items == {(name, item) for name, (_, where) in ANSWERS.items() for item in where} | SAID_OTHERWISE


@pytest.mark.scenario
@pytest.mark.parametrize("task", ANSWERS)
def test_a_task_gives_its_published_answers_through_a_whole_study(
    lab: Lab, tasks: dict[str, dict[str, Any]], task: str
) -> None:
    name, where = ANSWERS[task]
    scenario = load_scenario(name)
    if "r" in (scenario.language, scenario.replication_language):
        r_or_skip()
    runner = lab.runner()
    run = run_scenario(runner, start_scenario(runner.workplace, scenario))
    assert run.status is Status.DONE
    results = _released(lab, run.study)
    wrong = {
        item: answer
        for item, place in where.items()
        if not _right(answer := _answer(results, place), tasks[task]["expected"][item])
    }
    assert wrong == {}
    assert verify_bundle(open_study(lab.workplace, run.study).folder / "bundle.zip").ok
    _conclusions(name, results)


def _conclusions(name: str, results: dict[str, dict[str, Any]]) -> None:
    """Two tasks ask for a conclusion: no effect of the transplant is shown, and the direction turns round with age."""
    if name == "heart-transplant":
        assert results["hr_transplant"]["p_value"] > 0.05
    if name == "whickham-smoking":
        assert results["or_crude"]["value"] < 1 < results["or_age_stratified"]["value"]


def test_at_least_four_tasks_are_replicated_in_r() -> None:
    in_r = [name for name in PUBLISHED if load_scenario(name).replication_language == "r"]
    assert len(in_r) >= 4


@pytest.mark.scenario
def test_the_prediction_challenge_is_a_study_of_thousands_of_columns(lab: Lab) -> None:
    r_or_skip()
    scenario = load_scenario("leukaemia-expression")
    asked = [turn.request for turn in scenario.read_turns()]
    # All 7,129 columns of measurements are told of together, and nothing of the independent samples is there.
    assert max(len(json.dumps(request)) for request in asked) < 60_000
    assert scenario.data == ("leukemia_train.csv.gz",)
    assert not any(f"S{at}" in json.dumps(request) for request in asked for at in range(39, 73))
    runner = lab.runner()
    run = run_scenario(runner, start_scenario(runner.workplace, scenario))
    assert run.status is Status.DONE
    results = _released(lab, run.study)
    assert results["accuracy_procedure"]["value"] > results["share_all"]["value"]
    assert verify_bundle(open_study(lab.workplace, run.study).folder / "bundle.zip").ok
