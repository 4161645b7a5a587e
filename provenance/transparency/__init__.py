"""The transparency statement: what guidelines ask about a study with a language model, answered from its record.

    statement = make_statement(events, blobs, read_answers(text))
    statement.to_json(); to_html(statement); render_docx.to_docx(statement, made_at=events[-1].ts)

The Word rendering is imported from its module (`render_docx`), because its library takes long to load.

It does not cover where these files go in a bundle.
"""

from counterproof.provenance.transparency.answers import (
    NO_ANSWERS,
    Answer,
    Answers,
    parse_answers,
    read_answers,
    template_answers,
)
from counterproof.provenance.transparency.checklist import Checklist, ChecklistItem, load_checklist
from counterproof.provenance.transparency.counts import Counts
from counterproof.provenance.transparency.evidence import Evidence
from counterproof.provenance.transparency.render_html import to_html
from counterproof.provenance.transparency.statement import GuidelineCount, Statement, StatementItem, make_statement
from counterproof.provenance.transparency.story import Story, read_story
from counterproof.provenance.transparency.texts import Texts

__all__ = [
    "NO_ANSWERS",
    "Answer",
    "Answers",
    "Checklist",
    "ChecklistItem",
    "Counts",
    "Evidence",
    "GuidelineCount",
    "Statement",
    "StatementItem",
    "Story",
    "Texts",
    "load_checklist",
    "make_statement",
    "parse_answers",
    "read_answers",
    "read_story",
    "template_answers",
    "to_html",
]
