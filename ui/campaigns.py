"""View objects of the comparisons in the store: how far each is, and the table of one that has ended.

It does not cover starting one, which is for the command line (`counterproof compare`): its programs run without
approval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterproof.agents.compare.cell import IN_WORDS, CellResult
from counterproof.agents.compare.lines import (
    LEAKS,
    ROW_HEAD,
    STANDING_HEAD,
    categories,
    groups,
    row_cells,
    standing_cells,
)
from counterproof.agents.compare.place import CampaignPlace
from counterproof.agents.compare.table import Table
from counterproof.provenance.errors import UsageError
from counterproof.provenance.record import Record
from counterproof.ui.comparing import CAMPAIGNS, REPORT
from counterproof.ui.desk import Desk
from counterproof.ui.subjects import Listing


@dataclass(frozen=True, kw_only=True)
class CampaignRow:
    """A comparison in the list.

    Attributes:
        name: its folder.
        done: how many cells have ended.
        cells: how many there are.
        since: when it was begun.
    """

    name: str
    title: str
    done: int
    cells: int
    since: str

    @property
    def going_on(self) -> bool:
        """Whether cells are left."""
        return self.done < self.cells


@dataclass(frozen=True, kw_only=True)
class CampaignView:
    """A comparison.

    Attributes:
        row: how far it is.
        models: the models, best first, when it has ended; else what came of their cells so far.
        tasks: one listing a task, language and way of working, when it has ended.
        note: how to read them.
        categories: what the categories mean.
        report: the page that the command wrote; None when it has not.
    """

    row: CampaignRow
    models: Listing
    tasks: tuple[Listing, ...]
    note: str
    categories: Listing
    report: Path | None


def campaigns_view(desk: Desk) -> tuple[CampaignRow, ...]:
    """Return the comparisons in the store, the latest first.

    Raises:
        NotAllowed: nobody is there.
    """
    desk.require("read")
    rows = [_row(place) for place in _places(desk)]
    return tuple(sorted(rows, key=lambda row: row.since, reverse=True))


def campaign_view(desk: Desk, name: str) -> CampaignView:
    """Return a comparison.

    Raises:
        NotAllowed: nobody is there.
        UsageError: there is none of this name.
    """
    desk.require("read")
    place = _place(desk, name)
    table, report = _table(place.record), place.folder / REPORT
    results = [] if table is not None else _results(place)
    words = categories(table) if table else [(one, IN_WORDS[one]) for one in sorted({r.category for r in results})]
    return CampaignView(
        row=_row(place),
        models=_so_far(results) if table is None else _standings(table),
        tasks=() if table is None else _tasks(table),
        note="" if table is None else LEAKS,
        categories=Listing(
            title="What the categories mean", rows=tuple({"category": name, "means": said} for name, said in words)
        ),
        report=report if report.is_file() else None,
    )


def _places(desk: Desk) -> list[CampaignPlace]:
    folder = desk.workplace.store.home / CAMPAIGNS
    return [CampaignPlace(path.parent.parent) for path in sorted(folder.glob("*/record/events.jsonl"))]


def _place(desk: Desk, name: str) -> CampaignPlace:
    for place in _places(desk):
        if place.folder.name == name:
            return place
    raise UsageError(f"There is no comparison {name!r} in the store.", advice="The page Compare lists all.")


def _row(place: CampaignPlace) -> CampaignRow:
    created = place.record.of_type("campaign.created")[0]
    return CampaignRow(
        name=place.folder.name,
        title=created.data["title"],
        done=sum(1 for _ in place.folder.glob("cells/*/result.json")),
        cells=created.data["cells"],
        since=created.ts,
    )


def _table(record: Record) -> Table | None:
    ended = record.of_type("campaign.ended")
    return Table.model_validate_json(record.blobs.get(ended[0].ref("table").sha256)) if ended else None


def _results(place: CampaignPlace) -> list[CellResult]:
    found = (place.cell(path.name).done() for path in sorted(place.folder.glob("cells/*")))
    return [done.result for done in found if done is not None]


def _so_far(results: Sequence[CellResult]) -> Listing:
    rows = []
    for name in sorted({result.name for result in results}):
        came = Counter(result.category for result in results if result.name == name)
        rows.append({"model": name, "cells": str(came.total()), "came to": _counted(came)})
    return Listing(title="What came of the cells so far", rows=tuple(rows), empty="No cell has ended yet.")


def _standings(table: Table) -> Listing:
    rows = tuple(dict(zip(STANDING_HEAD, standing_cells(one), strict=True)) for one in table.standings)
    return Listing(title="Which models can be trusted with these tasks", rows=rows)


def _tasks(table: Table) -> tuple[Listing, ...]:
    return tuple(
        Listing(title=title, rows=tuple(dict(zip(ROW_HEAD, row_cells(row), strict=True)) for row in rows))
        for title, rows in groups(table)
    )


def _counted(categories: Mapping[Any, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(categories.items()))
