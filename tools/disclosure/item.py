"""What may be released, and what is found in it.

Every number, table, figure and warning of a library in a program's outputs is an item, with findings and a proposed
verdict; a person decides each. A finding names the check, the place, what is wrong, and what would help. One that stops
makes the proposal `suppress`; one that asks for a look leaves it, because code can't tell.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

ItemVerdict = Literal["release", "suppress"]
Suggestion = Literal["suppress", "round", "merge", "look"]


class DisclosureFinding(BaseModel):
    """Something that could tell of one person."""

    model_config = ConfigDict(frozen=True)

    check: str
    """Which check found it."""
    text: str
    """Where it is, and what is wrong."""
    suggestion: Suggestion
    """What would help; `look` where only a person can tell."""

    @property
    def stops(self) -> bool:
        """Whether the proposal is to keep the item back."""
        return self.suggestion != "look"


class Item(BaseModel):
    """One thing that may be released."""

    model_config = ConfigDict(frozen=True)

    id: str
    """`result:<id>`, `flow`, `warning:<number>`, or the file's name (`tables/…`, `figures/…`)."""
    shows: str
    """What a reviewer reads: the number with its label, or the content of the table."""
    sha256: str
    """Digest of the file that holds it."""
    findings: tuple[DisclosureFinding, ...]
    """What could disclose something."""
    verdict: ItemVerdict
    """Proposed, or set by a reviewer's edit."""


def make_item(id_: str, shows: str, sha256: str, found: list[DisclosureFinding]) -> Item:
    """Return an item with the verdict that its findings propose."""
    verdict: ItemVerdict = "suppress" if any(finding.stops for finding in found) else "release"
    return Item(id=id_, shows=shows, sha256=sha256, findings=tuple(found), verdict=verdict)


def more(item: Item, found: list[DisclosureFinding]) -> Item:
    """Return the item with further findings."""
    return make_item(item.id, item.shows, item.sha256, [*item.findings, *found]) if found else item
