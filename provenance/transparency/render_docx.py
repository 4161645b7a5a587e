"""The transparency statement as a Word document, for journals that ask for one.

The same statement gives the same bytes: the times inside are those of the record's last event, each part of the zip
carries one fixed time, and none is compressed, because other versions of zlib compress to other bytes.

It does not cover layout beyond Word's own styles.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import docx
from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.shared import Pt

from counterproof.provenance.transparency.statement import Statement, StatementItem
from counterproof.provenance.transparency.wording import (
    NO_SCIENCE,
    NOT_READ,
    TEXT_NAMES,
    answers_words,
    asked_by,
    event_words,
    how_many,
    review_notice,
    status_words,
)

_EVIDENCE_SHOWN = 40
_TIME = (1980, 1, 1, 0, 0, 0)
_BULLET = "ListBullet"
_GRID = "Table Grid"
_TABLES = ("Normal Table", _GRID)
_UNUSED = ("/stylesWithEffects", "/metadata/thumbnail")


@lru_cache(maxsize=2)
def to_docx(statement: Statement, *, made_at: str) -> bytes:
    """Return the statement as a Word document; the last ones are kept, for one process makes each several times.

    Args:
        statement: what to show.
        made_at: the time that stands in the document's properties: that of the record's last event.
    """
    made = docx.Document()
    _slim(made)
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


def _slim(made: Document) -> None:
    """Take out of the library's template what nothing here uses: nine tenths of a file that is not compressed."""
    for style in list(made.styles):
        if style.type is WD_STYLE_TYPE.TABLE and style.name not in _TABLES:
            style.delete()
    for rels in (made.part.rels, made.part.package.rels):
        for name in [name for name, rel in rels.items() if rel.reltype.endswith(_UNUSED)]:
            del rels[name]


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
        ("Answers", answers_words(statement)),
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
        _bullet(made, f"{evidence.text} ({event_words(evidence.events)})")
    if len(item.evidence) > _EVIDENCE_SHOWN:
        _bullet(made, f"and {len(item.evidence) - _EVIDENCE_SHOWN} more, in statement.json")
    if item.answer:
        made.add_paragraph(f"Answer: {item.answer}")
    if item.reason:
        made.add_paragraph(item.reason)
    if "person" in item.lacks:
        made.add_paragraph(f"Asked: {item.question}")
    made.add_paragraph().add_run(asked_by(item.sources)).italic = True


def _bullet(made: Document, text: str) -> None:
    # `add_paragraph(style=…)` reads every style of the template each time, which took half of the whole time (1.2.0).
    made.add_paragraph(text)._p.style = _BULLET


def _table(made: Document, rows: Sequence[tuple[str, ...]]) -> None:
    table = made.add_table(rows=len(rows), cols=len(rows[0]), style=_GRID)
    for cells, row in zip(table.rows, rows, strict=True):
        for cell, text in zip(cells.cells, row, strict=True):
            cell.text = text


def _canonical(made: Document) -> bytes:
    """Pack the document with one fixed time for each of its parts, in the order that the library chose."""
    saved, target = io.BytesIO(), io.BytesIO()
    made.save(saved)
    with zipfile.ZipFile(saved) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as packed:
        for name in archive.namelist():
            info = zipfile.ZipInfo(name, date_time=_TIME)
            info.create_system = 3
            packed.writestr(info, archive.read(name), zipfile.ZIP_STORED)
    return target.getvalue()
