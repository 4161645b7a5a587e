"""Disclosure checks: what could tell something about one person if it left the secure side.

Every number, table and figure of a program's outputs becomes an item with findings and a proposed verdict; a person
decides each. Items are compared with the threshold `K`: a count or denominator between 1 and K - 1 is a small cell.
Tables are looked at cell by cell; a figure can't be checked by code, and its finding says so.

It does not cover dominance, differencing between tables, or text inside figures.

Source: Eurostat, Guidelines for output checking (DwB), 2015, rules of thumb for frequency tables.
"""

from __future__ import annotations

import csv
import io
import re
from itertools import zip_longest
from typing import Literal

from pydantic import BaseModel, ConfigDict

from counterproof.tools.profile import K
from counterproof.tools.results import Flow, Result

ItemVerdict = Literal["release", "suppress"]
_TEXT_MAX = 60
_ROWS_MAX = 100
_SHOWN_MAX = 4000
_FINDINGS_MAX = 20
_COUNT = re.compile(r"\s*([0-9]{1,15})(?:\.0*)?\s*(?:[(/].*)?", re.DOTALL)
"""A count, alone or as "3 (12.5%)" or "3/20"."""


class Item(BaseModel):
    """One thing that may be released."""

    model_config = ConfigDict(frozen=True)

    id: str
    """`result:<id>`, `flow`, or the file's name (`tables/…`, `figures/…`)."""
    shows: str
    """What a reviewer reads: the number with its label, or the content of the table."""
    sha256: str
    """Digest of the file that holds it."""
    findings: tuple[str, ...]
    """What could disclose something."""
    verdict: ItemVerdict
    """Proposed, or set by a reviewer's edit."""


def result_item(result: Result, sha256: str) -> Item:
    """Look at one number of `results.json`."""
    found = []
    if 0 < result.n < K:
        found.append(f"rests on n = {result.n}, fewer than {K}")
    if result.unit == "count" and 0 < result.value < K:
        found.append(f"is a count of {result.value:g}, fewer than {K}")
    interval = "" if result.ci_low is None else f" ({result.ci_low:.6g} to {result.ci_high:.6g})"
    p_value = "" if result.p_value is None else f", p = {result.p_value:.4g}"
    shows = (
        f"{result.label}: {result.value:.6g}{interval}{p_value} [{result.unit}], n = {result.n}; "
        f"method: {result.method}; population: {result.population}"
    )
    return _item(f"result:{result.id}", shows, sha256, found)


def flow_item(flow: Flow, sha256: str) -> Item:
    """Look at the participant flow."""
    counts = [("assessed", flow.assessed), ("analysed", flow.analysed)]
    counts += [(f"excluded, {part.reason}", part.n) for part in flow.excluded]
    found = [f"{label}: a count of {n}, fewer than {K}" for label, n in counts if 0 < n < K]
    shows = "; ".join(f"{label}: {n}" for label, n in counts)
    return _item("flow", shows, sha256, found)


def table_item(name: str, data: bytes, sha256: str) -> Item:
    """Look at one table."""
    try:
        text = data.decode("utf-8")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        return _item(name, f"{len(data)} bytes that are not UTF-8 CSV", sha256, ["can't be read as a table"])
    if not rows:
        return _item(name, "an empty table", sha256, ["holds nothing to look at"])
    found = []
    if len(rows) - 1 > _ROWS_MAX:
        found.append(f"has {len(rows) - 1} rows: may be a list of persons")
    if len(text) > _SHOWN_MAX:
        found.append(f"has {len(text):,} characters, of which the first {_SHOWN_MAX:,} are shown")
    for number, row in enumerate(rows[1:], start=1):
        for name_, cell in zip_longest(rows[0], row[: len(rows[0])], fillvalue=""):
            found += _look(f"row {number}, {name_[:_TEXT_MAX]}", cell)
        for cell in row[len(rows[0]) :]:
            found += _look(f"row {number}, beyond the header", cell)
    found += [f"the header: free text of {len(cell)} characters" for cell in rows[0] if len(cell) > _TEXT_MAX]
    if len(found) > _FINDINGS_MAX:
        found = [*found[:_FINDINGS_MAX], f"and {len(found) - _FINDINGS_MAX} more findings"]
    return _item(name, text[:_SHOWN_MAX], sha256, found)


def figure_item(name: str, data: bytes, sha256: str) -> Item:
    """Look at one figure: code can't, so a person must."""
    look = "look at it: code can't tell whether single persons can be made out"
    return Item(id=name, shows=f"figure, {len(data):,} bytes", sha256=sha256, findings=(look,), verdict="release")


def _look(where: str, cell: str) -> list[str]:
    count = _COUNT.fullmatch(cell)
    if len(cell) > _TEXT_MAX:
        return [f"{where}: free text of {len(cell)} characters"]
    if count and 0 < int(count.group(1)) < K:
        return [f"{where}: a count of {count.group(1)}, fewer than {K}"]
    return []


def _item(id_: str, shows: str, sha256: str, found: list[str]) -> Item:
    return Item(
        id=id_,
        shows=shows,
        sha256=sha256,
        findings=tuple(found),
        verdict="suppress" if found else "release",
    )
