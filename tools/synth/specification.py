"""What a synthetic set is to be: a document that people approve before anything is made, and that is locked then.

A table is made from real rows by one of `makers.MAKERS`, with differential privacy by `dp`, or row by row by a model,
which sees no more than the exposure of the data allows; texts, and texts linked with a signal, are written by a model
for the rows of a marked synthetic table.

It does not cover how well the set turns out: the evaluation card does.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from counterproof.provenance.errors import UsageError
from counterproof.tools.results import faults
from counterproof.tools.synth.documents import TextSpecification
from counterproof.tools.synth.makers import MAKERS, PRIVATE

SetKind = Literal["table", "text", "multimodal"]
MODEL = "model"
"""The maker that asks a language model: of texts, and of rows."""
EPSILON_MAX = 20
EXAMPLES_MAX = 50
TABLE_MAKERS = (*MAKERS, PRIVATE, MODEL)
"""The makers of tables."""
RATERS_MAX = 50


class SetSpecification(BaseModel):
    """What is to be made, how, and what may be done with it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: SetKind
    """A table, texts, or texts linked with a table and a signal."""
    maker: str = ""
    """How: a maker of tables, or `model`, which alone makes texts; "" for the default."""
    rows: int = Field(default=0, ge=0, le=1_000_000)
    """How many rows or texts; 0 for as many as the maker sees."""
    left_out: tuple[str, ...] = ()
    """Columns that the maker does not learn from, beside those that may identify a person."""
    rules: tuple[str, ...] = ()
    """What each row must keep, like "age < 90"."""
    planned_model: str = ""
    """The model whose coefficients the card compares, like "low ~ age + smoke"; "" for none."""
    outcome: str = ""
    """The column that the card predicts; "" for that of the model."""
    subgroups: str = ""
    """The column of subgroups, for fairness."""
    epsilon: float = Field(default=0.0, ge=0, le=EPSILON_MAX)
    """For `dp`: how much one person may change the set; 0 for every other maker."""
    about: str = Field(default="", max_length=20_000)
    """For rows by a model: what a person knows of the table; "" for nothing but its columns."""
    examples: int = Field(default=0, ge=0, le=EXAMPLES_MAX)
    """For rows by a model: how many real rows it sees; only of data that are open to it."""
    holdout_share: float = Field(default=0.3, ge=0, le=0.9)
    """Share of the real rows that the maker does not see."""
    seed: int = Field(default=20260101, ge=0, lt=2**32)
    """Of all draws."""
    texts: TextSpecification | None = None
    """What each text must be like."""
    shown: int = Field(default=5, ge=1, le=50)
    """How many items the reviewer of the sample is shown."""
    raters: int = Field(default=0, ge=0, le=RATERS_MAX)
    """How many people must have rated every item of the session before the sample can be approved."""
    items: int = Field(default=24, ge=2, le=500)
    """How many items a rating session has."""
    may: str = Field(min_length=1, max_length=2000)
    """What the set may be used for."""
    may_not: str = Field(min_length=1, max_length=2000)
    """What it may not be used for."""

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.kind == "table":
            if self.texts is not None:
                raise ValueError("texts is given, and the kind is table")
            self._check_maker()
            return self
        if self.texts is None:
            raise ValueError(f"texts is missing, and the kind is {self.kind}")
        if self.maker not in ("", MODEL):
            raise ValueError(f"maker is {self.maker!r}; allowed: {MODEL}")
        if (self.kind == "multimodal") != bool(self.texts.rate or self.texts.image):
            raise ValueError(
                f"texts.rate is {self.texts.rate!r} and texts.image {'given' if self.texts.image else 'missing'}; a "
                "multimodal set names the heart rate, or what an image shows, and a text set neither"
            )
        of_tables = ("left_out", "rules", "planned_model", "outcome", "subgroups", "epsilon", "about", "examples")
        if given := [name for name in of_tables if getattr(self, name)]:
            raise ValueError(f"{', '.join(given)} is for tables, and the kind is {self.kind}")
        return self

    def _check_maker(self) -> None:
        if self.maker not in ("", *TABLE_MAKERS):
            raise ValueError(f"maker is {self.maker!r}; allowed: {', '.join(TABLE_MAKERS)}")
        if (self.maker == PRIVATE) != bool(self.epsilon):
            raise ValueError(
                f"epsilon is {self.epsilon:g} and the maker {self.made_by!r}; {PRIVATE!r}, and no other, has an "
                f"epsilon, of more than 0 and at most {EPSILON_MAX}"
            )
        if self.maker != MODEL and (self.about or self.examples):
            raise ValueError(f"about and examples are for the maker {MODEL!r}, and this is {self.made_by!r}")

    @property
    def asks_model(self) -> bool:
        """Whether a language model is asked."""
        return self.made_by == MODEL

    @property
    def made_by(self) -> str:
        """The maker, the default filled in."""
        return self.maker or (next(iter(MAKERS)) if self.kind == "table" else MODEL)


def parse_set_specification(data: bytes, *, source: str) -> SetSpecification:
    """Read a specification.

    Raises:
        UsageError: it is none; the text names the place.
    """
    try:
        return SetSpecification.model_validate_json(data)
    except ValidationError as error:
        raise UsageError(
            f"{source} is no specification of a synthetic set: {faults(error)}.",
            allowed="A JSON object with kind, may, may_not and what docs/synthetic.md lists.",
        ) from error


_UNSAID = ("epsilon", "examples")
"""Fields of one maker alone, which are not shown where they are 0."""


def readable_specification(specification: SetSpecification) -> str:
    """Return a specification for reading, a line a field."""
    lines = []
    for name, field in type(specification).model_fields.items():
        value = getattr(specification, name) if name != "maker" else specification.made_by
        if name == "texts" and specification.texts is not None:
            value = specification.texts.model_dump_json()
        said = ", ".join(value) if isinstance(value, tuple) else value
        if said not in ("", None) and not (name in _UNSAID and not said):
            lines.append(f"- {name}: {said} ({(field.description or '').rstrip('.')})")
    return "\n".join(lines)
