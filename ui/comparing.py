"""A comparison from its file to its table: workers, scripted models, progress, report and bundle."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from distributed import Client
from pydantic import ValidationError

from counterproof.agents.compare import CampaignRun, load_campaign, run_campaign
from counterproof.agents.compare.campaign import Campaign
from counterproof.agents.compare.clusters import QueueSettings, local_workers, queued_workers, workers_at
from counterproof.agents.compare.engine import Seat
from counterproof.agents.compare.report import report_page
from counterproof.agents.compare.running import Planned, end_campaign, export_campaign, plan_campaign, spent_by
from counterproof.agents.compare.text import table_text
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.signing import service_key
from counterproof.scenarios.campaigns import campaign_path
from counterproof.scenarios.scripted import SCRIPTS, ModelServer
from counterproof.tools import faults
from counterproof.ui import environment
from counterproof.ui.common import check_target, progress
from counterproof.ui.live import live
from counterproof.ui.output import say
from counterproof.ui.vaults import open_vault

CAMPAIGNS, REPORT = "campaigns", "report.html"


def compare(
    campaign: str,
    home: Path,
    *,
    workers: int | None = None,
    scheduler: str = "",
    queue: Path | None = None,
    report: Path | None = None,
    bundle: Path | None = None,
    dry_run: bool = False,
) -> tuple[dict[str, Any], str]:
    """Do what is left of a campaign, and return its table as JSON and as text.

    Args:
        campaign: its file, or the name of one of ours.
        home: the store; the campaign is kept in its folder `campaigns`.
        workers: worker processes on this machine; None for one a core.
        scheduler: address of a Dask scheduler; "" for none.
        queue: settings of a batch system; None for none.
        report: where the page is written; None for nowhere.
        bundle: where the bundle is written; None for nowhere.
        dry_run: list the cells only.

    Raises:
        UsageError: the campaign, a task or a target can't be used.
        MachineTrouble: cells could not be done; the same call goes on.
    """
    for target in (report, bundle):
        if target is not None:
            check_target(target)
    loaded, tell = load_campaign(campaign_path(campaign)), progress()
    _check_scripts(loaded.campaign)
    planned = plan_campaign(loaded, home / CAMPAIGNS, vault=open_vault(home / "vault"), tell=tell)
    if dry_run:
        return _listed(planned)
    with ExitStack() as stack:
        endpoints = stack.enter_context(_scripted(loaded.campaign))
        run = _run(planned, endpoints, _workers(planned, workers, scheduler, queue), tell=tell)
    table, spent = end_campaign(planned, run), spent_by(run.done)
    page = report_page(loaded, table, list(run.done.values()))
    for target in (planned.place.folder / REPORT, report):
        if target is not None:
            target.write_text(page, encoding="utf-8")
    if report is not None:
        say(f"report: {report}")
    if run.troubles:
        first = next(iter(run.troubles.values()))
        raise MachineTrouble(
            f"{len(run.troubles)} of {len(planned.cells)} cells could not be done; the first: {first}",
            advice="What is done is kept. Mend it, then start the same command again.",
        )
    if bundle is not None:
        export_campaign(planned, bundle, key=service_key(home))
        say(f"bundle: {bundle}")
    value = {
        "folder": str(planned.place.folder),
        "before": run.before,
        "table": table.model_dump(mode="json"),
        "spent": spent,
    }
    return value, table_text(table, spent)


def _run(
    planned: Planned, endpoints: Mapping[str, str], workers: AbstractContextManager[Client], *, tell: Any
) -> CampaignRun:
    seat = Seat(
        place=planned.place,
        tasks=planned.loaded.tasks,
        endpoints=endpoints,
        limits=planned.loaded.campaign.endpoints,
        api_key=environment.api_key,
        search_path=environment.search_path,
        ready=environment.clean,
    )
    if all(planned.place.done(cell) for cell in planned.cells):
        tell("every cell was done before")
        return CampaignRun.of_finished(planned.place, planned.cells)
    tell("starting workers")
    with workers as client, live(planned.place, planned.cells, tell) as told:
        return run_campaign(planned.cells, seat, client, tell=told)


def _workers(
    planned: Planned, workers: int | None, scheduler: str, queue: Path | None
) -> AbstractContextManager[Client]:
    if scheduler:
        return workers_at(scheduler)
    if queue is not None:
        return queued_workers(_queue(queue), planned.place.folder)
    return local_workers(workers or os.cpu_count() or 1)


def _queue(path: Path) -> QueueSettings:
    try:
        return QueueSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UsageError(f"{path}: {faults(error)}.", advice="docs/compare.md shows such a file.") from error
    except ValueError as error:
        raise UsageError(f"{path} is no TOML: {error}.") from error


def _check_scripts(campaign: Campaign) -> None:
    for name, model in campaign.models.items():
        if model.scripted and model.scripted not in SCRIPTS:
            raise UsageError(
                f"Model {name} is played by the script {model.scripted!r}.", allowed=f"Scripts: {', '.join(SCRIPTS)}."
            )


@contextmanager
def _scripted(campaign: Campaign) -> Iterator[dict[str, str]]:
    """Serve the scripted models, if there are any, and yield their addresses by name."""
    names = [name for name, model in campaign.models.items() if model.scripted]
    if not names:
        yield {}
        return
    with ModelServer() as server:
        yield dict.fromkeys(names, server.base_url)


def _listed(planned: Planned) -> tuple[dict[str, Any], str]:
    rows = [
        {
            "cell": cell.key,
            "model": cell.name,
            "task": cell.task.id,
            "language": cell.language,
            "arm": cell.arm,
            "repeat": cell.repeat,
            "done": planned.place.done(cell) is not None,
        }
        for cell in planned.cells
    ]
    lines = [
        f"{row['cell']}  {'done' if row['done'] else 'left'}  {row['model']}  {row['task']}  {row['language']}  "
        f"{row['arm']}  {row['repeat']}"
        for row in rows
    ]
    return {"folder": str(planned.place.folder), "cells": rows}, "\n".join([*lines, f"{len(rows)} cells"])
