"""What each kind of checkpoint shows: one frozen object per kind, holding text ready to be laid out.

It does not cover reading them from a subject (`reading`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Row = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Rows with their heading; `empty` is said when there are none."""

    title: str
    rows: tuple[Row, ...]
    empty: str = ""


@dataclass(frozen=True, kw_only=True)
class PlanPart:
    """◆1: the plan, and what the model was told about the data."""

    markdown: str
    listings: tuple[Listing, ...]
    codebook: str


@dataclass(frozen=True, kw_only=True)
class ProgramView:
    """One program as it will run."""

    role: str
    language: str
    sha256: str
    code: str
    diff: str
    findings: Listing
    status: str
    stdout: str
    results: Listing
    flow: str
    outputs: str


@dataclass(frozen=True, kw_only=True)
class CodePart:
    """◆2: the programs, what they will read, and in what they run."""

    programs: tuple[ProgramView, ...]
    listings: tuple[Listing, ...]
    packages: str


@dataclass(frozen=True, kw_only=True)
class FileItem:
    """A table or figure that may be released."""

    id: str
    verdict: str
    findings: tuple[str, ...]
    text: str
    rows: tuple[Row, ...]
    image: bytes | None


@dataclass(frozen=True, kw_only=True)
class ReleasePart:
    """◆3: every number, table and figure with its findings, the checks, and the two programs compared."""

    numbers: Listing
    files: tuple[FileItem, ...]
    listings: tuple[Listing, ...]


@dataclass(frozen=True, kw_only=True)
class SignoffPart:
    """◆4: the report, where each of its numbers comes from, and the transparency statement."""

    markdown: str
    numbers: Listing
    summary: str
    """How many items of the statement are present, not applicable and missing."""
    missing: Listing
    statement: str
    """The whole statement in words."""


Part = PlanPart | CodePart | ReleasePart | SignoffPart
