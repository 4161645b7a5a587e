"""Scenarios as tests: a whole study from its recorded turns, and each way in which it no longer gives the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.study import open_study
from counterproof.provenance.errors import CounterproofError, VerificationFailed
from counterproof.provenance.labels import review_label
from counterproof.provenance.reviewers import REPLAY_LABEL
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.signing import load_key
from counterproof.provenance.store import Status
from counterproof.scenarios.catalogue import ROOT, load_scenario
from counterproof.scenarios.recorder import record_scenario, role_of
from counterproof.scenarios.replayer import REPLAY_REVIEWER, ScenarioFailed, ScenarioRun, run_scenario, start_scenario

from ..endpoint import Endpoint
from ..lab import Lab, real_mean, script, trial_csv
from .conftest import NAME


def _run(lab: Lab, root: Path, name: str = NAME) -> ScenarioRun:
    runner = lab.runner()
    study = start_scenario(runner.workplace, load_scenario(name, root))
    return run_scenario(runner, study, root=root)


def _change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def _released(lab: Lab, study: str) -> dict[str, dict[str, Any]]:
    (event,) = lab.events(study, "results.released")
    document = json.loads(lab.text(event.ref("released").sha256, study))
    return {result["id"]: result for result in document["results"]}


@pytest.mark.scenario
def test_lung_survival_gives_the_published_answers(lab: Lab) -> None:
    run = _run(lab, ROOT, "lung-survival")
    assert run.status is Status.DONE
    given = _released(lab, run.study)
    ratio = given["hr_women_vs_men"]
    assert [round(ratio[field], 3) for field in ("value", "ci_low", "ci_high")] == [0.588, 0.424, 0.816]
    assert round(given["logrank_chi2"]["p_value"], 4) == 0.0013
    values = [given[name]["value"] for name in ("median_women", "median_men", "deaths", "patients")]
    assert values == [426, 270, 165, 228]


@pytest.mark.scenario
def test_lung_survival_was_replayed_and_says_so(lab: Lab) -> None:
    run = _run(lab, ROOT, "lung-survival")
    study = open_study(lab.workplace, run.study)
    decisions = study.record.of_type("decision.recorded")
    assert [(event.data["reviewer"]["id"], event.data["replayed"]) for event in decisions] == [
        (REPLAY_REVIEWER, True)
    ] * 4
    assert review_label(study.record.events()) == REPLAY_LABEL == "replayed, not reviewed"
    report = lab.text(lab.events(run.study, "report.rendered")[-1].ref("report.md").sha256, run.study)
    assert "its decisions are scripted, and no person looked at it" in report
    assert "hazard ratio" in report.lower()


def test_a_scenario_gives_what_was_recorded(lab: Lab, root: Path) -> None:
    run = _run(lab, root)
    assert run.status is Status.DONE
    assert _released(lab, run.study)["mean_control"]["value"] == pytest.approx(real_mean(0))


def test_a_scenario_runs_twice_in_one_store(lab: Lab, root: Path) -> None:
    first, second = _run(lab, root), _run(lab, root)
    assert first.study != second.study
    assert _released(lab, first.study) == _released(lab, second.study)


def test_a_finished_scenario_can_be_run_again(lab: Lab, root: Path) -> None:
    run = _run(lab, root)
    assert run_scenario(lab.runner(), run.study, root=root) == run


def test_a_changed_prompt_fails_with_the_lines_that_differ(lab: Lab, root: Path) -> None:
    (root / NAME / "question.md").write_text("Do scores differ between men and women?\n")
    with pytest.raises(ScenarioFailed, match="scenario drift: the request is not recorded") as failed:
        _run(lab, root)
    assert "-Do scores differ between the arms?" in str(failed.value)
    assert "+Do scores differ between men and women?" in str(failed.value)
    assert len(str(failed.value).splitlines()) < 20


def test_a_changed_answer_drifts_at_the_next_request(lab: Lab, root: Path) -> None:
    turns = root / NAME / "turns.jsonl"
    _change(turns, r"\"every score is there\"", r"\"a few are gone\"")
    with pytest.raises(ScenarioFailed, match=r"\n\+ .*details.*a few are gone"):
        _run(lab, root)


def test_a_turn_that_nobody_asks_for_fails_the_scenario(lab: Lab, root: Path) -> None:
    path = root / NAME / "turns.jsonl"
    extra = json.loads(path.read_text().splitlines()[0])
    extra["request"]["messages"][1]["content"] = "something else"
    path.write_text(path.read_text() + json.dumps(extra) + "\n")
    with pytest.raises(ScenarioFailed, match=f"1 of 5 turns of scenario '{NAME}' were not used"):
        _run(lab, root)


def test_a_missing_turn_fails_the_scenario(lab: Lab, root: Path) -> None:
    path = root / NAME / "turns.jsonl"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:3]))
    with pytest.raises(ScenarioFailed, match="an extra request; every recorded turn has been used"):
        _run(lab, root)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("value = 1\ntolerance = 0.5", r"mean_control\.value is .*, expected 1\.0 within 0\.5"),
        (f"value = {real_mean(0)}\ntolerance = 0.1\nci_low = 3", r"mean_control\.ci_low is None, expected 3\.0"),
        (f"value = {real_mean(0)}\ntolerance = 0.1\np_value = 0.05", r"mean_control\.p_value is None, expected 0\.05"),
        (
            'value = 1\ntolerance = 0.5\n[[expected]]\nresult = "odds"\nvalue = 1\ntolerance = 1',
            "odds was not released",
        ),
    ],
    ids=["value", "interval", "p value", "missing"],
)
def test_other_results_than_expected_fail_the_scenario(lab: Lab, root: Path, line: str, says: str) -> None:
    _change(root / NAME / "scenario.toml", f"value = {real_mean(0)}\ntolerance = 0.001", line)
    with pytest.raises(ScenarioFailed, match=f"The results are not the expected ones: .*{says}"):
        _run(lab, root)


def test_other_data_fail_the_scenario(lab: Lab, root: Path) -> None:
    first = trial_csv().decode().splitlines()[1]
    _change(root / NAME / "data" / "trial.csv", first, first.replace(first.split(",")[1], "999.5"))
    with pytest.raises(ScenarioFailed, match=r"drift|not the expected ones"):
        _run(lab, root)


def test_a_script_without_a_decision_stops_the_scenario(lab: Lab, root: Path) -> None:
    path = root / NAME / "scenario.toml"
    _change(path, '[[decisions]]\nkind = "release"\ndecision = "approve"\ncomment = "Scripted."\n', "")
    with pytest.raises(
        ScenarioFailed, match=rf"The script of '{NAME}' has no decision for .*\.release\.1 \(number 3\)"
    ):
        _run(lab, root)


def test_a_scripted_rejection_is_a_normal_end(lab: Lab, root: Path) -> None:
    path = root / NAME / "scenario.toml"
    text = path.read_text()
    at = text.index('kind = "release"')
    path.write_text(text[:at] + text[at:].replace('"approve"', '"reject"', 1))
    turns = root / NAME / "turns.jsonl"
    turns.write_text("".join(line + "\n" for line in turns.read_text().splitlines()[:3]))
    with pytest.raises(ScenarioFailed, match="mean_control was not released"):
        _run(lab, root)
    (study,) = lab.workplace.store.studies()
    assert study["status"] == Status.REJECTED


def test_the_replay_reviewer_decides_in_scenarios_only(lab: Lab, root: Path) -> None:
    _run(lab, root)
    study = lab.new()
    with Endpoint(script()) as endpoint:
        lab.run(study, endpoint.base_url)
    waiting = lab.waiting(study)
    key = load_key(lab.home / "keys" / REPLAY_REVIEWER, passphrase=None)
    with pytest.raises(VerificationFailed, match=r"replay is the replay reviewer\. It decides in scenarios only"):
        lab.study(study).checkpoints.decide(
            waiting.id,
            KeySigner(key=key),
            reviewer=REPLAY_REVIEWER,
            decision="approve",
            comment="Scripted.",
            seen=waiting.subject,
        )
    assert lab.waiting(study) == waiting


def test_recording_needs_an_answer_for_each_role(lab: Lab, root: Path) -> None:
    _change(root / NAME / "scenario.toml", 'reporter = "report.json"\n', "")
    with pytest.raises(CounterproofError, match="has no authored answer for the reporter"):
        record_scenario(lab.runner(), load_scenario(NAME, root))


def test_recorded_turns_are_marked_as_authored(root: Path) -> None:
    turns = load_scenario(NAME, root).read_turns()
    assert [role_of(turn.request) for turn in turns] == ["planner", "primary", "replication", "reporter"]
    assert {tuple(turn.origin.values()) for turn in turns} == {("authored", "the test", "2026-11-20")}
