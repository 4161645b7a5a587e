"""What a study is made with: the question, the data, the model and the limits, fixed at its start."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from counterproof.agents.models import ModelConfig
from counterproof.provenance.permissions import Purpose
from counterproof.sandbox import Language
from counterproof.sandbox.orders import Role
from counterproof.tools.codebooks import Variable, readable_codebook
from counterproof.tools.exposure import EXPOSURES, IN_WORDS, DataRules, Exposure, ThirdParties, strictest
from counterproof.tools.synth.specification import SetSpecification

QUESTION_MAX = 20_000


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Original(_Model):
    """The file that a data file was made from."""

    name: str
    """Its name."""
    sha256: str
    """Digest of its bytes."""


class DataFile(_Model):
    """One file of the data set."""

    name: str
    """File name; programs find it under this name."""
    sha256: str
    """Digest of its bytes."""
    size: int
    """Length in bytes."""
    exposure: Exposure = "metadata"
    """What the model may see of it."""
    third_parties: ThirdParties = "model"
    """Who else may see what the exposure allows."""
    subject: str = ""
    """The column that tells persons apart; "" to go by the names of the columns."""
    original: Original | None = None
    """What it was made from, where that has a form which programs don't read; None where it is that file itself."""

    @property
    def rules(self) -> DataRules:
        """What a person set for it."""
        return DataRules(exposure=self.exposure, third_parties=self.third_parties, subject=self.subject)


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
    author: str = ""
    """Id of the reviewer who made it; empty in single-user mode and in scenarios."""
    exposure: Exposure = "metadata"
    """What the model may see of what was computed from all files: the strictest of theirs."""
    share_data: bool = False
    """Whether a person said that the data files themselves may go into the bundle."""
    data: tuple[DataFile, ...] = Field(min_length=1)
    """The data set."""
    codebook: str = ""
    """What the columns mean, in the words of whoever knows."""
    variables: tuple[Variable, ...] = ()
    """What codebooks that have a form, and the data files themselves, say of columns."""
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
    checks_on_data: bool = True
    """Whether the check program runs the primary program once more, under observation, on the real data."""
    limits: dict[str, int] = Field(default_factory=dict)
    """Limits of executions that differ from the defaults."""
    purpose: Purpose = "analysis"
    """What it is for; not written down where it is an analysis."""
    specification: SetSpecification | None = None
    """For a synthetic set: what is to be made, as it was first asked for; not written down where there is none."""

    @model_serializer(mode="wrap")
    def _without_what_is_not_said(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        return written if self.purpose == "synthesis" else _but(written, "purpose", "specification")

    @model_validator(mode="after")
    def _a_set_is_specified(self) -> Self:
        if (self.purpose == "synthesis") != (self.specification is not None):
            raise ValueError("a synthetic set, and nothing else, has a specification")
        return self

    @model_validator(mode="after")
    def _exposure_is_the_strictest(self) -> Self:
        allowed = strictest(file.exposure for file in self.data)
        if self.exposure != allowed:
            raise ValueError(f"the study's exposure is {self.exposure!r}, and that of its files allows {allowed!r}")
        return self

    @property
    def whole_codebook(self) -> str:
        """What is said of the columns, as a text: the words of whoever knows, then a line a variable."""
        return "\n\n".join(filter(None, [self.codebook, readable_codebook(self.variables)]))

    def language_of(self, role: Role) -> Language:
        """Return the language of one of the programs; the check program is in Python."""
        if role == "checks":
            return "python"
        return self.language if role == "primary" else self.replication_language

    def environment_of(self, role: Role) -> str:
        """Return the name of a program's environment; the check program has the primary's where that is Python."""
        if role == "checks":
            return self.environment if self.language == "python" else "python"
        return self.environment if role == "primary" else self.replication_environment


def _but(written: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in written.items() if name not in names}


def exposure_in_words(settings: StudySettings) -> str:
    """Return what the model may see of the data; where its files differ, of each that shows more than the strictest."""
    more = [file for file in settings.data if EXPOSURES.index(file.exposure) > EXPOSURES.index(settings.exposure)]
    return "; ".join([IN_WORDS[settings.exposure], *(f"of {file.name}, {IN_WORDS[file.exposure]}" for file in more)])
