"""The catalogue: what a scenario is made of, and reading it from its folder.

<name>/scenario.toml     title, model, who wrote the turns, scripted decisions, expected answers
<name>/question.md       the question
<name>/codebook.md       what the columns mean (may be missing)
<name>/data/             the data files
<name>/turns.jsonl       one recorded exchange a line: {"origin", "request", "response"}
<name>/authored/         answers that were written by hand, for `counterproof scenarios record`
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from counterproof.agents.models import ModelConfig
from counterproof.provenance.errors import UsageError
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.sandbox import Language
from counterproof.scenarios.server import Turn
from counterproof.tools import faults
from counterproof.tools.exposure import Exposure
from counterproof.tools.looking import Meaning

ROOT = Path(__file__).parent
UNREACHABLE = "http://scenario.invalid/v1"
"""Stands in the record of a scenario: its turns come from a loopback server with another port each time."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScriptedDecision(_Model):
    """What the replay reviewer decides at the next checkpoint."""

    kind: CheckpointKind
    """Which checkpoint is expected."""
    decision: Literal["approve", "reject", "withdraw"]
    """What is decided."""
    comment: str = Field(min_length=1)
    """The reason."""


class ScriptedWord(_Model):
    """What the replay reviewer says of a column that may identify a person."""

    file: str
    """Data file."""
    column: str
    """Column."""
    said: Meaning
    """What it is."""
    why: str = Field(min_length=1)
    """The reason."""


class Expected(_Model):
    """A published number that the study must give."""

    result: str
    """Id of the result."""
    value: float
    """Its value."""
    tolerance: float
    """Largest difference of value and interval."""
    ci_low: float | None = None
    """Lower end of its interval."""
    ci_high: float | None = None
    """Upper end of its interval."""
    p_value: float | None = None
    """Its p value."""
    p_tolerance: float = 0.0
    """Largest difference of the p value."""


class TurnOrigin(_Model):
    """Where the model turns come from."""

    origin: Literal["authored", "recorded"]
    """`authored` by hand, or `recorded` from a model."""
    by: str = Field(min_length=1)
    """Who wrote or recorded them."""
    at: str
    """When."""
    model: str = ""
    """For recorded turns: which model."""
    endpoint: str = ""
    """For recorded turns: host of the endpoint."""
    authored: dict[str, str] = Field(default_factory=dict)
    """For authored turns: which file answers which role."""


class Scenario(_Model):
    """A study kept as a test."""

    name: str
    """Name of its folder."""
    folder: Path
    """Where it is."""
    title: str
    """Title."""
    data: tuple[str, ...] = Field(min_length=1)
    """Names of the data files."""
    share_data: bool = False
    """Whether the data may go into the bundle."""
    exposure: Exposure = "metadata"
    """What the model may see of the data."""
    subject: str = ""
    """The column that tells persons apart; "" to go by the names of the columns."""
    identifiers: tuple[ScriptedWord, ...] = ()
    """What the replay reviewer says of columns that may identify a person."""
    language: Language = "python"
    """Language of the primary program."""
    replication_language: Language = "python"
    """Language of the replication."""
    checks_on_data: bool = True
    """Whether the check program runs on the data."""
    model: ModelConfig
    """The model whose turns these are."""
    turns: TurnOrigin
    """Where the turns come from."""
    decisions: tuple[ScriptedDecision, ...]
    """The script of the replay reviewer."""
    expected: tuple[Expected, ...] = ()
    """Published answers."""

    @property
    def question(self) -> str:
        """The question."""
        return (self.folder / "question.md").read_text(encoding="utf-8").strip()

    @property
    def codebook(self) -> str:
        """What the columns mean; "" when nobody said."""
        path = self.folder / "codebook.md"
        return path.read_text(encoding="utf-8").strip() if path.exists() else ""

    @property
    def data_paths(self) -> list[Path]:
        """The data files.

        Raises:
            UsageError: one is not there; files whose terms are not clear are not part of the wheel.
        """
        paths = [self.folder / "data" / name for name in self.data]
        if missing := [path.name for path in paths if not path.is_file()]:
            raise UsageError(
                f"The data of scenario {self.name!r} are not here: {', '.join(missing)}.",
                advice=f"Files whose terms are not clear are not installed. Put them into {self.folder / 'data'}; "
                "LICENSE.md there says where they come from.",
            )
        return paths

    def read_turns(self) -> list[Turn]:
        """Return the recorded turns.

        Raises:
            UsageError: they are missing or not readable.
        """
        path = self.folder / "turns.jsonl"
        try:
            rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            return [Turn(request=row["request"], response=row["response"], origin=row["origin"]) for row in rows]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"The turns of scenario {self.name!r} can't be read: {error!r}.",
                advice=f"Record them: `counterproof scenarios record {self.name}`.",
            ) from error


def scenario_names(root: Path = ROOT) -> list[str]:
    """Return the names of all scenarios."""
    return sorted(path.parent.name for path in root.glob("*/scenario.toml"))


def load_scenario(name: str, root: Path = ROOT) -> Scenario:
    """Read a scenario.

    Raises:
        UsageError: there is none of that name, or its description is not as it should be.
    """
    folder = root / name
    try:
        raw = tomllib.loads((folder / "scenario.toml").read_text(encoding="utf-8"))
        raw["model"] = {"base_url": UNREACHABLE, **raw["model"]}
        scenario = Scenario.model_validate({"name": name, "folder": folder, **raw})
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no scenario {name!r}.", allowed=f"Scenarios: {', '.join(scenario_names(root))}."
        ) from error
    except ValidationError as error:
        raise UsageError(f"{folder / 'scenario.toml'}: {faults(error)}.") from error
    except (ValueError, KeyError) as error:
        raise UsageError(f"{folder / 'scenario.toml'} can't be read: {error!r}.") from error
    if not (folder / "question.md").is_file():
        raise UsageError(f"Scenario {name!r} has no question.", advice=f"Write it into {folder / 'question.md'}.")
    return scenario
