"""The transparency statement as a Word document, for journals that ask for one.

The same statement gives the same bytes: the times inside are those of the record's last event, and each part of the
zip carries one fixed time. (Other versions of zlib may compress to other bytes.)

It does not cover layout beyond Word's own styles.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import datetime

import docx
from docx.document import Document
from docx.shared import Pt

from counterproof.provenance.transparency.statement import Statement, StatementItem
from counterproof.provenance.transparency.wording import (
    NO_SCIENCE,
    NOT_READ,
    TEXT_NAMES,
    asked_by,
    event_words,
    how_many,
    review_notice,
    status_words,
)

_EVIDENCE_SHOWN = 40
_TIME = (1980, 1, 1, 0, 0, 0)


def to_docx(statement: Statement, *, made_at: str) -> bytes:
    """Return the statement as a Word document.

    Args:
        statement: what to show.
        made_at: the time that stands in the document's properties: that of the record's last event.
    """
    made = docx.Document()
    made.styles["Normal"].font.size = Pt(10)
    _properties(made, statement, made_at)
    _head(made, statement)
    _guidelines(made, statement)
    made.add_heading("Ready text", level=1)
    for field, name in TEXT_NAMES.items():
        made.add_heading(name, level=2)
        made.add_paragraph(getattr(statement.texts, field))
    made.add_heading("What is counted", level=1)
    _table(made, [("what", "how many"), *[(name.replace("_", " "), f"{value:,}") for name, value in statement.counts]])
    for section in statement.sections:
        made.add_heading(f"{section.id}. {section.name}", level=1)
        for item in statement.items:
            if item.id.startswith(section.id):
                _item(made, item)
    made.add_paragraph(NOT_READ)
    return _canonical(made)


def _properties(made: Document, statement: Statement, made_at: str) -> None:
    time = datetime.fromisoformat(made_at).replace(tzinfo=None, microsecond=0)
    properties = made.core_properties
    properties.title = f"Transparency statement: {statement.title}"[:255]
    properties.author = "Counterproof"
    properties.last_modified_by = "Counterproof"
    properties.comments = f"Head of the record: {statement.head}"
    properties.created = properties.modified = time


def _head(made: Document, statement: Statement) -> None:
    made.add_heading(f"Transparency statement: {statement.title}", level=0)
    if notice := review_notice(statement):
        made.add_paragraph().add_run(notice).bold = True
    made.add_paragraph(statement.question)
    ended = statement.ended.replace("_", " ") or "not ended"
    rows = [
        ("Study", statement.study),
        ("Review", statement.label),
        ("Ended", f"{ended} {statement.reason}".strip()),
        ("Items", how_many(statement.items)),
        ("Head of the record", statement.head),
        ("Checklist as of", statement.checklist_as_of),
    ]
    _table(made, rows)
    made.add_paragraph(NO_SCIENCE)


def _guidelines(made: Document, statement: Statement) -> None:
    made.add_heading("Per guideline", level=1)
    rows: list[tuple[str, ...]] = [("guideline", "evidenced", "not applicable", "missing")]
    for row in statement.guidelines:
        star = "" if row.checked else "*"
        evidenced = f"{row.present} of {len(row.items)}" if row.items else "no item yet"
        rows.append((f"{row.source}{star} ({row.date})", evidenced, str(row.not_applicable), str(row.missing)))
    _table(made, rows)


def _item(made: Document, item: StatementItem) -> None:
    line = made.add_paragraph()
    line.paragraph_format.keep_with_next = True
    line.add_run(f"{item.id}  ").bold = True
    line.add_run(f"{item.text} ")
    line.add_run(f"[{status_words(item)}]").bold = True
    for evidence in item.evidence[:_EVIDENCE_SHOWN]:
        made.add_paragraph(f"{evidence.text} ({event_words(evidence.events)})", style="List Bullet")
    if len(item.evidence) > _EVIDENCE_SHOWN:
        made.add_paragraph(f"and {len(item.evidence) - _EVIDENCE_SHOWN} more, in statement.json", style="List Bullet")
    if item.answer:
        made.add_paragraph(f"Answer: {item.answer}")
    if item.reason:
        made.add_paragraph(item.reason)
    if "person" in item.lacks:
        made.add_paragraph(f"Asked: {item.question}")
    made.add_paragraph().add_run(asked_by(item.sources)).italic = True


def _table(made: Document, rows: Sequence[tuple[str, ...]]) -> None:
    table = made.add_table(rows=len(rows), cols=len(rows[0]), style="Table Grid")
    for cells, row in zip(table.rows, rows, strict=True):
        for cell, text in zip(cells.cells, row, strict=True):
            cell.text = text


def _canonical(made: Document) -> bytes:
    """Pack the document with one fixed time for each of its parts, in the order that the library chose."""
    saved, target = io.BytesIO(), io.BytesIO()
    made.save(saved)
    with zipfile.ZipFile(saved) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in archive.namelist():
            packed.writestr(zipfile.ZipInfo(name, date_time=_TIME), archive.read(name), zipfile.ZIP_DEFLATED)
    return target.getvalue()
