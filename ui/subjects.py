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
class Sides:
    """Two texts side by side, where they differ; lines of both stand at the same height."""

    left_name: str
    right_name: str
    left: str
    right: str


@dataclass(frozen=True, kw_only=True)
class Noted:
    """A finding with the lines around the one that it is about."""

    text: str
    lines: str


@dataclass(frozen=True, kw_only=True)
class PlanPart:
    """◆1: the plan, and what the model was told about the data."""

    markdown: str
    listings: tuple[Listing, ...]
    codebook: str
    changes: Listing
    """What changed since the plan that was shown before; no rows for the first one."""


@dataclass(frozen=True, kw_only=True)
class ProgramView:
    """One program as it will run."""

    role: str
    language: str
    sha256: str
    code: str
    diff: str
    since_approved: Sides | None
    """Beside the program that was approved last; None where none was."""
    findings: Listing
    noted: tuple[Noted, ...]
    """The findings beside the lines."""
    status: str
    stdout: str
    results: Listing
    flow: str
    outputs: str


@dataclass(frozen=True, kw_only=True)
class CheckProgramView:
    """The program of Counterproof that runs the primary program once more, under observation."""

    name: str
    language: str
    sha256: str
    code: str


@dataclass(frozen=True, kw_only=True)
class CodePart:
    """◆2: the programs, what they will read, and in what they run."""

    programs: tuple[ProgramView, ...]
    against: Sides | None
    """The primary program beside the replication; None where there are not two in one language."""
    checkers: tuple[CheckProgramView, ...]
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
    """◆3: every number, table, figure and warning with its findings, the checks, and the two programs compared."""

    numbers: Listing
    files: tuple[FileItem, ...]
    warnings: Listing
    listings: tuple[Listing, ...]


@dataclass(frozen=True, kw_only=True)
class ReportText:
    """A stretch of a report: words, or a number with the id of the result that it comes from ("" for words)."""

    text: str
    result: str


@dataclass(frozen=True, kw_only=True)
class ReportSection:
    """A section of a report."""

    name: str
    texts: tuple[ReportText, ...]


@dataclass(frozen=True, kw_only=True)
class SignoffPart:
    """◆4: the report, where each of its numbers comes from, and the transparency statement."""

    markdown: str
    head: str
    sections: tuple[ReportSection, ...]
    """What the report says, each number apart."""
    numbers: Listing
    summary: str
    """How many items of the statement are present, not applicable and missing."""
    missing: Listing
    statement: str
    """The whole statement in words."""


@dataclass(frozen=True, kw_only=True)
class SetPart:
    """A checkpoint of a synthetic set: its specification, a sample of it, or its release."""

    notice: str
    markdown: str
    listings: tuple[Listing, ...]
    items: tuple[str, ...]
    """Rows or texts of the set."""
    images: tuple[bytes, ...] = ()
    """The image of each of them, marked as it is; empty where one has none."""


Part = PlanPart | CodePart | ReleasePart | SignoffPart | SetPart
