"""Any JSON document as something to read: the plan grows, and this page doesn't have to know how."""

from __future__ import annotations

from typing import Any

from counterproof.provenance.transparency.markup import Html, el

_DEPTH_MAX = 12
_FIRST = ("id", "name", "label", "description")
"""Columns that come first in a table, in this order; the others keep theirs."""


def readable(value: Any, *, depth: int = 0) -> Html:
    """Return a JSON value: objects as names with values, lists of objects as tables, the rest as text."""
    if depth > _DEPTH_MAX:
        return el("span", "…", cls="soft")
    if isinstance(value, dict):
        if not value:
            return el("span", "none", cls="soft")
        return el(
            "dl", [[el("dt", words(name)), el("dd", readable(inner, depth=depth + 1))] for name, inner in value.items()]
        )
    if isinstance(value, list):
        return _list(value, depth)
    return el("span", scalar(value), cls="said")


def scalar(value: Any) -> str:
    """Return a number, truth value or text as it is read."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def words(name: str) -> str:
    """Return a field's name in words."""
    return name.replace("_", " ")


def table(columns: list[str], rows: list[list[Html | str | int]], *, numbers: tuple[int, ...] = ()) -> Html:
    """Return a table that scrolls by itself where it is too wide."""
    head = el(
        "tr", [el("th", name, scope="col", cls="number" if at in numbers else None) for at, name in enumerate(columns)]
    )
    body = [
        el("tr", [el("td", cell, cls="number" if at in numbers else None) for at, cell in enumerate(row)])
        for row in rows
    ]
    wide = "scroll" + (" wide" if len(columns) > 3 else "") + (" widest" if len(columns) > 5 else "")
    return el("div", el("table", el("thead", head), el("tbody", body)), cls=wide, tabindex=0)


def _list(value: list[Any], depth: int) -> Html:
    if not value:
        return el("span", "none", cls="soft")
    if all(isinstance(row, dict) and not any(isinstance(cell, dict | list) for cell in row.values()) for row in value):
        names = dict.fromkeys(name for row in value for name in row)
        columns = sorted(names, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
        rows: list[list[Html | str | int]] = [
            [el("span", scalar(row.get(name)), cls="said") for name in columns] for row in value
        ]
        return table([words(name) for name in columns], rows)
    return el("ul", [el("li", readable(inner, depth=depth + 1)) for inner in value])
