"""A set of tasks in one file: the real one with its answers kept away, and faulty ones said with what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from counterproof.provenance.errors import UsageError
from counterproof.tools.tasks import PlacedTask, load_task_set

SHARED = Path(__file__).parents[3] / "shared" / "tasks" / "tasks.yaml"
_ENTRY = {
    "id": "one",
    "kind": "scenario",
    "title": "One",
    "question": "What is the mean?",
    "data": ["one.csv"],
    "source": "Drawn by the tests.",
    "licence": "CC0",
    "expected": {"mean": {"value": 2.0, "tol": 0.1}, "said": {"text": "not scored"}},
    "wrong": {"median": 77.5},
}


def _loaded(folder: Path, **other: object) -> dict[str, PlacedTask]:
    (folder / "one.csv").write_text("x\n1\n3\n")
    path = folder / "tasks.yaml"
    path.write_text(yaml.safe_dump({"tasks": [{**_ENTRY, **other}]}))
    return load_task_set(path)


def test_the_tasks_that_the_project_is_tested_with_are_read() -> None:
    if not SHARED.is_file():
        pytest.fail(f"The tasks are not beside the checkout: {SHARED}.")
    entries = yaml.safe_load(SHARED.read_text(encoding="utf-8"))["tasks"]
    tasks = load_task_set(SHARED)
    assert list(tasks) == [entry["id"] for entry in entries]
    predictions = {name for name, placed in tasks.items() if placed.task.prediction is not None}
    assert predictions == {entry["id"] for entry in entries if entry["kind"] == "challenge"}
    assert all(path.is_file() for placed in tasks.values() for path in (*placed.data.values(), placed.held_out))


def test_what_a_model_is_told_of_a_task_holds_no_answer(tmp_path: Path) -> None:
    (placed,) = _loaded(tmp_path).values()
    assert placed.task.analysis is not None
    assert placed.task.analysis.results == ("mean",)
    told = json.dumps(placed.task.model_dump(mode="json"))
    assert "77.5" not in told
    assert "2.0" not in told
    assert placed.held_out not in placed.data.values()


@pytest.mark.parametrize("missing", ["id", "title", "question", "data", "source", "licence", "expected"])
def test_an_entry_that_lacks_something_is_said(tmp_path: Path, missing: str) -> None:
    (tmp_path / "one.csv").write_text("x\n1\n")
    path = tmp_path / "tasks.yaml"
    path.write_text(yaml.safe_dump({"tasks": [{name: value for name, value in _ENTRY.items() if name != missing}]}))
    with pytest.raises(UsageError, match=f"has no '{missing}'"):
        load_task_set(path)


@pytest.mark.parametrize("text", ["tasks: []", "tasks: one", "other: 1"])
def test_a_file_without_tasks_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "tasks.yaml").write_text(text)
    with pytest.raises(UsageError, match="lists no tasks"):
        load_task_set(tmp_path / "tasks.yaml")


def test_data_that_are_not_there_are_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"elsewhere\.csv"):
        _loaded(tmp_path, data=["elsewhere.csv"])
