"""A cell: one model, one task, one language, one way of working, one repeat; and what came of it.

A cell's key is the digest of everything that it depends on, so the same cell is found again in another run of the
campaign, and one changed byte of a task, a prompt or a limit makes it another cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from counterproof.agents.compare.prepared import Prepared
from counterproof.agents.models import ModelConfig
from counterproof.provenance.digests import digest_of
from counterproof.sandbox import Language
from counterproof.tools.tasks import Task, TaskLimits

Arm = Literal["single_shot", "agentic", "gated"]
Category = Literal[
    "completed",
    "no_code",
    "does_not_run",
    "data_access",
    "wrong_target",
    "leaked",
    "bad_output",
    "timeout",
    "over_limit",
    "refused",
]
IN_WORDS: Mapping[Category, str] = {
    "completed": "usable answer",
    "no_code": "the answer holds no program",
    "does_not_run": "the program does not run",
    "data_access": "the program reached for data that are not there",
    "wrong_target": "something else was predicted",
    "leaked": "the predictions used the test data or known answers",
    "bad_output": "the output is not of the form",
    "timeout": "the program took too long",
    "over_limit": "the answer or the cell went over its limit",
    "refused": "a check or a reviewer refused it",
}
"""What each category means, in plain words."""
Probed = Literal["clean", "leak", "inconclusive", "not_applicable"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cell(_Model):
    """One cell, completely described, and the same on every machine."""

    campaign: str
    """Id of the campaign."""
    name: str
    """The model's name in the campaign."""
    model: ModelConfig
    """How it is asked."""
    price_in: float
    """Price of a million tokens that are sent."""
    price_out: float
    """Price of a million tokens that come back."""
    task: Task
    """The task, without its answers."""
    prepared: Prepared
    """What was made of it."""
    language: Language
    """Language of the program."""
    environment: str
    """Digest of the environment that it runs in."""
    arm: Arm
    """Way of working."""
    limits: TaskLimits
    """How far it may go."""
    max_repairs: int
    """How often a program is repaired on the twin."""
    repeat: int
    """Which repeat, from 1."""
    seed: int
    """Seed of the repeat; programs get it as COUNTERPROOF_SEED."""
    prompts: str
    """Digest of the prompts."""

    @property
    def key(self) -> str:
        """What names it: the beginning of the digest of all this."""
        return digest_of(self.model_dump(mode="json"))[:20]


class AgainstBaseline(_Model):
    """How a score compares with the task's baseline."""

    kind: Literal["predictions", "value"]
    """Sample by sample with the baseline's predictions, or with its published value."""
    difference: float
    """Score less baseline, in the metric's unit."""
    p_value: float
    """Two-sided."""
    reached: bool
    """Whether the score is at least as good."""


class Numbers(_Model):
    """How right an analysis was."""

    right: tuple[str, ...]
    """Numbers that are right."""
    wrong: tuple[str, ...]
    """Numbers that are wrong."""
    missing: tuple[str, ...]
    """Numbers that were not given."""
    traps: tuple[str, ...]
    """Known wrong answers that were given."""
    concluded: bool
    """Whether numbers were given at all, rather than that the data can't answer."""
    verdict_right: bool
    """Whether that was right."""


class CellResult(_Model):
    """What came of a cell, without anything that differs when it is done again (see `Spent`)."""

    cell: str
    """Key of the cell."""
    name: str
    """The model's name."""
    task: str
    """The task."""
    language: Language
    """The language."""
    arm: Arm
    """The way of working."""
    repeat: int
    """The repeat."""
    category: Category
    """What came of it."""
    detail: str
    """The same in words; "" where it was completed."""
    value: float | None = None
    """Its score: of a prediction the metric, of an analysis the share of numbers that are right."""
    ci_low: float | None = None
    """Lower end of the bootstrap interval."""
    ci_high: float | None = None
    """Upper end of it."""
    n: int | None = None
    """Number of test samples, or of scored numbers."""
    baseline: AgainstBaseline | None = None
    """How it compares with the baseline; of a prediction."""
    numbers: Numbers | None = None
    """Which numbers are right; of an analysis."""
    probed: Probed = "not_applicable"
    """What the probes for leaks found."""
    predictions: str = ""
    """Digest of the predictions that were scored; of a leaking cell too."""


class Spent(_Model):
    """What a cell took; differs when it is done again."""

    calls: int
    """Model calls that were answered."""
    failed_calls: int
    """Model calls that gave nothing."""
    tokens_in: int
    """Tokens that were sent."""
    tokens_out: int
    """Tokens that came back."""
    cost: float
    """Money, in the currency of the prices."""
    trials: int
    """Runs of programs."""
    programs_s: float
    """Seconds that programs ran."""
    wall_s: float
    """Seconds from the cell's first event to its last."""
    attempts: int = Field(ge=1)
    """How often the cell was begun; more than once after a kill."""


class Done(_Model):
    """A cell that has ended."""

    result: CellResult
    """What came of it."""
    spent: Spent
    """What it took."""
