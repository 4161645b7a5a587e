"""Reading `predictions.csv`, which a program wrote that nobody trusts.

One row a test sample: the id column and `prediction`; of a classification also `score`, a number that is higher the
more likely the second class is. Nothing is repaired: what is not of the form is `Unusable`, and says which kind of
fault.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from counterproof.tools.scoring.metrics import Array, Metric

SIZE_MAX = 20_000_000
Fault = Literal["bad_output", "wrong_target"]
_FAR = 3.0
"""How many widths of the training target's range a whole set of predictions may lie outside of it."""


class Unusable(Exception):
    """Predictions that can't be scored; `fault` says why."""

    def __init__(self, fault: Fault, text: str) -> None:
        self.fault: Fault = fault
        super().__init__(text)


@dataclass(frozen=True, kw_only=True)
class TargetFacts:
    """What is known of the target from the training file.

    Attributes:
        id_column: names a sample.
        target: what is to be predicted.
        classes: the two classes; empty for a number.
        others: the other columns of the training file.
        train_ids: the samples of the training file.
        low: the smallest value of a number's target in training; 0 for classes.
        high: the largest.
    """

    id_column: str
    target: str
    classes: tuple[str, ...]
    others: frozenset[str]
    train_ids: frozenset[str]
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Predictions for samples in a given order.

    Attributes:
        prediction: class (0 or 1) or number of each sample, of the shape (n,).
        score: of a classification how likely the second class is; of a regression the number again.
    """

    prediction: Array
    score: Array

    def read_by(self, metric: Metric) -> Array:
        """Return what a metric takes."""
        return self.score if metric.reads == "score" else self.prediction


def read_predictions(data: bytes | None, facts: TargetFacts, ids: Sequence[str]) -> Predictions:
    """Read the predictions for some samples, in their order.

    Raises:
        Unusable: they are not of the form, or speak of something else than the target.
    """
    rows = _rows(data, facts)
    if len(rows) != len({row[facts.id_column] for row in rows}):
        raise Unusable("bad_output", "predictions.csv names a sample twice")
    by_id = {row[facts.id_column]: row for row in rows}
    missing = [name for name in ids if name not in by_id]
    if missing:
        if set(by_id) & facts.train_ids and not set(by_id) & set(ids):
            raise Unusable("wrong_target", "predictions.csv predicts the training samples, not the test samples")
        raise Unusable("bad_output", f"predictions.csv lacks {len(missing)} of {len(ids)} test samples")
    extra = len(by_id) - len(ids)
    if extra:
        raise Unusable("bad_output", f"predictions.csv has {extra} samples too many")
    ordered = [by_id[name] for name in ids]
    return _classes(ordered, facts) if facts.classes else _numbers(ordered, facts)


def _rows(data: bytes | None, facts: TargetFacts) -> list[dict[str, str]]:
    if data is None:
        raise Unusable("bad_output", "the program wrote no predictions.csv")
    if len(data) > SIZE_MAX:
        raise Unusable("bad_output", f"predictions.csv has {len(data):,} bytes; at most {SIZE_MAX:,} are read")
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig")), strict=True)
        rows, header = list(reader), set(reader.fieldnames or ())
    except (ValueError, csv.Error) as error:
        raise Unusable("bad_output", f"predictions.csv is no CSV file in UTF-8 ({error})") from error
    wanted = {facts.id_column, "prediction"} | ({"score"} if facts.classes else set())
    if not wanted <= header:
        stray = sorted(header & facts.others)
        if stray and "prediction" not in header:
            raise Unusable("wrong_target", f"predictions.csv gives {stray[0]!r}, and the target is {facts.target!r}")
        raise Unusable("bad_output", f"predictions.csv lacks the columns {', '.join(sorted(wanted - header))}")
    if any(None in row or None in row.values() for row in rows):
        raise Unusable("bad_output", "predictions.csv has rows of different lengths")
    return rows


def _classes(rows: list[dict[str, str]], facts: TargetFacts) -> Predictions:
    given = {row["prediction"] for row in rows}
    if not given & set(facts.classes):
        shown = ", ".join(sorted(given)[:3])
        raise Unusable("wrong_target", f"it predicts {shown}, and {facts.target!r} is {' or '.join(facts.classes)}")
    if strange := given - set(facts.classes):
        raise Unusable("bad_output", f"it predicts {sorted(strange)[0]!r}, and the classes are {facts.classes}")
    prediction = np.array([float(row["prediction"] == facts.classes[1]) for row in rows])
    return Predictions(prediction=prediction, score=_column(rows, "score"))


def _numbers(rows: list[dict[str, str]], facts: TargetFacts) -> Predictions:
    prediction = _column(rows, "prediction")
    width = max(facts.high - facts.low, 1e-12)
    if prediction.min() > facts.high + _FAR * width or prediction.max() < facts.low - _FAR * width:
        raise Unusable(
            "wrong_target",
            f"every prediction lies far outside of what {facts.target!r} is in training "
            f"({facts.low:g} to {facts.high:g})",
        )
    return Predictions(prediction=prediction, score=prediction)


def _column(rows: list[dict[str, str]], name: str) -> Array:
    try:
        values = [float(row[name]) for row in rows]
    except ValueError as error:
        raise Unusable("bad_output", f"the column {name} of predictions.csv holds what is no number") from error
    if not all(math.isfinite(value) for value in values):
        raise Unusable("bad_output", f"the column {name} of predictions.csv holds missing or infinite numbers")
    return np.array(values)
