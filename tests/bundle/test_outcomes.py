"""Nothing to check is a failure, unless the record shows why there is nothing; and the command says what is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from counterproof.agents.bundling import make_bundle
from counterproof.provenance.verify import verify_bundle
from counterproof.ui.commands.verify import command as verify

from ..bench.exporting import ended_study
from .forging import Bag, Story, failed


def test_a_study_that_ended_after_its_intake_shows_why_four_steps_have_nothing(tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(b"1")
    place, study = ended_study(tmp_path / "home", tmp_path / "large.bin")
    make_bundle(place, study, tmp_path / "bundle.zip")
    found = verify_bundle(tmp_path / "bundle.zip")
    assert found.ok
    nothing = {step.name: step.evidence[0] for step in found.steps if step.outcome == "not applicable"}
    assert nothing == {
        "decisions": "nobody decided anything in this study",
        "approvals": "the gate opened the real data to no program",
        "effects": "no model call and no execution was begun in this study",
        "numbers": "the study ended without a report",
    }


def test_a_record_that_names_no_body_and_an_empty_payload_are_failures(tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(b"1")
    place, study = ended_study(tmp_path / "home", tmp_path / "large.bin")
    make_bundle(place, study, tmp_path / "bundle.zip")
    story = Story(tmp_path / "bundle.zip", tmp_path / "story")
    for event in (story.first("intake.finished"), story.first("statement.made")):
        story.drop(event)
    for event in story.events:
        event["refs"] = []
    assert failed(story.export(tmp_path / "bare.zip"))["bodies"] == "The record names no body."
    bag = Bag(tmp_path / "bundle.zip")
    bag.files = {name: data for name, data in bag.files.items() if not name.startswith("data/")}
    bag.rebag()
    assert "payload is empty" in failed(bag.write(tmp_path / "empty.zip"))["bag"]


def test_a_study_that_is_done_and_has_no_report_fails(reviewed: Path, tmp_path: Path) -> None:
    story = Story(reviewed, tmp_path / "story")
    last = [
        event for event in story.events if event["type"] == "report.rendered" or event["data"].get("kind") == "signoff"
    ]
    story.drop(*last)
    found = failed(story.export(tmp_path / "bare.zip"))
    assert found["numbers"] == "The study is done, and there is no report."


@pytest.mark.parametrize(("which", "left"), [("reviewed", []), ("redacted", ["5 bodies", "11 copies"])])
def test_the_command_names_what_is_left_and_exits_with_zero(
    which: str, left: list[str], request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(which)
    told = CliRunner().invoke(verify, [str(path)])
    assert told.exit_code == 0
    last = told.output.splitlines()[-1]
    assert last == (
        f"The bundle holds: verified, but for what could not be checked here ({', '.join(left)})."
        if left
        else "The bundle holds."
    )
    document = json.loads(CliRunner().invoke(verify, [str(path), "--json"]).output)
    assert (document["ok"], document["left"], document["profile"]) == (True, left, "redacted" if left else "full")


def test_a_failed_step_exits_with_one_whatever_else_is_left(redacted: Path, tmp_path: Path) -> None:
    bag = Bag(redacted)
    bag.replace("data/README.md", "Review: **", "Review : **")
    bag.reseal()
    told = CliRunner().invoke(verify, [str(bag.write(tmp_path / "changed.zip"))])
    assert told.exit_code == 1
    assert told.output.splitlines()[-1] == "The bundle does NOT hold."
