"""The data dictionary of a REDCap project, as the project's page or its API exports it.

A checkbox field becomes the columns that REDCap exports for it, `field___code`, each 0 or 1. Fields that hold no data
(`descriptive`) are left out. A field that is marked as an identifier stops the study until a person says what it is.

Source: REDCap's own data dictionary, columns A to R.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from counterproof.provenance.errors import UsageError
from counterproof.tools.codebooks.dictionary import header_of, read_rows
from counterproof.tools.codebooks.variable import Variable, check_distinct, make_variable

_COLUMNS = {
    "name": ("variablefieldname", "fieldname"),
    "type": ("fieldtype",),
    "label": ("fieldlabel",),
    "choices": ("choicescalculationsorsliderlabels", "choicesorcalculations", "selectchoicesorcalculations"),
    "validation": ("textvalidationtypeorshowslidernumber",),
    "note": ("fieldnote",),
    "identifier": ("identifier",),
}
_CHOSEN = ("radio", "dropdown", "checkbox")
_EMPTY = ("descriptive",)
_TYPES = {"calc": "number", "slider": "number", "notes": "text", "file": "file", "sql": "text"}
_YES = {"yesno": {"1": "Yes", "0": "No"}, "truefalse": {"1": "True", "0": "False"}}
_TAG = re.compile(r"<[^<>]{0,500}>")


def is_redcap(text: str) -> bool:
    """Say whether the first line is that of a REDCap data dictionary."""
    header = header_of(text)
    return any(name in header for name in _COLUMNS["name"]) and "fieldtype" in header and "formname" in header


def read_redcap(name: str, text: str) -> tuple[Variable, ...]:
    """Read a REDCap data dictionary.

    Raises:
        UsageError: a field has no name, one of choices has none, or a choice has no code.
    """
    return check_distinct(name, _variables(name, text))


def _variables(name: str, text: str) -> Iterator[tuple[int, Variable]]:
    for line, row in read_rows(name, text):
        cells = {role: next((row[key] for key in keys if key in row), "") for role, keys in _COLUMNS.items()}
        where = f"{name}, line {line}"
        if not cells["name"]:
            raise UsageError(f"{where}: the field has no name.", advice="Export the dictionary from REDCap again.")
        kind = cells["type"].lower()
        if kind in _EMPTY:
            continue
        for one in _of_field(cells, kind, where):
            yield line, one


def _of_field(cells: Mapping[str, str], kind: str, where: str) -> Iterator[Variable]:
    label = _TAG.sub(" ", cells["label"])
    identifies = cells["identifier"].lower() in ("y", "yes", "1", "true")
    levels = _choices(cells, where) if kind in _CHOSEN else dict(_YES.get(kind, {}))
    if kind == "checkbox":
        for code, meaning in levels.items():
            yield make_variable(
                name=f"{cells['name']}___{code.lower().replace('-', '_')}",
                label=f"{label}: {meaning}",
                type_="checkbox",
                levels={"0": "not ticked", "1": "ticked"},
                identifies=identifies,
            )
        return
    yield make_variable(
        name=cells["name"],
        label=label,
        type_=cells["validation"] if kind == "text" and cells["validation"] else _TYPES.get(kind, kind),
        unit=_unit(cells["note"]),
        levels=levels,
        identifies=identifies,
    )


def _choices(cells: Mapping[str, str], where: str) -> dict[str, str]:
    """Return the choices, `1, Male | 2, Female`."""
    levels = {}
    for part in cells["choices"].split("|"):
        code, comma, meaning = part.partition(",")
        if not comma or not code.strip():
            raise UsageError(
                f"{where}: the choice {part.strip()[:60]!r} of the field {cells['name']!r} has no code.",
                allowed="Choices as `1, Male | 2, Female`.",
                advice="Export the dictionary from REDCap again.",
            )
        levels[code.strip()] = _TAG.sub(" ", meaning)
    return levels


def _unit(note: str) -> str:
    """Return the unit that a field's note gives, where it is nothing else: `kg`, `(mmol/L)`, `in years`."""
    bare = note.strip().strip("()[]").removeprefix("in ").removeprefix("unit: ").removeprefix("units: ").strip()
    return bare if 0 < len(bare) <= 20 and len(bare.split()) <= 2 and not bare.endswith(".") else ""
