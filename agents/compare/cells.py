"""The cells of a campaign, in the order in which they are begun."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from counterproof.agents.compare.campaign import Campaign, ComparedModel, Grid, LoadedCampaign
from counterproof.agents.compare.cell import Cell
from counterproof.agents.compare.prepared import Prepared
from counterproof.agents.prompts import source_of
from counterproof.provenance.digests import digest_of
from counterproof.sandbox import Language
from counterproof.tools.tasks import Task, TaskLimits

_PROMPTS = ("single", "plan", "program", "fault", "predictions", "numbers")


def cells_of(
    loaded: LoadedCampaign, prepared: Mapping[str, Prepared], environments: Mapping[Language, str]
) -> list[Cell]:
    """Return the cells of a campaign, each once.

    Args:
        loaded: the campaign and its tasks.
        prepared: what was made of each task.
        environments: digest of the environment of each language.
    """
    campaign, cells = loaded.campaign, dict[str, Cell]()
    for repeat in range(1, campaign.repeats + 1):
        for grid in campaign.grid:
            for task_id in _tasks(grid, loaded):
                task = loaded.tasks[task_id].task
                for name, model in _models(grid, campaign):
                    for cell in _cells(campaign, grid, task, name, model, prepared[task_id], environments, repeat):
                        cells.setdefault(cell.key, cell)
    return list(cells.values())


def languages_of(loaded: LoadedCampaign) -> set[Language]:
    """Return the languages that a campaign needs."""
    return {language for grid in loaded.campaign.grid for language in grid.languages}


def needs_twin(loaded: LoadedCampaign) -> set[str]:
    """Return the ids of the tasks of which a twin is needed."""
    return {name for grid in loaded.campaign.grid if "agentic" in grid.arms for name in _tasks(grid, loaded)}


def _cells(
    campaign: Campaign,
    grid: Grid,
    task: Task,
    name: str,
    model: ComparedModel,
    prepared: Prepared,
    environments: Mapping[Language, str],
    repeat: int,
) -> list[Cell]:
    seed = campaign.seed + repeat - 1
    changed = {limit: value for limit, value in campaign.limits.model_dump().items() if value is not None}
    return [
        Cell(
            campaign=campaign.id,
            name=name,
            model=model.config(seed=seed),
            price_in=model.price_in,
            price_out=model.price_out,
            task=task,
            prepared=prepared if arm == "agentic" else prepared.model_copy(update={"twin": {}}),
            language=language,
            environment=environments[language],
            arm=arm,
            limits=TaskLimits(**{**task.limits.model_dump(), **changed}),
            max_repairs=campaign.max_repairs,
            repeat=repeat,
            seed=seed,
            prompts=_prompts(),
        )
        for language in grid.languages
        if language in task.languages
        for arm in grid.arms
    ]


def _tasks(grid: Grid, loaded: LoadedCampaign) -> list[str]:
    return list(loaded.tasks) if "*" in grid.tasks else list(grid.tasks)


def _models(grid: Grid, campaign: Campaign) -> list[tuple[str, ComparedModel]]:
    names = list(campaign.models) if "*" in grid.models else list(grid.models)
    return [(name, campaign.models[name]) for name in names]


@cache
def _prompts() -> str:
    return digest_of({name: source_of(f"compare_{name}") for name in _PROMPTS})
