"""How the twins of a study were made, as its record says: for reviewers, pages and the statement.

A row is what the intake noted of one twin, with the digest of the file beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from counterproof.provenance.events import Event

_NAMES_MAX = 12


def twin_rows(intake: Event) -> list[dict[str, Any]]:
    """Return a row for each twin; nothing for a record that says nothing of them."""
    digests = {ref.role: ref.sha256 for ref in intake.refs}
    return [
        {**row, "sha256": digests.get(f"twin:{row['file']}", "")}
        for row in intake.data.get("twins", [])
        if isinstance(row, dict)
    ]


def guarantee(row: dict[str, Any]) -> str:
    """Return in words what keeps persons out of a twin."""
    if row["epsilon"] is None:
        return f"k = {row['k']} persons behind anything that shows; not differentially private"
    return f"differentially private, epsilon = {row['epsilon']:g}, for {row['protects']}"


def twin_lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield how the twins were made, for reading."""
    for row in rows:
        yield f"{row['file']}: {row['engine']} (version {row['version']}), {guarantee(row)}; sha256 {row['sha256']}"
        yield f"  seed: {row['seed']}"
        for part in row["made"]:
            yield f"  {part['how']}: {some(part['columns'])}"


def some(names: Sequence[str]) -> str:
    """Return the names of columns, of many the first ones and how many more there are."""
    more = len(names) - _NAMES_MAX
    return ", ".join(names[:_NAMES_MAX]) + (f" and {more:,} more" if more > 0 else "")
