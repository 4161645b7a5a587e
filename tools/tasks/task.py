"""A task: a question with data that may be shown to anyone, and answers that are held out.

What stands here may go to a model, into a sandbox and into a record. The answers don't: of them a task holds the
digest, and where they are is known to whoever placed it (`PlacedTask.held_out`), and read by the scoring alone.

It does not cover data of patients that are not open: a comparison runs programs that nobody approved, so a task says
on what terms its data are (`terms`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from counterproof.provenance.digests import digest_of
from counterproof.sandbox import Language
from counterproof.tools.scoring.metrics import METRICS, MetricName

Direction = Literal["higher", "lower"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Baseline(_Model):
    """What the models are held against."""

    label: str = Field(min_length=1)
    """What it is, in a few words."""
    source: str = Field(min_length=1)
    """Where the value was published, or how it was made."""
    value: float
    """Its value of the task's metric."""
    predictions: bool = False
    """Whether its predictions lie beside the held-out labels, for a comparison sample by sample."""


class Prediction(_Model):
    """A task whose answer is one prediction for each sample of a test file."""

    train: str
    """Name of the file with the target."""
    test: str
    """Name of the file without it."""
    id_column: str
    """The column that names a sample in both files."""
    target: str
    """The column to be predicted."""
    shape: Literal["classification", "regression"]
    """Whether it is a class of two, or a number."""
    classes: tuple[str, ...] = ()
    """The two classes of a classification; the second one is the one that a higher score means."""
    metric: MetricName
    """What a prediction is scored with."""
    direction: Direction
    """Whether higher or lower is better; stands in the file so that a reader need not know the metric."""
    baseline: Baseline
    """What the models are held against."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        metric = METRICS[self.metric]
        if metric.direction != self.direction:
            raise ValueError(f"of {self.metric}, {metric.direction} is better, and the task says {self.direction}")
        if metric.shape != self.shape:
            raise ValueError(f"{self.metric} is for a {metric.shape}, and the task is a {self.shape}")
        if (len(self.classes) == 2) != (self.shape == "classification"):
            raise ValueError("a classification names its two classes, and a regression none")
        return self


class Analysis(_Model):
    """A task whose answer is a set of named numbers."""

    results: tuple[str, ...] = Field(min_length=1)
    """The ids that the program must give; their values are held out."""


class TaskLimits(_Model):
    """How far one cell may go."""

    wall_s: int = Field(default=300, ge=1)
    """Seconds for one run of the program."""
    memory_mib: int = Field(default=2048, ge=64)
    """Memory of one run."""
    tokens: int = Field(default=200_000, ge=1)
    """Tokens of all model calls, asked and answered."""
    cost: float = Field(default=5.0, ge=0)
    """Money for all model calls, in the currency of the prices."""


class Task(_Model):
    """A question with open data."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    """Name, as campaigns use it."""
    title: str = Field(min_length=1)
    """What it is, for people."""
    question: str = Field(min_length=1)
    """What the model is asked."""
    data: dict[str, str]
    """SHA-256 of each data file by its name."""
    source: str = Field(min_length=1)
    """Where the data come from; of simulated ones how they were made."""
    terms: Literal["open", "simulated"]
    """Why programs may run on them that nobody approved."""
    languages: tuple[Language, ...] = ("python", "r")
    """In which languages it can be done."""
    contamination: str = Field(min_length=1)
    """What a model may have seen of the answers in its training."""
    limits: TaskLimits = TaskLimits()
    """How far one cell may go."""
    held_out: str
    """SHA-256 of the file with the held-out answers."""
    prediction: Prediction | None = None
    """What is to be predicted; None for an analysis."""
    analysis: Analysis | None = None
    """Which numbers are to be given; None for a prediction."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.prediction is None) == (self.analysis is None):
            raise ValueError("a task is either a prediction or an analysis")
        return self

    @property
    def digest(self) -> str:
        """What stands for the task with its data and its answers."""
        return digest_of(self.model_dump(mode="json"))

    @property
    def output(self) -> str:
        """Name of the file that a program must write."""
        return "tables/predictions.csv" if self.prediction else "results.json"


@dataclass(frozen=True, kw_only=True)
class PlacedTask:
    """A task on this machine.

    Attributes:
        task: what it is.
        data: each data file by its name.
        held_out: the file with the answers; nothing but the scoring opens it, and no sandbox mounts it.
        baseline: the baseline's predictions; None where there are none.
    """

    task: Task
    data: dict[str, Path]
    held_out: Path
    baseline: Path | None = None
