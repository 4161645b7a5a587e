"""What a codebook says of each column, whatever form it has: label, type, unit, names of codes, codes for missing.

Everything in it is a text that a person wrote for the model. It is cut to a length and its white space is made plain,
so that no entry can pose as a line of ours; where it goes into a prompt it stands in JSON strings or behind a bar.

It does not cover whether the data are as the codebook says (`tools.noticed`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from counterproof.provenance.errors import UsageError

Form = Literal["text", "CSV dictionary", "REDCap data dictionary", "CDISC define.xml"]
NAME_MAX = 100
TEXT_MAX = 300
"""Longer labels are cut."""
LEVEL_MAX = 100
LEVELS_MAX = 200
"""So many codes of a column are kept; a list of drugs or sites may have thousands."""
VARIABLES_MAX = 20_000
_SPACE = re.compile(r"\s+")
_UNKNOWN = re.compile(
    r"\W*(unknown|not known|missing|not (recorded|available|reported|stated|answered|done|applicable|ascertained)|"
    r"no (answer|data|response)|refused( to answer)?|declined|prefer not to (say|answer)|don'?t know|n/?k|"
    r"n\.?/?a\.?|unk|not asked|unbekannt|fehlend|keine angabe|k\.? ?a\.?|inconnu|desconocido|sconosciuto)\W*",
    re.IGNORECASE,
)


class Variable(BaseModel):
    """What a codebook says of one column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=NAME_MAX)
    """The column."""
    dataset: str = ""
    """The data file that it is in, without folder and ending; "" for every file that has such a column."""
    label: str = Field(default="", max_length=TEXT_MAX + 1)
    """What it is, in words."""
    type: str = Field(default="", max_length=NAME_MAX + 1)
    """What its values are, as the codebook calls it."""
    unit: str = Field(default="", max_length=NAME_MAX + 1)
    """What it is measured in."""
    levels: dict[str, str] = Field(default_factory=dict)
    """What each code means; a category without a meaning of its own stands for itself."""
    levels_cut: bool = False
    """Whether there are more codes than are kept."""
    missing: tuple[str, ...] = ()
    """Codes that stand for a missing value: those that are declared, and those whose meaning says so."""
    identifies: bool = False
    """Whether the codebook marks it as an identifier of persons."""

    def told(self) -> dict[str, Any]:
        """Return what it says, as it stands in a profile."""
        levels = {**self.levels, **({"…": "and more"} if self.levels_cut else {})}
        said = {
            "label": self.label,
            "type": self.type,
            "unit": self.unit,
            "codes": levels,
            "missing": list(self.missing),
        }
        return {key: value for key, value in said.items() if value}

    def is_of(self, file: str) -> bool:
        """Say whether it speaks of a column of this data file."""
        return not self.dataset or self.dataset.lower() == _stem(file).lower()


@dataclass(frozen=True, kw_only=True)
class Codebook:
    """A codebook that was read.

    Attributes:
        form: which form it has.
        text: the text, where it is one and says of no column in particular what it says.
        variables: what it says of each column; none where it is a text.
    """

    form: Form
    text: str = ""
    variables: tuple[Variable, ...] = ()


NO_CODEBOOK = Codebook(form="text")


def make_variable(
    *,
    name: str,
    dataset: str = "",
    label: str = "",
    type_: str = "",
    unit: str = "",
    levels: Mapping[str, str] | None = None,
    missing: Iterable[str] = (),
    identifies: bool = False,
) -> Variable:
    """Make a variable of what a file says; long texts are cut, and codes called "unknown" and the like are missing."""
    named = {plain(code, LEVEL_MAX): plain(text, LEVEL_MAX) for code, text in (levels or {}).items()}
    unknown = [code for code, text in named.items() if is_unknown(text)]
    return Variable(
        name=plain(name, NAME_MAX - 1),
        dataset=_stem(plain(dataset, NAME_MAX)),
        label=plain(label, TEXT_MAX),
        type=plain(type_, NAME_MAX),
        unit=plain(unit, NAME_MAX),
        levels=dict(list(named.items())[:LEVELS_MAX]),
        levels_cut=len(named) > LEVELS_MAX,
        missing=tuple(dict.fromkeys([*(plain(code, LEVEL_MAX) for code in missing), *unknown])),
        identifies=identifies,
    )


def is_unknown(text: str) -> bool:
    """Say whether a text is a word for "missing": "unknown", "not recorded", "refused" and their like."""
    return _UNKNOWN.fullmatch(text) is not None


def plain(text: str, longest: int) -> str:
    """Return a text on one line, cut to a length."""
    flat = _SPACE.sub(" ", text).strip()
    return flat if len(flat) <= longest else f"{flat[:longest]}…"


def readable_codebook(variables: Iterable[Variable]) -> str:
    """Return what a codebook says, one line a variable, every text of it as a JSON string."""
    return "\n".join(map(_line, variables))


def check_distinct(name: str, variables: Iterable[tuple[int, Variable]]) -> tuple[Variable, ...]:
    """Return variables that a file gives with their lines.

    Raises:
        UsageError: there are none or too many, or a column is described twice.
    """
    found: dict[tuple[str, str], int] = {}
    kept = []
    for line, one in variables:
        key = (one.dataset.lower(), one.name)
        if key in found:
            raise UsageError(
                f"{name}, line {line}: the variable {one.name!r} is described in line {found[key]} already.",
                allowed="Each variable stands once, or once a data set in a column `dataset`.",
                advice="Take one of them out.",
            )
        found[key] = line
        kept.append(one)
    if not kept:
        raise UsageError(f"{name} describes no variable.", advice="Give one row a column of the data.")
    if len(kept) > VARIABLES_MAX:
        raise UsageError(
            f"{name} describes {len(kept):,} variables.",
            allowed=f"At most {VARIABLES_MAX:,}.",
            advice="Leave out those that the data don't have.",
        )
    return tuple(kept)


def _stem(file: str) -> str:
    return PurePath(file).name.partition(".")[0]


def _line(one: Variable) -> str:
    said = [_quoted(one.label)] if one.label else []
    said += [f"data set {_quoted(one.dataset)}"] if one.dataset else []
    said += [f"type {_quoted(one.type)}"] if one.type else []
    said += [f"unit {_quoted(one.unit)}"] if one.unit else []
    if one.levels:
        codes = ", ".join(_code(code, text) for code, text in one.levels.items())
        said.append(f"codes {codes}{' and more' if one.levels_cut else ''}")
    said += [f"missing {', '.join(map(_quoted, one.missing))}"] if one.missing else []
    said += ["identifies persons"] if one.identifies else []
    return f"{_quoted(one.name)}: {'; '.join(said) or 'nothing is said of it'}"


def _code(code: str, text: str) -> str:
    return f"{_quoted(code)} = {_quoted(text)}" if text and text != code else _quoted(code)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
