"""Words that the renderings of a statement share."""

from __future__ import annotations

from typing import assert_never

from counterproof.provenance.labels import REVIEWED
from counterproof.provenance.reviewers import REPLAY_LABEL
from counterproof.provenance.transparency.checklist import SourceItem
from counterproof.provenance.transparency.statement import Lack, Statement, StatementItem

NO_SCIENCE = (
    "This statement says what the record shows and what people answered. It does not show that the science is right."
)
NOT_READ = "* The guideline's own text was not read for this list; its item is left open or recalled from memory."
_LACKS: dict[Lack, str] = {"record": "evidence", "person": "an answer"}
EVENTS_SHOWN = 12
TEXT_NAMES = {
    "cover_letter": "Cover letter",
    "abstract": "Abstract",
    "methods": "Methods",
    "acknowledgments": "Acknowledgments",
}


def status_words(item: StatementItem) -> str:
    """Return an item's status in words, and what is lacking."""
    match item.status:
        case "present":
            return "present"
        case "not_applicable":
            return "not applicable"
        case "missing":
            return f"missing: {' and '.join(_LACKS[lack] for lack in item.lacks)}"
        case _:
            assert_never(item.status)


def asked_by(sources: tuple[SourceItem, ...]) -> str:
    """Return who asks an item; an item number that was not checked is marked."""
    return "; ".join(f"{of.source} {of.item}".strip() + ("" if of.checked else "*") for of in sources)


def event_words(events: tuple[int, ...]) -> str:
    """Return the numbers of events, the first of many."""
    shown = ", ".join(str(seq) for seq in events[:EVENTS_SHOWN])
    rest = f" and {len(events) - EVENTS_SHOWN} more" if len(events) > EVENTS_SHOWN else ""
    return f"event{'' if len(events) == 1 else 's'} {shown}{rest}"


def review_notice(statement: Statement) -> str:
    """Return what a reader has to know first; "" for a study that people reviewed."""
    if statement.label == REPLAY_LABEL:
        return f"{REPLAY_LABEL.capitalize()}. The decisions of this study are scripted; no person looked at it."
    return "" if statement.label == REVIEWED else f"This study was {statement.label}."


def answers_words(statement: Statement) -> str:
    """Return where the answers come from: a person, who may say what no event of the record shows."""
    if not statement.answers:
        return "none were given"
    return f"given by a person in answers.toml (sha256 {statement.answers}), not by the record"


def how_many(items: tuple[StatementItem, ...]) -> str:
    """Return how many items have which status."""
    statuses = [item.status for item in items]
    present, other, missing = (statuses.count(status) for status in ("present", "not_applicable", "missing"))
    return f"{present} of {len(items)} items present, {other} not applicable, {missing} missing"
