"""Reading scenarios: what is wrong with one is said, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterproof.provenance.errors import UsageError
from counterproof.scenarios.catalogue import ROOT, UNREACHABLE, load_scenario, scenario_names

from .conftest import NAME


def test_every_scenario_of_the_catalogue_can_be_read() -> None:
    names = scenario_names()
    assert "lung-survival" in names
    for name in names:
        scenario = load_scenario(name)
        assert scenario.question
        assert all(path.is_file() for path in scenario.data_paths)
        assert {turn.origin["origin"] for turn in scenario.read_turns()} == {scenario.turns.origin}
        assert scenario.model.base_url == UNREACHABLE


def test_an_unknown_scenario_is_said_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"There is no scenario 'lung'\. Scenarios: .*lung-survival"):
        load_scenario("lung")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('title = "Scores by arm"', "title = ", "can't be read: TOMLDecodeError"),
        ('title = "Scores by arm"', "", "title: Field required"),
        ('title = "Scores by arm"', 'title = "x"\nauthor = "y"', "author: Extra inputs are not permitted"),
        ('data = ["trial.csv"]', "data = []", "data: Tuple should have at least 1 item"),
        ("[model]", "[modell]", "can't be read: KeyError\\('model'\\)"),
        ('model = "authored-turns"', 'model = ""', r"model\.model: String should have at least 1 character"),
        ('origin = "authored"', 'origin = "found"', r"turns\.origin: Input should be 'authored' or 'recorded'"),
        ('by = "the test"', 'by = ""', r"turns\.by: String should have at least 1 character"),
        ('kind = "plan"', 'kind = "lunch"', r"decisions\.0\.kind: Input should be 'plan', 'code'"),
        ('comment = "Scripted."\n[[expected]]', 'comment = ""\n[[expected]]', r"decisions\.3\.comment: String should"),
        ("tolerance = 0.001", "", r"expected\.0\.tolerance: Field required"),
    ],
)
def test_a_faulty_description_is_said_with_its_place(root: Path, before: str, after: str, says: str) -> None:
    path = root / NAME / "scenario.toml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(UsageError, match=rf"{NAME}/scenario\.toml.*{says}"):
        load_scenario(NAME, root)


@pytest.mark.parametrize(
    "turns", ["{", "[]", "{}", '{"request": {}, "response": {}}'], ids=["torn", "list", "empty", "no origin"]
)
def test_faulty_turns_are_said_with_what_to_do(root: Path, turns: str) -> None:
    (root / NAME / "turns.jsonl").write_text(turns + "\n")
    with pytest.raises(UsageError, match=rf"The turns of scenario '{NAME}' can't be read.*scenarios record {NAME}"):
        load_scenario(NAME, root).read_turns()


def test_missing_turns_are_said_with_what_to_do(root: Path) -> None:
    (root / NAME / "turns.jsonl").unlink()
    with pytest.raises(UsageError, match="Record them: `counterproof scenarios record made-up`"):
        load_scenario(NAME, root).read_turns()


def test_a_missing_question_is_said(root: Path) -> None:
    (root / NAME / "question.md").unlink()
    with pytest.raises(UsageError, match=r"question\.md"):
        load_scenario(NAME, root)


def test_a_scenario_needs_no_codebook(root: Path) -> None:
    assert load_scenario(NAME, root).codebook == ""
    assert load_scenario("lung-survival", ROOT).codebook != ""
