"""The evaluation card: one form for tables, texts and linked data, as JSON that a schema describes.

Sections: provenance, fidelity, utility, privacy, diversity, clinical plausibility, fairness, judge, human, agreement,
limits. Each number of the first six carries its definition, and stands beside its references: the floor (independent
marginals, or shuffled text), the ceiling (real rows that the maker did not see) and a copy of the training rows. What
was not assessed is there, too, with the reason.

The schema is `card.schema.json` beside this file; a test keeps both the same. A card holds no row and no value of fewer
than ten rows. It does not cover what the numbers are worth for a use that nobody named.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from counterproof.provenance.digests import sha256_bytes
from counterproof.tools.synth.evaluation.definitions import Definition

SCHEMA_FILE = Path(__file__).with_name("card.schema.json")
Verdict = Literal["pass", "flag", "no limit", "not assessed"]
Modality = Literal["table", "text", "linked"]
DIGITS = 6


class Model(BaseModel):
    """What every part of a card is."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Interval(Model):
    """A 95 % interval."""

    low: float
    """Lower end."""
    high: float
    """Upper end."""


class Measure(Model):
    """One metric with its definition, its value and what it is read beside."""

    definition: Definition
    """What it is."""
    value: float | None
    """Of the synthetic data; None where it was not assessed."""
    interval: Interval | None = None
    """Of the value, where the metric has one."""
    floor: float | None = None
    """Of independent marginals, or of shuffled text."""
    ceiling: float | None = None
    """Of real data that the maker did not see."""
    copy_: float | None = Field(default=None, alias="copy")
    """Of a copy of the training rows."""
    verdict: Verdict
    """Whether it keeps its limit."""
    reason: str = ""
    """Why it was not assessed, or what else to know."""
    sampled: int | None = None
    """How many rows it looked at, where these were not all."""
    detail: dict[str, float] = Field(default_factory=dict)
    """By column, subgroup, rule or coefficient, where that helps."""


class Assessment(Model):
    """A section that people or a judging model fill."""

    status: Literal["assessed", "too few to conclude", "not assessed"]
    """Whether it says anything."""
    reason: str = ""
    """Why not."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """What was found."""


class Source(Model):
    """A file that a card speaks of."""

    name: str
    """File name."""
    sha256: str
    """Digest of its bytes."""
    rows: int
    """How many rows, or documents."""


class Provenance(Model):
    """What was judged, what it was made from, and how."""

    synthetic: Literal[True] = True
    """Never real."""
    name: str
    """File name of the synthetic data."""
    content_sha256: str
    """Digest of its rows without their marks."""
    rows: int
    """How many rows, or documents."""
    real: Source | None
    """The real data; None where none were used."""
    holdout: str
    """Which real rows are the hold-out."""
    training_rows: int
    """How many real rows stand on the training side."""
    holdout_rows: int
    """How many on the other."""
    planned_model: str
    """The model whose coefficients are compared; "" for none."""
    outcome: str
    """The column that is predicted; "" for several."""
    subgroups: str
    """The column of subgroups; "" for none."""
    maker: dict[str, Any]
    """How the data were made; empty where that is not known."""
    left_out: dict[str, str]
    """Columns that were not compared, with why."""
    seed: int
    """Of all draws of the card."""
    software: dict[str, str]
    """Versions of what computed it."""


class Bars(Model):
    """The distribution of one column: shares by level or by tenth of the real range."""

    column: str
    """Which."""
    labels: tuple[str, ...]
    """Of the bars."""
    real: tuple[float | None, ...]
    """Shares of real rows; None for bars of fewer than ten."""
    made: tuple[float, ...]
    """Shares of synthetic rows."""


class Pair(Model):
    """How two columns go together: shares of rows by cell of both."""

    first: str
    """The column of the rows of the grid."""
    second: str
    """The column of its columns."""
    first_labels: tuple[str, ...]
    """Of the rows of the grid."""
    second_labels: tuple[str, ...]
    """Of its columns."""
    real: tuple[tuple[float | None, ...], ...]
    """Shares of real rows; None for cells of fewer than ten."""
    made: tuple[tuple[float, ...], ...]
    """Shares of synthetic rows."""


class Pictures(Model):
    """What the pictures of a report show; nothing of single rows."""

    distributions: tuple[Bars, ...] = ()
    """One a column."""
    columns: tuple[str, ...] = ()
    """Names of the columns of the associations."""
    associations_real: tuple[tuple[float, ...], ...] = ()
    """How strongly real columns go together."""
    associations_made: tuple[tuple[float, ...], ...] = ()
    """The same of the synthetic ones."""
    pairs: tuple[Pair, ...] = ()
    """The pairs of columns that go together most in the real rows."""
    nearest: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """Deciles of distances to the nearest training row, of synthetic and of hold-out rows."""


class Card(Model):
    """The evaluation card of one synthetic data set."""

    format: Literal["counterproof/synthetic-card/1"] = "counterproof/synthetic-card/1"
    """Form of this document."""
    modality: Modality
    """What kind of data it is."""
    provenance: Provenance
    """What was judged."""
    fidelity: tuple[Measure, ...]
    """How close it is to real data."""
    utility: tuple[Measure, ...]
    """Whether analyses give the same answers."""
    privacy: tuple[Measure, ...]
    """What it gives away."""
    diversity: tuple[Measure, ...]
    """Whether it shows as much."""
    clinical_plausibility: tuple[Measure, ...]
    """Whether it could be."""
    fairness: tuple[Measure, ...]
    """Whether it serves subgroups alike."""
    judge: Assessment
    """What a judging model said."""
    human: Assessment
    """What people said."""
    agreement: Assessment
    """How well these agree."""
    limits: tuple[str, ...]
    """What this card can't say."""
    pictures: Pictures = Pictures()
    """What the report draws."""

    def measures(self) -> Iterator[Measure]:
        """Yield all numbers, in the order of the sections."""
        for section in (
            self.fidelity,
            self.utility,
            self.privacy,
            self.diversity,
            self.clinical_plausibility,
            self.fairness,
        ):
            yield from section

    def measure(self, id_: str) -> Measure:
        """Return one number.

        Raises:
            KeyError: there is none of this name.
        """
        for measure in self.measures():
            if measure.definition.id == id_:
                return measure
        raise KeyError(id_)

    @property
    def flagged(self) -> list[str]:
        """Names of the numbers that don't keep their limits."""
        return [measure.definition.id for measure in self.measures() if measure.verdict == "flag"]

    def to_bytes(self) -> bytes:
        """Return the card as JSON, the bytes that its digest is over."""
        value = self.model_dump(mode="json", by_alias=True)
        return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @property
    def digest(self) -> str:
        """The digest that files carry."""
        return sha256_bytes(self.to_bytes())


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a card."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Card.model_json_schema(by_alias=True)}


def judged(
    definition: Definition, value: float | None, *, floor: float | None, ceiling: float | None, low: float | None
) -> Verdict:
    """Say whether a number keeps its limit.

    Args:
        definition: the metric.
        value: its value.
        floor: its value of independent marginals.
        ceiling: its value of the hold-out.
        low: lower end of its interval.
    """
    rule, limit = definition.limit.rule, definition.limit.value
    if value is None:
        return "not assessed"
    if rule == "none":
        return "no limit"
    if rule == "at least":
        return "pass" if value >= limit else "flag"
    if rule == "at most":
        return "pass" if value <= limit else "flag"
    if rule == "above chance":
        return "flag" if value > 0.5 + limit and (low or 0.0) > 0.5 else "pass"
    if ceiling is None:
        return "no limit"
    if rule == "ceiling minus":
        return "pass" if value >= ceiling - limit else "flag"
    if rule == "ceiling plus":
        return "pass" if value <= ceiling + limit else "flag"
    if floor is None or ceiling - floor < _WAY_MIN:
        return "no limit"
    return "pass" if value >= floor + limit * (ceiling - floor) else "flag"


def rounded(value: float | None) -> float | None:
    """Return a number with six significant digits; None for none, or where it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


_WAY_MIN = 0.1
"""Where floor and ceiling lie nearer together, there is no way between them to go."""
