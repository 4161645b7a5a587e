"""The comparison: what the results of all cells say of the models.

Every number of it follows from the results of cells, and none from when or where they were done, so a campaign that is
run again has the same table. Ranks count only cells that were completed and whose probes are clean; a leaking cell is
shown with what it would have claimed, and has no rank.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean, median, pstdev
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from counterproof.agents.compare.cell import Arm, CellResult
from counterproof.agents.compare.place import CampaignPlace
from counterproof.agents.compare.scoring import Truth, read_truth
from counterproof.provenance.digests import sha256_bytes
from counterproof.sandbox import Language
from counterproof.tools.scoring import METRICS, Unusable, compare_paired, read_predictions
from counterproof.tools.tasks import PlacedTask


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Row(_Model):
    """One model with one task, in one language and one way of working, over all repeats."""

    name: str
    """The model."""
    task: str
    """The task."""
    language: Language
    """The language."""
    arm: Arm
    """The way of working."""
    repeats: int
    """How many repeats."""
    completed: int
    """How many of them were completed."""
    categories: dict[str, int]
    """How many came to each category."""
    probed: dict[str, int]
    """What the probes for leaks found, over those with predictions."""
    value: float | None
    """Median score of those that count; None where none does."""
    low: float | None
    """Lowest of them."""
    high: float | None
    """Highest of them."""
    spread: float | None
    """Standard deviation between repeats; None for fewer than two."""
    ci_low: float | None
    """Lower end of the bootstrap interval of the median repeat."""
    ci_high: float | None
    """Upper end of it."""
    claimed: float | None
    """Median score of those that leaked: what they would have been crowned for."""
    reached_baseline: int
    """How many of those that count are at least as good as the baseline."""
    baseline_p: float | None
    """P value of the median repeat against the baseline."""
    traps: int
    """Known wrong answers that were given; of an analysis."""
    cannot_conclude: int
    """How many said that the data can't answer; of an analysis."""
    rank: int | None
    """Place among the models of this task, language and way, by the median score; None where nothing counts."""


class Pair(_Model):
    """Two models with one task, in one language and way: the first repeats that count, sample by sample."""

    task: str
    language: Language
    arm: Arm
    first: str
    second: str
    difference: float
    """Score of the first less that of the second."""
    p_value: float
    """Two-sided, by permutation."""
    p_holm: float
    """The same, adjusted for all pairs of this task, language and way (Holm)."""


class Standing(_Model):
    """One model over all its cells."""

    name: str
    """The model."""
    place: int
    """Its place; models that are equal share one."""
    cells: int
    """How many cells it had."""
    counted: int
    """How many were completed, with clean probes or nothing to probe."""
    reached_baseline: int
    """How many of those are at least as good as the baseline."""
    mean_rank: float
    """Mean rank over its rows; a row where nothing counts has the rank behind the last model."""
    category: str
    """What most of its cells came to."""


class Table(_Model):
    """A comparison."""

    campaign: str
    """Id of the campaign."""
    standings: tuple[Standing, ...]
    """The models, best first."""
    rows: tuple[Row, ...]
    """The models by task, language and way."""
    pairs: tuple[Pair, ...]
    """Tests between models."""
    cells: int
    """How many cells there are."""
    missing: int
    """How many have no result yet."""


def make_table(
    campaign: str, results: Sequence[CellResult], place: CampaignPlace, tasks: Mapping[str, PlacedTask], *, cells: int
) -> Table:
    """Make the table of a campaign.

    Args:
        campaign: its id.
        results: of the cells that have ended.
        place: where their predictions are.
        tasks: the tasks with their answers, for the tests between models.
        cells: how many cells there are.
    """
    groups: dict[tuple[str, Language, Arm], list[CellResult]] = defaultdict(list)
    for result in results:
        groups[(result.task, result.language, result.arm)].append(result)
    rows: list[Row] = []
    pairs: list[Pair] = []
    for (task, _, _), group in sorted(groups.items()):
        asked = tasks[task].task.prediction
        lower = asked is not None and METRICS[asked.metric].direction == "lower"
        rows += _ranked([_row(name, own) for name, own in _by_name(group).items()], lower=lower)
        if asked is not None:
            pairs += _pairs(group, place, tasks[task], read_truth(tasks[task]))
    return Table(
        campaign=campaign,
        standings=_standings(rows, results),
        rows=tuple(rows),
        pairs=tuple(pairs),
        cells=cells,
        missing=cells - len(results),
    )


def counts(result: CellResult) -> bool:
    """Say whether a result is ranked."""
    return result.category == "completed" and result.probed in ("clean", "not_applicable")


def _row(name: str, results: Sequence[CellResult]) -> Row:
    good = sorted((one for one in results if counts(one)), key=lambda one: (one.value or 0.0, one.repeat))
    values = [one.value for one in good if one.value is not None]
    middle = good[(len(good) - 1) // 2] if good else None
    claimed = [one.value for one in results if one.category == "leaked" and one.value is not None]
    first = results[0]
    return Row(
        name=name,
        task=first.task,
        language=first.language,
        arm=first.arm,
        repeats=len(results),
        completed=sum(one.category == "completed" for one in results),
        categories=_counted(one.category for one in results),
        probed=_counted(one.probed for one in results if one.value is not None),
        value=median(values) if values else None,
        low=min(values, default=None),
        high=max(values, default=None),
        spread=pstdev(values) if len(values) > 1 else None,
        ci_low=middle.ci_low if middle else None,
        ci_high=middle.ci_high if middle else None,
        claimed=median(claimed) if claimed else None,
        reached_baseline=sum(bool(one.baseline and one.baseline.reached) for one in good),
        baseline_p=middle.baseline.p_value if middle and middle.baseline else None,
        traps=sum(len(one.numbers.traps) for one in results if one.numbers),
        cannot_conclude=sum(not one.numbers.concluded for one in results if one.numbers),
        rank=None,
    )


def _ranked(rows: list[Row], *, lower: bool) -> list[Row]:
    values = sorted({row.value for row in rows if row.value is not None}, reverse=not lower)
    better = {value: sum(row.value in values[:at] for row in rows) for at, value in enumerate(values)}
    return [
        row if row.value is None else row.model_copy(update={"rank": 1 + better[row.value]})
        for row in sorted(rows, key=lambda row: row.name)
    ]


def _standings(rows: Sequence[Row], results: Sequence[CellResult]) -> tuple[Standing, ...]:
    """Order the models by the share of their cells that count, then by their mean rank."""
    last: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in rows:
        last[(row.task, row.language, row.arm)] += 1
    found = []
    for name, own in _by_name(results).items():
        mine = [row for row in rows if row.name == name]
        good = [one for one in own if counts(one)]
        ranks = [row.rank or last[(row.task, row.language, row.arm)] + 1 for row in mine]
        categories = _counted(one.category for one in own)
        found.append(
            Standing(
                name=name,
                place=0,
                cells=len(own),
                counted=len(good),
                reached_baseline=sum(bool(one.baseline and one.baseline.reached) for one in good),
                mean_rank=round(fmean(ranks), 6),
                category=max(categories, key=lambda category: categories[category]),
            )
        )

    def order(one: Standing) -> tuple[float, float]:
        # Where nothing counts, there is no better or worse.
        return (-one.counted / one.cells, one.mean_rank if one.counted else 0.0)

    return tuple(
        one.model_copy(update={"place": 1 + sum(order(other) < order(one) for other in found)})
        for one in sorted(found, key=lambda one: (*order(one), one.name))
    )


def _pairs(group: Sequence[CellResult], place: CampaignPlace, placed: PlacedTask, truth: Truth) -> list[Pair]:
    asked = placed.task.prediction
    assert asked is not None
    metric = METRICS[asked.metric]
    given: dict[str, Any] = {}
    for result in sorted(group, key=lambda one: one.repeat):
        if counts(result) and result.name not in given:
            found = predictions_of(place, result)
            try:
                given[result.name] = read_predictions(found, truth.facts, truth.ids).read_by(metric)
            except Unusable:
                continue
    first = group[0]
    tested = [
        (left, right, compare_paired(metric, truth.values, given[left], given[right], seed=1))
        for left, right in combinations(sorted(given), 2)
    ]
    adjusted = _holm([found.p_value for _, _, found in tested])
    return [
        Pair(
            task=first.task,
            language=first.language,
            arm=first.arm,
            first=left,
            second=right,
            difference=found.difference,
            p_value=found.p_value,
            p_holm=holm,
        )
        for (left, right, found), holm in zip(tested, adjusted, strict=True)
    ]


def predictions_of(place: CampaignPlace, result: CellResult) -> bytes | None:
    """Return the predictions that were scored in a cell; None where they stayed on the secure side of its study."""
    blobs = place.cell(result.cell).record.blobs
    if not result.predictions or not blobs.has(result.predictions):
        return None
    data = blobs.get(result.predictions)
    return data if sha256_bytes(data) == result.predictions else None


def _holm(values: Sequence[float]) -> list[float]:
    """Adjust p values for their number (Holm 1979)."""
    order = np.argsort(values, kind="stable")
    adjusted, largest = [1.0] * len(values), 0.0
    for step, at in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - step) * values[at]))
        adjusted[at] = largest
    return adjusted


def _by_name(results: Sequence[CellResult]) -> dict[str, list[CellResult]]:
    found: dict[str, list[CellResult]] = defaultdict(list)
    for result in sorted(results, key=lambda one: (one.name, one.task, one.language, one.arm, one.repeat)):
        found[result.name].append(result)
    return found


def _counted(names: Any) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for name in names:
        found[name] += 1
    return dict(sorted(found.items()))
