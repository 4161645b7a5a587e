"""The files of a bundle that are made for people: the record page, what the model saw, and the transparency statement.

They are a pure function of the record, its open bodies (a person's answers are one of them) and the spans, so the
export makes them, and `verify` makes them again and compares every byte. No clock, no chance, no name of a machine: the
time in the Word file is that of the record's last event. What the export knows and `verify` can't see must not come in
here.

The bundle of a synthetic set has no transparency statement, which tells a study with results.

It does not cover the crate's own preview, which lists the other files (`page.make_preview`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from counterproof.provenance.events import Event
from counterproof.provenance.page.record_page import render
from counterproof.provenance.permissions import purpose_of
from counterproof.provenance.transparency.answers import parse_answers
from counterproof.provenance.transparency.bodies import Reader
from counterproof.provenance.transparency.model_saw import to_json
from counterproof.provenance.transparency.render_docx import to_docx
from counterproof.provenance.transparency.render_html import to_html
from counterproof.provenance.transparency.statement import state
from counterproof.provenance.transparency.story import read_story

RECORD_PAGE = "record.html"
STATEMENT = "transparency/statement"
"""Name of the statement's files without their endings."""
SIGNED = "transparency/signed.json"
"""The statement as it was signed off: made before the sign-off, so it does not count it."""
ANSWERS = "transparency/answers.toml"
MODEL_SAW = "transparency/model-saw.json"
"""Every message that the model was sent, with where it comes from."""
MADE_WITH = ("counterproof", "Pygments", "python-docx", "lxml")
"""The software that decides on the bytes of these files; another version may give others."""


def readable_files(
    events: Sequence[Event], blobs: Reader, *, spans: bytes, answers: bytes, withheld: Collection[str]
) -> dict[str, bytes]:
    """Return the files by their names in the payload.

    Args:
        events: the whole record, its chain checked.
        blobs: where the bodies are; what is on the secure side is not read.
        spans: the study's spans; may be empty.
        answers: the answers in the record (`recorded_answers`); empty where nobody answered.
        withheld: digests of the bodies that are not in the bundle.

    Raises:
        UsageError: it is not the record of a study, or the answers are not of their form.
        VerificationFailed: a body is missing or changed.
    """
    story = read_story(events, blobs, withheld=withheld)
    pages = {RECORD_PAGE: render(story, spans=spans), MODEL_SAW: to_json(story)}
    if purpose_of(events[0].data) != "analysis":
        return pages
    statement = state(story, parse_answers(answers, source=ANSWERS))
    return {
        **pages,
        f"{STATEMENT}.json": statement.to_json(),
        f"{STATEMENT}.html": to_html(statement, record_page=f"../{RECORD_PAGE}"),
        f"{STATEMENT}.docx": to_docx(statement, made_at=events[-1].ts),
        **({ANSWERS: answers} if answers else {}),
    }
