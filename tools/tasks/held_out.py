"""Held-out answers: read by the scoring, by nobody else.

A prediction's are a CSV file with the id column and the target. An analysis' are a YAML file:

    expected:
      hr: {value: 0.588, tol: 0.005}
      rate: {range: [0.5, 0.8]}
      p: {text: computed, never typed}     # not scored
    traps: {hr_inverted: 1.70}             # known wrong answers
    cannot_conclude: false                 # true where the right answer is that the data can't answer

What is read here never goes into a prompt, a sandbox or a record.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.tools.results import faults
from counterproof.tools.scoring.answers import Answers
from counterproof.tools.tasks.task import PlacedTask


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The true values of the test samples.

    Attributes:
        ids: the samples, in the order of the file.
        values: the target of each, as text.
    """

    ids: tuple[str, ...]
    values: tuple[str, ...]


def read_labels(placed: PlacedTask) -> Labels:
    """Read the held-out labels of a prediction.

    Raises:
        UsageError: the file is missing or not of its form.
        VerificationFailed: it is not the one that the task names.
    """
    assert placed.task.prediction is not None
    asked = placed.task.prediction
    rows = list(csv.DictReader(io.StringIO(_read(placed).decode("utf-8-sig"))))
    try:
        return Labels(ids=tuple(row[asked.id_column] for row in rows), values=tuple(row[asked.target] for row in rows))
    except KeyError as error:
        raise UsageError(
            f"The held-out labels of task {placed.task.id} have no column {error}.",
            allowed=f"Columns: {asked.id_column}, {asked.target}.",
        ) from error


def read_answers(placed: PlacedTask) -> Answers:
    """Read the held-out answers of an analysis.

    Raises:
        UsageError: the file is missing or not of its form.
        VerificationFailed: it is not the one that the task names.
    """
    found: dict[str, Any] = yaml.safe_load(_read(placed))
    if "tasks" in found:
        (found,) = (entry for entry in found["tasks"] if entry["id"] == placed.task.id)
        wrong = found.get("wrong") or {}
        found = {**found, "traps": {name: value for name, value in wrong.items() if isinstance(value, int | float)}}
    try:
        return Answers.model_validate(found)
    except ValidationError as error:
        raise UsageError(f"The held-out answers of task {placed.task.id}: {faults(error)}.") from error


def _read(placed: PlacedTask) -> bytes:
    try:
        data = placed.held_out.read_bytes()
    except OSError as error:
        raise UsageError(
            f"The held-out answers of task {placed.task.id} can't be read: {error.strerror}.",
            advice="They are needed on every machine that scores; see docs/compare.md.",
        ) from error
    if sha256_bytes(data) != placed.task.held_out:
        raise VerificationFailed(f"The held-out answers of task {placed.task.id} have been changed.")
    return data
