"""Four traps through a whole study: the careless program is stopped at the release, the sound one passes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.models import ModelConfig
from counterproof.agents.reviews import say
from counterproof.agents.study import new_study
from counterproof.provenance.decisions import Checkpoint, DecisionKind
from counterproof.provenance.reviewers import Role
from counterproof.provenance.store import Status
from counterproof.tools.looking import Meaning, Said
from counterproof.tools.results import ResultsFile

from ..endpoint import Endpoint
from ..lab import ADA, AUTHOR_KEY, KEY, LIN, NOWHERE, Lab, written
from .flaw import Flaw, program
from .plans import plan_of
from .suite import FLAWS

_TRAPS = {
    "immortal time": ("hr", "ratio"),
    "Simpson's paradox": ("odds", "ratio"),
    "codes for missing taken as numbers": ("smoking", "oz"),
    "genes chosen before cross-validation": ("accuracy", "probability"),
}
_CASES = [(flaw, *_TRAPS[flaw.id]) for flaw in FLAWS if flaw.id in _TRAPS]
_SAID: tuple[tuple[str, str, Meaning], ...] = (
    *(("heart_transplant.csv", name, "identifier") for name in ("birth.dt", "accept.dt", "tx.date", "fu.date")),
    ("babies_coded.csv", "case", "identifier"),
    ("babies_coded.csv", "age", "not one"),
    ("leukemia_train.csv.gz", "sample", "identifier"),
)
"""What a person says of the columns that stop the intake: 99 is a code for an unknown age, nobody is over 89."""
_IDS = [flaw.check for flaw, *_ in _CASES]


def _answers(flaw: Flaw, name: str, unit: str, *, sound: bool) -> dict[str, Sequence[Any]]:
    result = {"id": name, "label": name, "value": 1.0, "unit": unit, "n": 1, "method": "m", "population": "all"}
    promised = ResultsFile.model_validate({"schema": "counterproof/results/1", "results": [result]})
    code = program(flaw, sound=sound)
    report = {"methods": "As planned.", "results": f"It was {{{{{name}.value}}}}.", "limitations": "As planned."}
    return {
        "planner": [plan_of(flaw, promised).model_dump_json()],
        "primary": [written(code)],
        "replication": [written(code)],
        "reporter": [json.dumps(report)],
    }


def _study(lab: Lab, flaw: Flaw, folder: Path) -> str:
    lab.add(ADA, KEY)
    lab.add(LIN, AUTHOR_KEY, Role.INVESTIGATOR)
    paths = []
    for name, body in flaw.data().items():
        paths.append(folder / name)
        paths[-1].write_bytes(body)
    model = ModelConfig(model="made-up", base_url=NOWHERE, api_key_env="")
    study = new_study(lab.workplace, question="What does it do?", data=paths, model=model, author=LIN)
    for file, column, meaning in _SAID:
        if file in flaw.data():
            say(lab.study(study), Said(file=file, column=column, said=meaning, why="Scripted.", by=LIN))
    return study


def _to_release(lab: Lab, study: str, endpoint: Endpoint) -> Checkpoint:
    """Approve plan and code, and return the release that waits."""
    approved: tuple[DecisionKind, ...] = ("approve", "approve")
    assert lab.run(study, endpoint.base_url, *approved) is Status.WAITING
    waiting = lab.waiting(study)
    assert waiting.kind == "release"
    return waiting


@pytest.mark.flaw
@pytest.mark.parametrize(("flaw", "name", "unit"), _CASES, ids=_IDS)
def test_a_careless_program_is_stopped_and_releases_nothing(
    lab: Lab, tmp_path: Path, flaw: Flaw, name: str, unit: str
) -> None:
    study = _study(lab, flaw, tmp_path)
    with Endpoint(_answers(flaw, name, unit, sound=False)) as endpoint:
        waiting = _to_release(lab, study, endpoint)
        subject = lab.study(study).checkpoints.subject(waiting.id)
        assert flaw.check in {made["id"] for made in subject["checks"] if made["verdict"] == "fail"}
        assert set(subject["editable"].values()) == {"suppress"}
        assert lab.run(study, endpoint.base_url, "approve") is Status.CANNOT_CONCLUDE
    assert f"failed checks: {flaw.check}" in lab.workplace.store.study(study)["detail"]
    assert endpoint.asked("reporter") == []


@pytest.mark.flaw
@pytest.mark.parametrize(("flaw", "name", "unit"), _CASES, ids=_IDS)
def test_a_sound_program_passes(lab: Lab, tmp_path: Path, flaw: Flaw, name: str, unit: str) -> None:
    study = _study(lab, flaw, tmp_path)
    with Endpoint(_answers(flaw, name, unit, sound=True)) as endpoint:
        _to_release(lab, study, endpoint)
        assert lab.run(study, endpoint.base_url, "approve", "approve") is Status.DONE


@pytest.mark.flaw
def test_a_person_may_release_in_spite_of_a_failed_check_and_says_why(lab: Lab, tmp_path: Path) -> None:
    flaw, name, unit = _CASES[0]
    study = _study(lab, flaw, tmp_path)
    with Endpoint(_answers(flaw, name, unit, sound=False)) as endpoint:
        waiting = _to_release(lab, study, endpoint)
        verdicts = lab.study(study).checkpoints.subject(waiting.id)["editable"]
        why = "The biased number is released to show the bias."
        lab.decide(study, "edit", edited=dict.fromkeys(verdicts, "release"), comment=why)
        assert lab.run(study, endpoint.base_url, "approve", "approve") is Status.DONE
    edit = next(event for event in lab.events(study, "decision.recorded") if event.data["decision"] == "edit")
    assert json.loads(lab.text(edit.ref("statement").sha256, study))["comment"] == why
    (released,) = lab.events(study, "results.released")
    assert json.loads(lab.text(released.ref("released").sha256, study))["checks"][flaw.check] == "fail"
