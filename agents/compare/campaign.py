"""A campaign: which models do which tasks, in which languages and ways, and how often.

id = "dream-style"
title = "…"
repeats = 2
seed = 1
tasks = ["tasks/leukaemia", "other/tasks.yaml"]     # folders, or sets, beside this file

[models.local]                      # as in models.toml, and beside it:
model = "qwen3-32b"
base_url = "http://127.0.0.1:8000/v1"
takes_seed = true                   # send the seed of the repeat
price_in = 0.5                      # for a million tokens
price_out = 1.5

[models.leaking]
scripted = "leaking"                # one of our own scripts, for testing a comparison

[[grid]]
models = ["local", "leaking"]       # "*" for all
tasks = ["leukaemia"]
languages = ["python", "r"]
arms = ["single_shot", "agentic", "gated"]

[limits]                            # in place of the tasks' own
wall_s = 60

[endpoints."127.0.0.1:8000"]
concurrent = 4
per_minute = 120
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from counterproof.agents.compare.cell import Arm
from counterproof.agents.models import ModelConfig
from counterproof.provenance.errors import UsageError
from counterproof.sandbox import Language
from counterproof.tools import faults
from counterproof.tools.tasks import PlacedTask, load_task, load_task_set

SCRIPTED_URL = "http://scripted.invalid/v1"
"""Stands in the record of a cell of a scripted model: it is served at another port each time."""
_ALL = ("*",)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ComparedModel(ModelConfig):
    """A model that takes part."""

    scripted: str = ""
    """Name of one of our own scripts, which plays the model over loopback; "" for a real one."""
    takes_seed: bool = False
    """Whether the seed of the repeat is sent."""
    price_in: float = Field(default=0.0, ge=0)
    """Price of a million tokens that are sent."""
    price_out: float = Field(default=0.0, ge=0)
    """Price of a million tokens that come back."""

    @model_validator(mode="before")
    @classmethod
    def _script(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and raw.get("scripted"):
            return {"model": f"scripted-{raw['scripted']}", "base_url": SCRIPTED_URL, "api_key_env": "", **raw}
        return raw

    def config(self, *, seed: int) -> ModelConfig:
        """Return how it is asked in a repeat."""
        plain = self.model_dump(include=set(ModelConfig.model_fields))
        return ModelConfig(**{**plain, **({"seed": seed} if self.takes_seed else {})})


class Grid(_Model):
    """Cells: each of these models with each of these tasks, languages and ways of working."""

    models: tuple[str, ...] = _ALL
    """Names of models; "*" for all."""
    tasks: tuple[str, ...] = _ALL
    """Ids of tasks; "*" for all."""
    languages: tuple[Language, ...] = ("python",)
    """Languages of the programs, as far as a task can be done in them."""
    arms: tuple[Arm, ...] = ("single_shot",)
    """Ways of working."""


class Override(_Model):
    """Limits in place of the tasks' own."""

    wall_s: int | None = Field(default=None, ge=1)
    """Seconds for one run of a program."""
    memory_mib: int | None = Field(default=None, ge=64)
    """Memory of one run."""
    tokens: int | None = Field(default=None, ge=1)
    """Tokens of all model calls of a cell."""
    cost: float | None = Field(default=None, ge=0)
    """Money for all model calls of a cell."""


class EndpointLimit(_Model):
    """How often an endpoint may be asked, by all workers together."""

    concurrent: int | None = Field(default=None, ge=1)
    """Requests at the same time."""
    per_minute: int | None = Field(default=None, ge=1)
    """Requests a minute."""


class Campaign(_Model):
    """A comparison."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    """Its name."""
    title: str = Field(min_length=1)
    """What it is, for people."""
    repeats: int = Field(default=1, ge=1, le=100)
    """How often each cell is done."""
    seed: int = Field(default=1, ge=0, lt=2**31)
    """The seed of the first repeat; each further one has the next."""
    tasks: tuple[str, ...] = Field(min_length=1)
    """Where the tasks are, from the file's folder."""
    models: dict[str, ComparedModel] = Field(min_length=1)
    """The models, by the names that the table uses."""
    grid: tuple[Grid, ...] = Field(min_length=1)
    """The cells."""
    limits: Override = Override()
    """Limits in place of the tasks' own."""
    max_repairs: int = Field(default=3, ge=0, le=10)
    """How often a program is repaired on the twin in the agentic arm."""
    endpoints: dict[str, EndpointLimit] = Field(default_factory=dict)
    """Limits of endpoints, by host and port."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        named = {name for grid in self.grid for name in grid.models} - {"*"}
        if unknown := sorted(named - set(self.models)):
            raise ValueError(f"the grid names the model {unknown[0]!r}, and the models are {', '.join(self.models)}")
        return self


@dataclass(frozen=True, kw_only=True)
class LoadedCampaign:
    """A campaign with its tasks, by their ids."""

    campaign: Campaign
    tasks: Mapping[str, PlacedTask]


def load_campaign(path: Path) -> LoadedCampaign:
    """Read a campaign and the tasks that its grid names.

    Raises:
        UsageError: the file, a task or a name in it is not as it should be; the text says where.
    """
    try:
        campaign = Campaign.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"There is no campaign {path}.", advice="docs/compare.md shows how to write one.") from error
    except ValidationError as error:
        raise UsageError(f"{path}: {faults(error)}.") from error
    except ValueError as error:
        raise UsageError(f"{path} is no TOML: {error}.") from error
    tasks: dict[str, PlacedTask] = {}
    for name in campaign.tasks:
        place = path.parent / name
        found = load_task_set(place) if place.suffix in (".yaml", ".yml") else {}
        if not found:
            placed = load_task(place)
            found = {placed.task.id: placed}
        tasks |= found
    named = {name for grid in campaign.grid for name in grid.tasks}
    if unknown := sorted(named - set(tasks) - {"*"}):
        raise UsageError(f"{path}: the grid names the task {unknown[0]!r}.", allowed=f"Tasks: {', '.join(tasks)}.")
    used = tasks if "*" in named else {name: placed for name, placed in tasks.items() if name in named}
    return LoadedCampaign(campaign=campaign, tasks=used)
