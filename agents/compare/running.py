"""A campaign from its file to its table: preparing, doing all cells, and the campaign's own record.

The record holds the definition, and at the end the table with the digest of each cell's record, so that nothing of a
cell can be changed afterwards without its showing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.agents.compare.campaign import LoadedCampaign
from counterproof.agents.compare.cell import Cell, Done
from counterproof.agents.compare.cells import cells_of, languages_of, needs_twin
from counterproof.agents.compare.engine import CampaignRun
from counterproof.agents.compare.place import CampaignPlace
from counterproof.agents.compare.prepared import prepare
from counterproof.agents.compare.table import Table, make_table
from counterproof.agents.software import software
from counterproof.provenance.campaign_bundle import CellFiles, export_campaign_bundle, named_files
from counterproof.provenance.digests import canonical_json, digest_of, sha256_file
from counterproof.provenance.errors import UsageError
from counterproof.provenance.vault import Vault
from counterproof.sandbox import find_environment


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A campaign that is ready to run.

    Attributes:
        loaded: the campaign and its tasks.
        place: where it is kept.
        cells: what is to be done.
    """

    loaded: LoadedCampaign
    place: CampaignPlace
    cells: Sequence[Cell]


def plan_campaign(
    loaded: LoadedCampaign, folder: Path, *, vault: Vault, tell: Callable[[str], None] = lambda _line: None
) -> Planned:
    """Prepare the tasks of a campaign and write its beginning into its record.

    Args:
        loaded: the campaign and its tasks.
        folder: where campaigns are kept; this one gets a folder of its own, whose name holds the digest of its cells.
        vault: no file of it may be a task's data: programs that nobody approved run on those.
        tell: is told what takes long.

    Raises:
        UsageError: a task's data are in the vault, or the grid has no cell.
    """
    _refuse_vault(loaded, vault)
    shared = CampaignPlace(folder)
    twins = needs_twin(loaded)
    prepared = {}
    for name, placed in loaded.tasks.items():
        tell(f"preparing task {name}")
        prepared[name] = prepare(placed, shared.files, twin=name in twins)
    environments = {language: find_environment(language).digest for language in sorted(languages_of(loaded))}
    cells = cells_of(loaded, prepared, environments)
    if not cells:
        raise UsageError("The campaign has no cell.", advice="Its tasks can't be done in the languages of its grid.")
    keys = [cell.key for cell in cells]
    place = CampaignPlace(folder / f"{loaded.campaign.id}-{digest_of(keys)[:8]}", files=shared.files)
    record = place.record
    if not record.events():
        definition = {"campaign": loaded.campaign.model_dump(mode="json"), "cells": keys}
        ref = record.put("definition", canonical_json(definition))
        data = {
            "campaign": loaded.campaign.id,
            "title": loaded.campaign.title,
            "cells": len(cells),
            "software": software(),
        }
        record.append("campaign.created", data=data, refs=[ref])
    return Planned(loaded=loaded, place=place, cells=cells)


def end_campaign(planned: Planned, run: CampaignRun) -> Table:
    """Make the table; when every cell has ended, write it and what it rests on into the record, once."""
    place, campaign = planned.place, planned.loaded.campaign
    results = [run.done[cell.key].result for cell in planned.cells if cell.key in run.done]
    table = make_table(campaign.id, results, place, planned.loaded.tasks, cells=len(planned.cells))
    record = place.record
    if not table.missing and not record.of_type("campaign.ended"):
        listed = record.put("results", canonical_json([result.model_dump(mode="json") for result in results]))
        made = record.put("table", canonical_json(table.model_dump(mode="json")))
        places = {cell.key: place.cell(cell.key) for cell in planned.cells}
        heads = {key: one.record.events()[-1].digest for key, one in places.items()}
        studies = {key: sha256_file(one.bundle) for key, one in places.items() if one.bundle.exists()}
        data: dict[str, Any] = {"campaign": campaign.id, "cells": heads, "studies": studies}
        record.append("campaign.ended", data=data, refs=[listed, made])
    return table


def export_campaign(planned: Planned, target: Path, *, key: Ed25519PrivateKey) -> None:
    """Write the bundle of a campaign that has ended.

    Args:
        planned: the campaign.
        target: the zip file; replaced when it exists.
        key: the service key, which signs it.

    Raises:
        UsageError: it has not ended.
        MachineTrouble: the file can't be written.
    """
    place = planned.place
    places = {cell.key: place.cell(cell.key) for cell in planned.cells}
    definitions = [canonical_json(cell.model_dump(mode="json")) for cell in planned.cells]
    export_campaign_bundle(
        place.record,
        target,
        cells={
            name: CellFiles(record=one.record, study=one.bundle if one.bundle.exists() else None)
            for name, one in places.items()
        },
        files={digest: place.files / digest for digest in named_files(definitions)},
        service_key=key,
    )


def spent_by(done: Mapping[str, Done]) -> dict[str, dict[str, float]]:
    """Return what each model took over all its cells."""
    found: dict[str, dict[str, float]] = {}
    for one in done.values():
        sums = found.setdefault(one.result.name, {})
        for name, value in one.spent.model_dump().items():
            sums[name] = round(sums.get(name, 0) + value, 6)
    return dict(sorted(found.items()))


def _refuse_vault(loaded: LoadedCampaign, vault: Vault) -> None:
    known = vault.ledger.entries()
    for name, placed in loaded.tasks.items():
        if found := [file for file, sha256 in placed.task.data.items() if sha256 in known]:
            raise UsageError(
                f"The file {found[0]} of task {name} is in the vault.",
                allowed="Programs of a comparison run without approval, so its data are open or simulated.",
                advice="Make a study of it, or take the task out of the campaign.",
            )
