"""What came of a cell: category, score and probes. This alone reads the held-out answers.

1. a failure of the arm stands as it is;
2. predictions are read; what is not of the form, or predicts something else, is a failure;
3. the probes run the program again on altered data (`prepared`): what was fitted to test samples, or is known by name
   or in spite of the labels, has leaked. A program that gives other numbers each time can't be probed, and is not
   ranked;
4. the score with its bootstrap interval, and a test against the baseline.

A leaking cell is scored too, so that a reader sees what it would have claimed; it is never ranked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterproof.agents.compare.cell import AgainstBaseline, Cell, CellResult, Numbers, Probed
from counterproof.agents.compare.prepared import table_rows
from counterproof.agents.compare.trials import Trial, TrialRoom
from counterproof.agents.compare.workbench import Attempt
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import ModelMayRetry
from counterproof.tools import parse_results
from counterproof.tools.scoring import (
    METRICS,
    Predictions,
    TargetFacts,
    Unusable,
    bootstrap,
    compare_paired,
    compare_value,
    read_predictions,
    score_numbers,
)
from counterproof.tools.scoring.metrics import Array
from counterproof.tools.tasks import PlacedTask, Prediction, read_answers, read_labels

CANNOT_CONCLUDE = "cannot_conclude"
"""The id of the one result that says that the data can't answer."""
_SAME = 1e-5
"""Predictions that differ by less than this share of their range are the same: sums in another order are not equal."""
_STILL = 0.9
"""Correlation from which predictions that were made with shuffled labels are those of before."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The held-out labels of a task as numbers, and what is known of its target.

    Attributes:
        ids: the test samples.
        values: the truth of each, 0 or 1 for a class; of the shape (n,).
        facts: of the training file.
        baseline: the baseline's predictions for the same samples; None where there are none.
    """

    ids: tuple[str, ...]
    values: Array
    facts: TargetFacts
    baseline: Predictions | None


def read_truth(placed: PlacedTask) -> Truth:
    """Read the labels of a prediction task.

    Raises:
        UsageError: they are missing, or the baseline's predictions are not of the form.
    """
    asked = placed.task.prediction
    assert asked is not None
    labels, facts = read_labels(placed), _facts(placed, asked)
    values = [float(value == asked.classes[1]) if asked.classes else float(value) for value in labels.values]
    baseline = read_predictions(placed.baseline.read_bytes(), facts, labels.ids) if placed.baseline else None
    return Truth(ids=labels.ids, values=np.array(values), facts=facts, baseline=baseline)


def score_cell(cell: Cell, attempt: Attempt, room: TrialRoom, placed: PlacedTask, truth: Truth | None) -> CellResult:
    """Return what came of a cell.

    Args:
        cell: which.
        attempt: what its arm came to.
        room: runs the probes.
        placed: the task with its answers.
        truth: the labels of a prediction; None for an analysis.
    """
    blank = CellResult(
        cell=cell.key,
        name=cell.name,
        task=cell.task.id,
        language=cell.language,
        arm=cell.arm,
        repeat=cell.repeat,
        category=attempt.fault or "completed",
        detail=attempt.detail,
    )
    if attempt.fault is not None:
        return blank
    if truth is None:
        return _numbers(blank, attempt, placed)
    return _predictions(blank, cell, attempt, room, truth)


def _numbers(blank: CellResult, attempt: Attempt, placed: PlacedTask) -> CellResult:
    try:
        results = parse_results((attempt.outputs or {}).get("results.json"))
    except ModelMayRetry as error:
        return blank.model_copy(update={"category": "bad_output", "detail": str(error)[:300]})
    given = {result.id: result.value for result in results.results}
    found = score_numbers(None if CANNOT_CONCLUDE in given else given, read_answers(placed))
    return blank.model_copy(
        update={
            "value": found.share,
            "n": len(found.right) + len(found.wrong) + len(found.missing),
            "numbers": Numbers(**{name: getattr(found, name) for name in Numbers.model_fields}),
        }
    )


def _predictions(blank: CellResult, cell: Cell, attempt: Attempt, room: TrialRoom, truth: Truth) -> CellResult:
    asked = cell.task.prediction
    assert asked is not None
    written = (attempt.outputs or {}).get(cell.task.output)
    try:
        given = read_predictions(written, truth.facts, truth.ids)
    except Unusable as error:
        return blank.model_copy(update={"category": error.fault, "detail": str(error)})
    metric, seed = METRICS[asked.metric], _seed(cell)
    interval = bootstrap(metric, truth.values, given.read_by(metric), seed=seed)
    scored = blank.model_copy(
        update={
            "value": interval.value,
            "ci_low": interval.low,
            "ci_high": interval.high,
            "n": interval.n,
            "baseline": _against(asked, truth, given, seed=seed),
            "predictions": sha256_bytes(written or b""),
        }
    )
    probed, why = _probe(cell, attempt.program, room, truth, given)
    update = {"probed": probed, "detail": why}
    return scored.model_copy(update={**update, "category": "leaked"} if probed == "leak" else update)


def _against(asked: Prediction, truth: Truth, given: Predictions, *, seed: int) -> AgainstBaseline:
    metric = METRICS[asked.metric]
    if truth.baseline is not None:
        found = compare_paired(metric, truth.values, given.read_by(metric), truth.baseline.read_by(metric), seed=seed)
    else:
        found = compare_value(metric, truth.values, given.read_by(metric), asked.baseline.value, seed=seed)
    better = found.difference if metric.direction == "higher" else -found.difference
    return AgainstBaseline(
        kind="value" if truth.baseline is None else "predictions",
        difference=found.difference,
        p_value=found.p_value,
        reached=bool(better >= -1e-9),
    )


def _probe(cell: Cell, program: str, room: TrialRoom, truth: Truth, given: Predictions) -> tuple[Probed, str]:
    """Run the program on altered data and say where its predictions come from, and in words what was found."""
    width = float(np.ptp(given.score)) or 1.0
    again: Predictions | None = None
    alone = _read(room.run("probe/alone", program, cell.prepared.alone, "alone"), room, truth)
    if alone is None:
        return "inconclusive", "it fails where other test samples are extreme, so a leak can't be ruled out"
    stays = [truth.ids.index(new) for new in cell.prepared.renamed]
    source = [truth.ids.index(cell.prepared.renamed[truth.ids[at]]) for at in stays]
    if _differ(alone.score[stays], given.score[source], width):
        again = _read(room.run("probe/again", program, cell.task.data, "again"), room, truth)
        if again is None or _differ(again.score, given.score, width):
            return "inconclusive", "it gives other predictions each time, so a leak can't be ruled out"
        return "leak", "its predictions of a sample depend on other test samples or on the sample's name"
    shuffled = _read(room.run("probe/labels", program, cell.prepared.labels, "labels"), room, truth)
    if shuffled is None:
        return "inconclusive", "it fails on shuffled labels, so a leak can't be ruled out"
    if _correlated(shuffled.score, given.score) > _STILL:
        return "leak", "its predictions stay the same when the training labels are shuffled"
    return "clean", ""


def _read(trial: Trial, room: TrialRoom, truth: Truth) -> Predictions | None:
    digest = trial.output("tables/predictions.csv")
    if trial.status != "ok" or digest is None:
        return None
    try:
        return read_predictions(room.record.blobs.get(digest), truth.facts, truth.ids)
    except Unusable:
        return None


def _differ(first: Array, second: Array, width: float) -> bool:
    return bool(np.max(np.abs(first - second)) > _SAME * width)


def _correlated(first: Array, second: Array) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _facts(placed: PlacedTask, asked: Prediction) -> TargetFacts:
    header, *rows = table_rows(asked.train, placed.data[asked.train].read_bytes())
    at, named = header.index(asked.target), header.index(asked.id_column)
    numbers = [] if asked.classes else [float(row[at]) for row in rows]
    return TargetFacts(
        id_column=asked.id_column,
        target=asked.target,
        classes=asked.classes,
        others=frozenset(header) - {asked.id_column, asked.target},
        train_ids=frozenset(row[named] for row in rows),
        low=min(numbers, default=0.0),
        high=max(numbers, default=0.0),
    )


def _seed(cell: Cell) -> int:
    """Return one seed a task: equal predictions have equal intervals, whoever made them."""
    return int(cell.task.digest[:8], 16)
