"""Results: what a program may say, read from its output files.

`results.json` holds named numbers, each with interval, p value, unit, n, method and population; `flow.json` holds the
participants (assessed, excluded with reason, analysed). Both are plain files, so that Python, R and a person by hand
use the same contract. The bytes come from a program nobody trusts yet: they are validated, never repaired.

It does not cover whether the numbers are right: that is for the checks and the replication.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from counterproof.provenance.errors import ModelMayRetry
from counterproof.tools.plan import RESERVED_IDS

SIZE_MAX = 2_000_000
_N_MAX = 2**53  # the largest count that JSON readers and floats keep exactly


def _no_word(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("is no number; write JSON numbers, without quotes")
    return value


_Number = Annotated[float, BeforeValidator(_no_word)]
_Count = Annotated[int, BeforeValidator(_no_word), Field(ge=0, le=_N_MAX)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Result(_Model):
    """One named number."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    """Name, as in the plan."""
    label: str = Field(min_length=1, max_length=300)
    """What it is, in words."""
    value: _Number
    """The number."""
    unit: str = Field(min_length=1, max_length=40)
    """Unit, or "ratio", "probability", "count", "statistic"."""
    ci_low: _Number | None = None
    """Lower end of the interval."""
    ci_high: _Number | None = None
    """Upper end of the interval."""
    ci_level: Annotated[_Number, Field(gt=0, lt=1)] | None = None
    """Level of the interval."""
    p_value: Annotated[_Number, Field(ge=0, le=1)] | None = None
    """Exact p value."""
    n: _Count
    """How many units of analysis the number rests on."""
    events: _Count | None = None
    """How many of them had the event, where there is one."""
    exploratory: bool = False
    """Whether the program gives it without the plan asking for it."""
    method: str = Field(min_length=1, max_length=300)
    """The method, with its options."""
    population: str = Field(min_length=1, max_length=300)
    """Who is in it."""

    @field_validator("value", "ci_low", "ci_high", "p_value")
    @classmethod
    def _finite(cls, number: float | None) -> float | None:
        if number is not None and not math.isfinite(number):
            raise ValueError(f"{number} is not a finite number; leave the field out and say why in a result's label")
        return number

    @model_validator(mode="after")
    def _interval(self) -> Result:
        ends = (self.ci_low, self.ci_high, self.ci_level)
        if any(end is not None for end in ends) and any(end is None for end in ends):
            raise ValueError(f"{self.id}: give ci_low, ci_high and ci_level together, or none of them")
        return self


class ResultsFile(_Model):
    """The content of `results.json`."""

    schema_: Literal["counterproof/results/1"] = Field(alias="schema")
    """Form of this file."""
    results: tuple[Result, ...] = Field(min_length=1, max_length=500)
    """The numbers; at least one: an analysis without a number is a failure."""

    @model_validator(mode="after")
    def _unique(self) -> ResultsFile:
        ids = [result.id for result in self.results]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"the id {twice[0]!r} is used twice")
        for reserved in RESERVED_IDS.intersection(ids):
            raise ValueError(f"in reports the id {reserved!r} stands for the {reserved} itself; take another")
        return self

    def by_id(self) -> dict[str, Result]:
        """Return the results by their ids."""
        return {result.id: result for result in self.results}


class Exclusion(_Model):
    """Participants that were left out for one reason."""

    reason: str = Field(min_length=1, max_length=300)
    """Why."""
    n: _Count
    """How many."""


class Flow(_Model):
    """The content of `flow.json`: participants in, excluded with reason, analysed."""

    schema_: Literal["counterproof/flow/1"] = Field(alias="schema")
    """Form of this file."""
    assessed: _Count
    """Rows or participants in the data."""
    excluded: tuple[Exclusion, ...] = ()
    """Who was left out, and why."""
    analysed: _Count
    """Who is in the main analysis."""


def parse_results(data: bytes | None) -> ResultsFile:
    """Read `results.json`.

    Raises:
        ModelMayRetry: it is missing, too large, no JSON, or not of the form; the text says where.
    """
    return ResultsFile.model_validate(_load("results.json", data, ResultsFile))


def parse_flow(data: bytes | None) -> Flow:
    """Read `flow.json`.

    Raises:
        ModelMayRetry: it is missing, no JSON, or not of the form.
    """
    return Flow.model_validate(_load("flow.json", data, Flow))


def _load(name: str, data: bytes | None, model: type[BaseModel]) -> object:
    if data is None:
        raise ModelMayRetry(f"The program wrote no {name}.", advice="Write it into COUNTERPROOF_OUT.")
    if len(data) > SIZE_MAX:
        raise ModelMayRetry(f"{name} has {len(data):,} bytes.", allowed=f"At most {SIZE_MAX:,}.")
    try:
        raw = json.loads(data, object_pairs_hook=_once)
        model.model_validate(raw)
    except ValidationError as error:
        raise ModelMayRetry(f"{name} is not of the required form: {faults(error)}") from error
    except (ValueError, RecursionError) as error:
        raise ModelMayRetry(f"{name} is not valid JSON: {error}.") from error
    return raw


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("an object has the same field twice")
    return fields


def faults(error: ValidationError) -> str:
    """Return the first faults of a validation as one line, without the values."""
    found = error.errors(include_input=False, include_url=False)
    inside = {fault["loc"][:end] for fault in found for end in range(len(fault["loc"]))}
    rows = [
        f"{'.'.join(str(part) for part in fault['loc']) or 'the whole'}: {fault['msg']}"
        for fault in found
        # pydantic also calls a list too short when its only item is at fault.
        if not (fault["type"] == "too_short" and fault["loc"] in inside)
    ]
    return "; ".join(rows[:8])
