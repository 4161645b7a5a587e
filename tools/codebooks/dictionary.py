"""A dictionary in delimited text: one row a variable, or one row a code, under any of the usual names of columns.

    variable,label,units,values,missing
    age,Age at entry,years,,999
    sex,Sex,,"1 = male; 2 = female",9

Codes stand as `1 = male; 2 = female` (also with `:` or `,` between code and meaning, and `|` or a new line between
codes), as a JSON object, as a plain list, or one a row in a column `value` beside a column `value label`; rows without
a variable's name then go on with the one before.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from counterproof.provenance.errors import UsageError
from counterproof.tools.codebooks.variable import Variable, check_distinct, make_variable

_NAMES: dict[str, tuple[str, ...]] = {
    "name": (
        "name", "variable", "variablename", "var", "varname", "field", "fieldname", "column", "columnname", "item",
        "variableid", "shortname", "attribute",
    ),
    "label": (
        "label", "variablelabel", "varlabel", "description", "desc", "variabledescription", "definition", "meaning",
        "title", "longname", "fieldlabel", "question", "explanation",
    ),
    "type": ("type", "datatype", "vartype", "variabletype", "format", "class", "valuetype"),
    "unit": ("unit", "units", "measurementunit", "unitofmeasure", "unitofmeasurement", "uom", "variableunits"),
    "levels": (
        "levels", "values", "codes", "coding", "categories", "choices", "valuelabels", "allowedvalues",
        "permissiblevalues", "options", "factorlevels", "codelist", "enumeration",
    ),
    "missing": (
        "missing", "missingcodes", "missingcode", "missingvalues", "missingvalue", "navalues", "nacodes", "sentinel",
        "sentinelcodes", "missingvaluecodes",
    ),
    "dataset": ("dataset", "table", "file", "filename", "datafile", "domain"),
    "code": ("value", "code", "level"),
    "meaning": ("valuelabel", "codelabel", "levellabel", "valuedescription", "valuemeaning", "codedescription"),
}  # fmt: skip
"""What a column of a dictionary may be called, in small letters and digits alone."""
_BETWEEN = re.compile(r"\s*(?:=|:|,|\t)\s*")
_SPLITS = (re.compile(r"\s*[|\n]\s*"), re.compile(r"\s*;\s*"))
_ENTRY = re.compile(r"[^,=:]{1,60}?\s*[=:]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def read_rows(name: str, text: str) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of delimited text by the names of its columns, in small letters and digits alone.

    Returns:
        The line of each row, and its cells; rows without any text are left out.

    Raises:
        UsageError: it is not well-formed.
    """
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = max((",", "\t", ";"), key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    header: list[str] = []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                header = [key_of(cell) for cell in row]
                continue
            if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
                raise UsageError(
                    f"{name}, line {reader.line_num}: {len(row)} values, and the header has {len(header)} columns.",
                    advice="Quote values that hold the separator.",
                )
            rows.append((reader.line_num, {key: cell.strip() for key, cell in zip(header, row, strict=False)}))
    except csv.Error as error:
        raise UsageError(
            f"{name}, line {reader.line_num}: {error}.", advice="Look for a quote that is not closed."
        ) from error
    return rows


def header_of(text: str) -> list[str]:
    """Return the names of the columns of delimited text, in small letters and digits alone; empty where none stands."""
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = max((",", "\t", ";"), key=first.count)
    return [key_of(cell) for cell in next(csv.reader([first], delimiter=separator), [])]


def key_of(cell: str) -> str:
    """Return a name in small letters and digits alone."""
    return re.sub(r"[^0-9a-z]", "", cell.lower())


def read_dictionary(name: str, text: str) -> tuple[Variable, ...]:
    """Read a dictionary.

    Raises:
        UsageError: it has no column of names, a row lacks its name, or a variable stands twice.
    """
    roles = _roles(header_of(text))
    if "name" not in roles or len(roles) < 2:
        raise UsageError(
            f"{name}, line 1: {'no column says' if 'name' in roles else 'no column names the variables and says'} what "
            "the variables are.",
            allowed="Columns: " + "; ".join(f"{role}: {', '.join(names[:4])}" for role, names in _NAMES.items()) + ".",
            advice="Rename the columns, or give the codebook the ending .txt to hand it on as plain text.",
        )
    return check_distinct(name, _variables(name, _entries(name, read_rows(name, text), roles)))


@dataclass(kw_only=True)
class _Entry:
    line: int
    cells: Mapping[str, str]
    levels: dict[str, str] = field(default_factory=dict)


def _roles(header: list[str]) -> dict[str, str]:
    """Return which column has each role: the first of its names that stands there."""
    found: dict[str, str] = {}
    for role, names in _NAMES.items():
        there = [one for one in names if one in header and one not in found.values()]
        if there:
            found[role] = there[0]
    if "code" in found and "meaning" not in found:
        found.setdefault("levels", found.pop("code"))
    return found


def _entries(name: str, rows: list[tuple[int, dict[str, str]]], roles: Mapping[str, str]) -> list[_Entry]:
    """Join the rows of one variable, where each row is a code."""
    long = "code" in roles and "meaning" in roles
    made: list[_Entry] = []
    for line, row in rows:
        cells = {role: row.get(column, "") for role, column in roles.items()}
        again = long and made and (not cells["name"] or cells["name"] == made[-1].cells["name"])
        if not again:
            if not cells["name"]:
                raise UsageError(
                    f"{name}, line {line}: no variable is named.",
                    allowed="Each row names the column of the data that it describes.",
                    advice="Fill the name in, or take the row out.",
                )
            made.append(_Entry(line=line, cells=cells))
        if long and cells["code"]:
            made[-1].levels[cells["code"]] = cells["meaning"]
    return made


def _variables(name: str, entries: list[_Entry]) -> Iterator[tuple[int, Variable]]:
    for entry in entries:
        cells = entry.cells
        levels = entry.levels or levels_of(cells.get("levels", ""), where=f"{name}, line {entry.line}")
        declared = levels_of(cells.get("missing", ""), where=f"{name}, line {entry.line}", apart=True)
        yield (
            entry.line,
            make_variable(
                name=cells["name"],
                dataset=cells.get("dataset", ""),
                label=cells.get("label", ""),
                type_=cells.get("type", ""),
                unit=cells.get("unit", ""),
                levels=levels,
                missing=[code for code in declared if code.lower() not in ("none", "no", "n/a", "-")],
            ),
        )


def levels_of(text: str, *, where: str, apart: bool = False) -> dict[str, str]:
    """Return the codes in a cell with their meanings.

    Args:
        text: the cell.
        where: file and line, for an error.
        apart: whether commas and blanks part codes too: of codes for missing values, which need no meaning.

    Raises:
        UsageError: it begins like JSON and is none, or gives a code twice.
    """
    if text.startswith("{"):
        return _of_json(text, where)
    parts = _split(text, apart=apart)
    levels: dict[str, str] = {}
    for part in parts:
        code, meaning = _pair(part) if not _NUMBER.fullmatch(part) else (part, "")
        if levels.get(code, meaning) != meaning:
            raise UsageError(
                f"{where}: the code {code!r} has two meanings.",
                allowed="Codes as `1 = male; 2 = female`, each once.",
                advice="Take one of them out.",
            )
        levels[code] = meaning
    return levels


def _of_json(text: str, where: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"{where}: the codes begin with a brace and are no JSON ({error}).",
            allowed='Codes as `1 = male; 2 = female`, or as {"1": "male", "2": "female"}.',
        ) from error
    return {str(code): str(meaning) for code, meaning in found.items()}


def _split(text: str, *, apart: bool) -> list[str]:
    for split in _SPLITS:
        if len(parts := [one for one in split.split(text.strip()) if one]) > 1:
            return parts
    text = text.strip()
    if apart and not re.search("[=:]", text):
        return [one for one in re.split(r"[,\s]+", text) if one] if not re.search("[A-Za-z]", text) else _commas(text)
    pairs = _commas(text)
    # `1 = male, 2 = female`, or `male, female`; but `1, male` is one code.
    whole = len(pairs) > 1 and (all(_ENTRY.match(one) for one in pairs) or not any(_ENTRY.match(one) for one in pairs))
    one_pair = len(pairs) == 2 and _NUMBER.fullmatch(pairs[0]) and not _NUMBER.fullmatch(pairs[1])
    return pairs if whole and not one_pair else [text] if text else []


def _commas(text: str) -> list[str]:
    return [one for one in re.split(r"\s*,\s*", text) if one]


def _pair(part: str) -> tuple[str, str]:
    code, *rest = _BETWEEN.split(part, maxsplit=1)
    return code.strip().strip("\"'"), rest[0].strip().strip("\"'") if rest else ""
