"""The bundle of a study that went back to its plan: it verifies, replays, and can't be told otherwise."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from counterproof.provenance.digests import digest_of
from counterproof.provenance.interop import files as interop
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.scenarios.bundles import replay_bundle

from ..lab import KEY
from .forging import Story, failed

VERIFY = Path(interop.__file__).parent / "standalone" / "verify.py"


def test_it_verifies_with_our_program_and_with_python_alone(replanned: Path, tmp_path: Path) -> None:
    assert failed(replanned) == {}
    with zipfile.ZipFile(replanned) as packed:
        packed.extractall(tmp_path)
    (top,) = tmp_path.iterdir()
    told = subprocess.run(
        [sys.executable, "-I", str(top / "data" / "verify" / "verify.py")], capture_output=True, text=True, check=False
    )
    assert told.stdout.splitlines()[-1].startswith("OK"), told.stdout


def test_it_replays_with_every_digest_the_same(
    replanned: Path, tmp_path: Path, sandbox: LocalSandbox, environment: Environment
) -> None:
    found = replay_bundle(replanned, tmp_path / "replay", sandbox=sandbox, environment=environment)
    assert (found.stopped, [row.what for row in found.comparisons if not row.same]) == ("", [])
    assert (found.ended, found.ok) == ("done", True)


@pytest.mark.tamper
def test_a_replay_tells_of_a_document_that_was_put_up_otherwise_and_never_released(
    replanned: Path, tmp_path: Path, sandbox: LocalSandbox, environment: Environment
) -> None:
    story = Story(replanned, tmp_path / "story")
    opened = story.first("checkpoint.opened", id=f"{story.study}.release.1")
    opened["refs"][1]["sha256"] = "ab" * 32
    story.sign_again(KEY)
    forged = story.export(tmp_path / "forged.zip")
    assert failed(forged) == {}, "whoever has the reviewers' keys can do that"
    found = replay_bundle(forged, tmp_path / "replay", sandbox=sandbox, environment=environment)
    assert [row.what for row in found.comparisons if not row.same] == [
        f"checkpoint {story.study}.release.1, proposed release"
    ]


def test_the_record_page_and_the_statement_have_both_versions(replanned: Path) -> None:
    with zipfile.ZipFile(replanned) as packed:
        names = {name.partition("/")[2]: name for name in packed.namelist()}
        page = packed.read(names["data/record.html"]).decode()
        statement = json.loads(packed.read(names["data/transparency/statement.json"]))
    assert re.search(r"Version 1: locked .*sent back at .*release\.1", page)
    (history,) = [item for item in statement["items"] if item["id"] == "E3"]
    told = json.dumps(history)
    assert "Version 1 locked" in told
    assert "release.1: replan, reason: Ada says replan." in told
    assert "A program had run on the real data before" in told


def _no_answers(story: Story) -> None:
    story.show(f"{story.study}.plan.2", {"answered": []})


def _code_for_the_old_plan(story: Story) -> None:
    first = json.loads(story.text(story.first("plan.locked"), "plan"))
    story.show(f"{story.study}.code.2", {"plan": digest_of(first)})


def _said_to_be_an_approval(story: Story) -> None:
    event = story.first("decision.recorded", checkpoint=f"{story.study}.release.1")
    event["data"]["decision"] = "approve"
    story.json(event, "statement", lambda made: made | {"decision": "approve", "meaning": "review"})


def _second_code_left_out(story: Story) -> None:
    name = f"{story.study}.code.2"
    story.drop(story.first("checkpoint.opened", id=name), story.first("decision.recorded", checkpoint=name))


def _with_a_number(story: Story) -> None:
    event = story.first("decision.recorded", checkpoint=f"{story.study}.release.1")
    story.json(event, "statement", lambda made: made | {"comment": "The difference is 5.1."})


def _code(change: Callable[[dict[str, Any]], object]) -> Callable[[Story], None]:
    """Show other code than runs, at the first checkpoint of the code."""

    def attack(story: Story) -> None:
        subject = json.loads(story.text(story.first("checkpoint.opened", id=f"{story.study}.code.1"), "subject"))
        change(subject)
        story.show(f"{story.study}.code.1", subject)

    return attack


_OTHER_CODE = {
    "another program shown": lambda subject: subject["programs"][0].update(code="print(1)\n"),
    "another digest shown": lambda subject: subject["programs"][0].update(sha256="0" * 64),
    "another language shown": lambda subject: subject["programs"][0].update(language="r"),
    "another order of a program": lambda subject: subject["orders"].append({**subject["orders"][0], "seed": 7}),
    "an order of no program": lambda subject: subject["orders"].append({**subject["orders"][0], "role": "other"}),
    "another environment shown": lambda subject: subject["environments"]["primary"].update(digest="0" * 64),
    "an edit of other programs": lambda subject: subject["editable"].update(primary="print(1)\n"),
}
_SAYS = r"shows (another|other)|has not one order"


@pytest.mark.tamper
@pytest.mark.parametrize("change", _OTHER_CODE.values(), ids=_OTHER_CODE)
def test_code_that_is_shown_otherwise_than_it_runs_is_found_even_when_it_is_signed(
    replanned: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    story = Story(replanned, tmp_path / "story")
    _code(change)(story)
    story.sign_again(KEY)
    forged = story.export(tmp_path / "forged.zip")
    assert re.search(_SAYS, failed(forged)["decisions"])
    with zipfile.ZipFile(forged) as packed:
        packed.extractall(tmp_path / "unpacked")
    alone = [sys.executable, "-I", str(VERIFY), str(tmp_path / "unpacked" / story.study)]
    told = subprocess.run(alone, capture_output=True, text=True, check=False).stdout
    assert re.search(r"^ 6 decisions +failed: event \d+ shows (another|other)", told, re.MULTILINE), told


ATTACKS: dict[str, tuple[Callable[[Story], Any], str, str]] = {
    "answers to the reasons left out": (_no_answers, "decisions", "without an answer to each reason"),
    "code for the old plan": (_code_for_the_old_plan, "approvals", "a plan that was not approved last"),
    "way back said to be an approval": (_said_to_be_an_approval, "decisions", "can't follow"),
    "second approval of code left out": (_second_code_left_out, "decisions", "can't follow"),
    "number carried to the model": (_with_a_number, "decisions", "its reason holds digits"),
}


@pytest.mark.tamper
@pytest.mark.parametrize(("attack", "step", "why"), ATTACKS.values(), ids=ATTACKS)
def test_it_can_not_be_told_otherwise_even_by_its_reviewer(
    replanned: Path, tmp_path: Path, attack: Callable[[Story], Any], step: str, why: str
) -> None:
    story = Story(replanned, tmp_path)
    attack(story)
    for event in story.events:
        if event["type"] == "decision.recorded":
            story.sign_one(event, KEY, {})
    found = failed(story.export(tmp_path / "forged.zip"))
    assert why in found[step], found


def test_its_history_holds_when_its_reviewer_signs_it_again(replanned: Path, tmp_path: Path) -> None:
    story = Story(replanned, tmp_path)
    story.sign_again(KEY)
    assert failed(story.export(tmp_path / "again.zip")) == {}
