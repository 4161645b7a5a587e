"""Evidence: what a look into the record can give for an item of the checklist.

A query returns pieces of evidence (a text with the numbers of the events that show it), or says why the item does not
apply to this study, or what the record lacks. A query that returns nothing at all lacks its evidence: nothing to look
at is never a pass.

It does not cover the queries themselves (`evidence_tool`, `evidence_plan`, `evidence_oversight`, `evidence_record`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from counterproof.provenance.transparency.story import Story
from counterproof.provenance.transparency.text import PlainText


class Evidence(BaseModel):
    """One piece of evidence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: PlainText
    """What the record shows."""
    events: tuple[int, ...]
    """Numbers of the events that show it."""


@dataclass(frozen=True, kw_only=True)
class NotApplicable:
    """The item does not apply to this study."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Lacking:
    """The record doesn't hold what the item asks for."""

    why: str


Finding = tuple[Evidence, ...] | NotApplicable | Lacking
Query = Callable[[Story], Finding]


def shown(text: str, events: Iterable[int]) -> Evidence:
    """Return a piece of evidence."""
    return Evidence(text=text, events=tuple(sorted(set(events))))


def short(digest: str) -> str:
    """Return the beginning of a digest, as it stands in texts."""
    return f"{digest[:12]}…" if digest else "none"


def listed(words: Iterable[str]) -> str:
    """Return words joined by commas, each once, in their order."""
    return ", ".join(dict.fromkeys(word for word in words if word))


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
