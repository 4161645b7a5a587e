"""Reading tasks: a folder with `task.yaml`, or a whole set in one `tasks.yaml`.

    NAME/task.yaml          what docs/compare.md describes
    NAME/data/              files that programs may read
    NAME/held-out/          labels.csv or answers.yaml, and baseline.csv where there is one

A set is a file with a list `tasks`; an entry of the kind `challenge` is a prediction, any other an analysis. What is
in an entry beside question and data (expected, wrong, traps, reference code) stays with the held-out answers.
"""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from counterproof.provenance.digests import sha256_file
from counterproof.provenance.errors import UsageError
from counterproof.tools.results import faults
from counterproof.tools.tasks.task import PlacedTask, Task

_BASELINE = "baseline.csv"


def load_task(folder: Path) -> PlacedTask:
    """Read a task from its folder.

    Raises:
        UsageError: a file is missing, is not of its form, or is not the one that a checksum names.
    """
    raw = _yaml(folder / "task.yaml")
    names = raw.get("data")
    if not isinstance(names, list | dict) or not names:
        raise UsageError(f"{folder / 'task.yaml'} names no data.", advice="List the files of its folder data/.")
    data = {name: folder / "data" / name for name in names}
    sums = {name: _sum(path, named=names[name] if isinstance(names, dict) else "") for name, path in data.items()}
    held_out = folder / "held-out" / ("labels.csv" if "prediction" in raw else "answers.yaml")
    beside = folder / "held-out" / _BASELINE
    if "prediction" in raw:
        raw["prediction"]["baseline"]["predictions"] = beside.is_file()
    task = _task({**raw, "data": sums, "held_out": _sum(held_out)}, source=str(folder / "task.yaml"))
    return PlacedTask(task=task, data=data, held_out=held_out, baseline=beside if beside.is_file() else None)


def load_task_set(path: Path) -> dict[str, PlacedTask]:
    """Read all tasks of a set, by their ids.

    Raises:
        UsageError: the file or an entry of it is not of its form.
    """
    entries = _yaml(path).get("tasks")
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"{path} lists no tasks.", advice="It needs a list `tasks`.")
    try:
        return {entry["id"]: _entry(path, entry) for entry in entries}
    except KeyError as error:
        raise UsageError(f"A task of {path} has no {error}.") from error


def _entry(path: Path, entry: dict[str, Any]) -> PlacedTask:
    data = {Path(name).name: path.parent / name for name in entry["data"]}
    raw: dict[str, Any] = {
        "id": entry["id"],
        "title": entry["title"],
        "question": entry["question"],
        "source": f"{entry['source']}; {entry['licence']}",
        "terms": "open",
        "contamination": entry.get("contamination", "Published data: answers may be in the training data of a model."),
        "data": {name: _sum(place) for name, place in data.items()},
    }
    if entry["kind"] == "challenge":
        held_out = path.parent / entry["labels"]
        raw["prediction"] = _challenge(entry, data, held_out)
    else:
        held_out = path
        scored = {name: value for name, value in entry["expected"].items() if {"value", "range"} & set(value)}
        raw["analysis"] = {"results": tuple(scored)}
    return PlacedTask(
        task=_task({**raw, "held_out": _sum(held_out)}, source=f"{path}, {entry['id']}"), data=data, held_out=held_out
    )


def _challenge(entry: dict[str, Any], data: dict[str, Path], held_out: Path) -> dict[str, Any]:
    """Return what is to be predicted, as far as the files and the entry say it: errors are counted, of two classes."""
    identifier, target = _header(held_out)
    train, test = list(data)
    errors = entry["expected"]["test_errors"]
    most, n = errors["range"][1], entry["expected"]["n_test"]["value"]
    return {
        "train": train,
        "test": test,
        "id_column": identifier,
        "target": target,
        "shape": "classification",
        "classes": tuple(sorted({row[1] for row in _rows(held_out)[1:]})),
        "metric": "accuracy",
        "direction": "higher",
        "baseline": {
            "label": f"at most {most} errors of {n}",
            "source": str(entry["expected_source"]),
            "value": 1 - most / n,
        },
    }


def _header(path: Path) -> tuple[str, str]:
    first, second = _rows(path)[0][:2]
    return first, second


def _rows(path: Path) -> list[list[str]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def _yaml(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"{path} can't be read: {error}.", advice="docs/compare.md shows the format.") from error
    if not isinstance(raw, dict):
        raise UsageError(f"{path} holds no mapping.", advice="docs/compare.md shows the format.")
    return raw


def _sum(path: Path, *, named: str = "") -> str:
    if not path.is_file():
        raise UsageError(f"There is no {path}.", advice="Put the file there, or correct the task.")
    found = sha256_file(path)
    if named and named != found:
        raise UsageError(
            f"{path} has the SHA-256 {found}, and the task names {named}.", advice="Get the file that the task means."
        )
    return found


def _task(raw: dict[str, Any], *, source: str) -> Task:
    try:
        return Task.model_validate(raw)
    except ValidationError as error:
        raise UsageError(f"{source}: {faults(error)}.") from error
