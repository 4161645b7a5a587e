"""What a study is made with: the question, the data, the model and the limits, fixed at its start."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from counterproof.agents.models import ModelConfig
from counterproof.sandbox import Language
from counterproof.sandbox.orders import Role

QUESTION_MAX = 20_000


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataFile(_Model):
    """One file of the data set."""

    name: str
    """File name; programs find it under this name."""
    sha256: str
    """Digest of its bytes."""
    size: int
    """Length in bytes."""


class StudySettings(_Model):
    """The choices of a study. They are the data of its first event and never change."""

    title: str
    """Short title."""
    question: str
    """The question in the investigator's words."""
    mode: Literal["study", "scenario"]
    """`scenario` for a study kept as a test: its decisions are scripted."""
    scenario: str = ""
    """For a scenario: its name in the catalogue."""
    exposure: Literal["metadata"] = "metadata"
    """What the model may see of the data."""
    share_data: bool = False
    """Whether a person said that the data files themselves may go into the bundle."""
    data: tuple[DataFile, ...] = Field(min_length=1)
    """The data set."""
    codebook: str = ""
    """What the columns mean, in the words of whoever knows."""
    model: ModelConfig
    """The model and its endpoint."""
    language: Language = "python"
    """Language of the primary program."""
    environment: str = "python"
    """Name of the analysis environment of the primary program."""
    replication_language: Language = "python"
    """Language of the replication."""
    replication_environment: str = "python"
    """Name of the analysis environment of the replication."""
    max_repairs: int = Field(default=3, ge=0, le=10)
    """How often programs that fail on the twin are repaired in one round."""
    max_rounds: int = Field(default=5, ge=1, le=20)
    """How often a part may be begun anew after a rejection or a failure on the real data."""
    limits: dict[str, int] = Field(default_factory=dict)
    """Limits of executions that differ from the defaults."""

    def language_of(self, role: Role) -> Language:
        """Return the language of one of the programs."""
        return self.language if role == "primary" else self.replication_language

    def environment_of(self, role: Role) -> str:
        """Return the name of the environment of one of the programs."""
        return self.environment if role == "primary" else self.replication_environment
