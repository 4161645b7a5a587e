"""The transparency statement as plain text, for a form that takes nothing else.

It does not cover all evidence of an item: the JSON does.
"""

from __future__ import annotations

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

_EVIDENCE_SHOWN = 5


def to_text(statement: Statement) -> str:
    """Return the statement as text; the same statement gives the same text."""
    ended = " ".join(part for part in (statement.ended.replace("_", " ") or "not ended", statement.reason) if part)
    lines = [
        f"Transparency statement: {statement.title}",
        *([review_notice(statement)] if review_notice(statement) else []),
        "",
        f"Question: {statement.question}",
        f"Study: {statement.study}; review: {statement.label}; ended: {ended}",
        f"Items: {how_many(statement.items)}",
        f"Answers: {answers_words(statement)}",
        f"Head of the record: {statement.head}",
        f"Checklist as of {statement.checklist_as_of}. {NO_SCIENCE}",
    ]
    for field, name in TEXT_NAMES.items():
        lines += ["", f"{name}:", getattr(statement.texts, field)]
    for section in statement.sections:
        lines += ["", f"{section.id}. {section.name}"]
        for item in statement.items:
            if item.id.startswith(section.id):
                lines += ["", *_item(item)]
    return "\n".join([*lines, "", NOT_READ, ""])


def _item(item: StatementItem) -> list[str]:
    more = len(item.evidence) - _EVIDENCE_SHOWN
    return [
        f"{item.id} [{status_words(item)}] {item.text}",
        *[f"  - {one.text} ({event_words(one.events)})" for one in item.evidence[:_EVIDENCE_SHOWN]],
        *([f"  - and {more} more, in statement.json"] if more > 0 else []),
        *([f"  Answer: {item.answer}"] if item.answer else []),
        *([f"  {item.reason}"] if item.reason else []),
        *([f"  Asked: {item.question}"] if "person" in item.lacks else []),
        f"  Asked by: {asked_by(item.sources)}",
    ]
