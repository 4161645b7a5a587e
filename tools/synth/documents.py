"""Synthetic texts, alone or linked with the values and the signal of the same made-up patient.

One JSON object a line: `id`, `text`, `attributes` (what the text is to say: numbers, levels, yes or no), and perhaps
`signal` (`rate_hz`, `samples`) and `image` (a PNG as base64, and its scale). A specification says which sections each
text has, which attributes it must say and with which unit, which attribute is the label of a classifier, and which ones
signal and image show.

It does not cover files beside the lines: an image stands in its line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from counterproof.provenance.errors import UsageError
from counterproof.provenance.marks import MARK, MARKS
from counterproof.tools.data import Table
from counterproof.tools.results import faults

Value = str | int | float | bool
Kind = Literal["note", "discharge letter", "radiology report", "patient message"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_READY = Path(__file__).with_name("specifications")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Signal(_Model):
    """A signal of the patient, like one lead of an ECG."""

    rate_hz: float = Field(gt=0)
    """Samples a second."""
    samples: tuple[float, ...] = Field(min_length=10)
    """In millivolts."""


class Image(_Model):
    """An image of the patient, like one slice of a CT."""

    png: str = Field(min_length=1)
    """The file, as base64."""
    mm_per_pixel: float = Field(gt=0)
    """Its scale."""


class Asked(_Model):
    """What was asked of one text of a set."""

    persona: str
    """Who writes."""
    facts: tuple[str, ...]
    """Attributes that it may say."""
    sections: tuple[str, ...]
    """Headings that it has."""
    words: tuple[int, int] | None = None
    """Fewest and most words; None for any."""


class Document(_Model):
    """One text."""

    id: str = Field(min_length=1)
    """Tells it from the others."""
    text: str = Field(min_length=1)
    """The text."""
    attributes: dict[str, Value] = Field(default_factory=dict)
    """What the patient's table says."""
    signal: Signal | None = None
    """What the patient's signal shows."""
    image: Image | None = None
    """What the patient's image shows."""
    asked: Asked | None = None
    """What was asked of it; None for everything that the specification names."""
    synthetic_twin: int = 0
    """1 in synthetic documents."""
    synthetic_card: str = ""
    """Digest of the card."""


class Said(_Model):
    """How a text says an attribute."""

    attribute: str
    """Its name."""
    words: tuple[str, ...] = ()
    """Words that may announce it; its name where there are none."""
    unit: str = ""
    """The unit that stands behind a number; "" for none."""
    tolerance: float = Field(default=0.0, ge=0)
    """Largest difference of a number."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Of the patients who have it, how many texts say it."""


class Persona(_Model):
    """Somebody who writes texts."""

    description: str = Field(min_length=1)
    """Who, and how: told to the model."""
    share: float = Field(default=1.0, gt=0)
    """How many texts, beside the other personas'."""


class Length(_Model):
    """How long some of the texts are."""

    low: int = Field(ge=1)
    """Fewest words."""
    high: int = Field(ge=2)
    """Most words."""
    share: float = Field(default=1.0, gt=0)
    """How many texts, beside the other lengths."""


class Shown(_Model):
    """Which attributes an image shows."""

    diameter: str
    """The lesion's diameter in millimetres, 8 to 40."""
    side: str
    """Its side of the patient: left or right."""


class TextSpecification(_Model):
    """What texts must be like."""

    kind: Kind = "note"
    """What is written."""
    sections: tuple[str, ...] = ()
    """Headings that texts have, in this order."""
    section_shares: dict[str, float] = Field(default_factory=dict)
    """How many texts have a section; those that are not named stand in all."""
    personas: tuple[Persona, ...] = ()
    """Who writes; four clinicians where there are none."""
    lengths: tuple[Length, ...] = ()
    """How long texts are; any length where there are none."""
    reading_ease: float | None = None
    """Flesch's reading ease that the model is asked for: 100 is easy, 0 is hard."""
    says: tuple[Said, ...] = ()
    """What each text must say."""
    label: str = ""
    """Attribute that a classifier predicts from the text; "" for none."""
    rate: str = ""
    """Attribute that holds the heart rate a minute which the signal must show; "" for none."""
    image: Shown | None = None
    """Attributes that the image must show; none for no image."""
    corpus: dict[str, float] = Field(default_factory=dict)
    """Figures of a real corpus that the shares were taken from; not told to the model."""

    @model_validator(mode="after")
    def _shares_fit(self) -> TextSpecification:
        """Refuse shares of what there is not."""
        unknown = sorted(set(self.section_shares) - set(self.sections))
        wrong = sorted(name for name, share in self.section_shares.items() if not 0 < share <= 1)
        if unknown or wrong:
            raise ValueError(f"section_shares of {(unknown or wrong)[0]!r}: a section, and a share above 0 up to 1")
        if any(length.low >= length.high for length in self.lengths):
            raise ValueError("a length has as many words at its low end as at its high end, or more")
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """The attributes that it names."""
        image = (self.image.diameter, self.image.side) if self.image else ()
        every = (*(said.attribute for said in self.says), self.label, self.rate, *image)
        return tuple(dict.fromkeys(name for name in every if name))


def parse_documents(data: bytes, *, source: str) -> list[Document]:
    """Read documents.

    Raises:
        UsageError: a line is none, or an id stands twice.
    """
    documents: list[Document] = []
    seen: set[str] = set()
    for number, line in enumerate(data.decode("utf-8", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            document = Document.model_validate_json(line)
        except ValidationError as error:
            raise UsageError(
                f"{source}, line {number}, is no document: {faults(error)}.",
                allowed='{"id": …, "text": …, "attributes": {…}}, one a line.',
            ) from error
        if document.id in seen:
            raise UsageError(
                f"{source}, line {number}: the id {document.id!r} stands twice.", advice="Make ids differ."
            )
        seen.add(document.id)
        documents.append(document)
    if not documents:
        raise UsageError(f"{source} holds no document.", advice="One JSON object a line.")
    return documents


def patients_of(table: Table) -> list[dict[str, Value]]:
    """Return the rows of a synthetic table as attributes; empty cells are left out.

    Raises:
        UsageError: the table does not carry the mark.
    """
    if MARK not in {column.name for column in table.columns}:
        raise UsageError(
            f"{table.name} has no column {MARK!r}: it may be real.",
            allowed="Texts are written for synthetic patients alone.",
            advice="Make a table with `counterproof synth make` first.",
        )
    marks = next(column.values for column in table.columns if column.name == MARK)
    if not (marks == 1).all():
        raise UsageError(
            f"{table.name} has rows whose {MARK!r} is not 1: they may be real.",
            allowed="Texts are written for synthetic patients alone.",
        )
    rows: list[dict[str, Value]] = [{} for _ in range(table.rows)]
    for column in table.columns:
        if column.name in MARKS:
            continue
        values = column.values
        for row, value, gone in zip(rows, values.tolist(), values.isna().tolist(), strict=True):
            if not gone:
                row[column.name] = _cell(value, whole=column.kind == "integer")
    return rows


def parse_specification(data: bytes, *, source: str) -> TextSpecification:
    """Read a specification.

    Raises:
        UsageError: it is none.
    """
    try:
        return TextSpecification.model_validate_json(data)
    except ValidationError as error:
        raise UsageError(f"{source} is no specification of texts: {faults(error)}.") from error


def ready_made(kind: Kind, patients: Sequence[Mapping[str, Value]]) -> TextSpecification:
    """Return the specification of a kind of texts that comes with us, saying each column of a table by its name.

    Args:
        kind: what is written.
        patients: rows of the table; a number may be off by half of its last decimal.
    """
    form = parse_specification((_READY / f"{kind.replace(' ', '_')}.json").read_bytes(), source=kind)
    names = list(dict.fromkeys(name for patient in patients for name in patient))
    return form.model_copy(
        update={"says": tuple(Said(attribute=name, tolerance=_half(name, patients)) for name in names)}
    )


def _half(name: str, patients: Sequence[Mapping[str, Value]]) -> float:
    """Return half of the last decimal of a column's numbers; 0 where they are whole, or no numbers."""
    broken = [str(patient[name]).partition(".")[2] for patient in patients if isinstance(patient.get(name), float)]
    digits = max((len(decimals) for decimals in broken), default=0)
    return 0.5 * 10.0**-digits if digits else 0.0


def written(documents: Sequence[Document]) -> bytes:
    """Return documents, one a line."""
    return "".join(f"{json.dumps(_value(one), ensure_ascii=False)}\n" for one in documents).encode()


def content_of(documents: Sequence[Document]) -> bytes:
    """Return documents without their marks: what the digest in a card is over."""
    return written([one.model_copy(update={"synthetic_twin": 0, "synthetic_card": ""}) for one in documents])


def _value(document: Document) -> dict[str, Any]:
    return document.model_dump(mode="json", exclude_defaults=True)


def _cell(value: object, *, whole: bool) -> Value:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower(), value)
    number = float(str(value))
    return int(number) if whole else number
