"""Warnings of the libraries are recorded with the checks, decided at the release, and listed in the report."""

from __future__ import annotations

import json
from typing import Any

import pytest

from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import Status
from counterproof.provenance.verify import verify_bundle
from counterproof.sandbox import Environment
from counterproof.ui.desk import Desk
from counterproof.ui.subjects import ReleasePart
from counterproof.ui.views import decision_view
from counterproof.ui.work import results_view

from ..endpoint import Endpoint
from ..lab import OUTLIER, Lab, program, script, written
from ..r import r_or_skip
from .test_r_study import _written

APPROVED: tuple[DecisionKind, ...] = ("approve",) * 4
TO_RELEASE: tuple[DecisionKind, ...] = ("approve", "approve")
WARNS = program("Warns.", middle='import warnings\nwarnings.warn("the fit is poor", RuntimeWarning)')
TELLS = program(
    "Tells.", middle='import warnings\ntop = max(map(max, scores.values()))\nwarnings.warn(f"highest {top}")'
)
SILENT = program(
    "Silences.", middle='import warnings\nwarnings.simplefilter("ignore")\nwarnings.warn("not heeded", RuntimeWarning)'
)


def _at_release(lab: Lab, *, primary: str, **options: Any) -> tuple[str, Endpoint, dict[str, Any]]:
    replication = options.pop("replication", None)
    study = lab.new(**options)
    answers = script(primary=[written(primary)], **({"replication": [replication]} if replication else {}))
    with Endpoint(answers) as endpoint:
        assert lab.run(study, endpoint.base_url, *TO_RELEASE) is Status.WAITING
    assert lab.waiting(study).kind is CheckpointKind.RELEASE
    return study, endpoint, lab.study(study).checkpoints.subject(lab.waiting(study).id)


def _items(subject: dict[str, Any]) -> dict[str, tuple[str, str]]:
    found = [item for item in subject["items"] if item["id"].startswith("warning:")]
    return {item["id"]: (item["shows"], item["verdict"]) for item in found}


def _finish(lab: Lab, study: str) -> str:
    with Endpoint(script()) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve", "approve") is Status.DONE
    assert verify_bundle(lab.study(study).folder / "bundle.zip").ok
    return lab.text(lab.events(study, "report.rendered")[-1].ref("report.md").sha256, study)


def test_a_warning_is_recorded_put_up_released_and_in_the_report(lab: Lab) -> None:
    study, _, subject = _at_release(lab, primary=WARNS)
    (finished,) = lab.events(study, "checks.finished")
    kept = json.loads(lab.text(finished.ref("warnings").sha256, study))
    assert finished.ref("warnings").side == "secure"
    assert kept == subject["warnings"]
    assert _items(subject) == {"warning:1": ("primary program, RuntimeWarning: the fit is poor (once)", "release")}
    shown = decision_view(Desk(workplace=lab.workplace), lab.waiting(study).id).part
    assert isinstance(shown, ReleasePart)
    assert [row["item"] for row in shown.warnings.rows] == ["warning:1"]
    assert "warning:1" not in [row["item"] for row in shown.numbers.rows]
    assert "| primary | RuntimeWarning | the fit is poor | 1 times |" in _finish(lab, study)
    assert len(results_view(Desk(workplace=lab.workplace), study).warnings.rows) == 1


@pytest.mark.canary
def test_a_warning_that_holds_a_number_is_held_back_and_only_counted(lab: Lab) -> None:
    study, endpoint, subject = _at_release(lab, primary=TELLS)
    assert [verdict for _, verdict in _items(subject).values()] == ["suppress"]
    report = _finish(lab, study)
    assert "Held back at the release: 1." in report
    assert OUTLIER not in report + endpoint.everything()
    (released,) = lab.events(study, "results.released")
    document = json.loads(lab.text(released.ref("released").sha256, study))
    assert (document["warnings"], document["suppressed"]) == ([], ["warning:1"])
    assert OUTLIER.encode() not in (lab.study(study).folder / "bundle.zip").read_bytes()


def test_a_reviewer_decides_on_a_warning_by_itself(lab: Lab) -> None:
    study, _, subject = _at_release(lab, primary=WARNS)
    lab.decide(study, "edit", edited={**subject["editable"], "warning:1": "suppress"})
    assert lab.run(study) is Status.WAITING
    report = _finish(lab, study)
    assert "the fit is poor" not in report
    assert "Held back at the release: 1." in report


def test_of_the_primary_program_a_silenced_warning_is_there_too(lab: Lab) -> None:
    _, _, subject = _at_release(lab, primary=SILENT, checks_on_data=True)
    shows = [shows for shows, _ in _items(subject).values()]
    assert "primary program, RuntimeWarning: not heeded (not printed)" in shows


def test_a_warning_of_a_replication_in_r_is_there(lab: Lab) -> None:
    _: Environment = r_or_skip()
    warns = _written("Warns.", 'f <- function(x) { warning("the fit is poor"); x }\nf(1); f(2)')
    _study, _endpoint, subject = _at_release(lab, primary=program("Fine."), replication_language="r", replication=warns)
    assert _items(subject) == {"warning:1": ("replication program, f: the fit is poor (2 times)", "release")}


def test_a_report_says_that_there_was_none(lab: Lab) -> None:
    study, _, subject = _at_release(lab, primary=program("Fine."))
    assert (_items(subject), subject["warnings"]) == ({}, {})
    assert "## Warnings of the libraries\n\nNone was seen." in _finish(lab, study)


@pytest.mark.canary
def test_no_warning_is_told_to_the_model(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script(primary=[written(WARNS)])) as endpoint:
        assert lab.run(study, endpoint.base_url, *APPROVED) is Status.DONE
    told = endpoint.prompt("reporter").replace(WARNS, "")
    assert "the fit is poor" not in told
