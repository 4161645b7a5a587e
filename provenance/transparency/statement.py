"""The transparency statement: the checklist, filled in from the record where possible, else by a person.

Each item is

- `present`: with the evidence from the record, the person's answer, or for an item of the kind `both` the two of them;
- `not_applicable`: with the reason, by the record or by the person;
- `missing`: with what is lacking. An item without evidence is never present.

A person can't overrule the record: where it has evidence, or says what it lacks, "not applicable" speaks of the
person's part only, and the answers refuse items that only the record fills in. The statement is a pure function of
events, bodies and answers: no clock, no chance.

It does not cover whether an answer is true, nor whether a journal is content with it.

Source: `checklist.toml`, and the guidelines that it names.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from counterproof.provenance.events import Event
from counterproof.provenance.transparency import evidence_oversight, evidence_plan, evidence_record, evidence_tool
from counterproof.provenance.transparency.answers import NO_ANSWERS, Answer, Answers
from counterproof.provenance.transparency.bodies import Reader
from counterproof.provenance.transparency.checklist import ChecklistItem, Kind, Section, SourceItem, load_checklist
from counterproof.provenance.transparency.counts import Counts, count
from counterproof.provenance.transparency.evidence import Evidence, Finding, Lacking, NotApplicable, Query
from counterproof.provenance.transparency.story import Story, read_story
from counterproof.provenance.transparency.text import PlainText
from counterproof.provenance.transparency.texts import Texts, make_texts

Status = Literal["present", "not_applicable", "missing"]
Lack = Literal["record", "person"]
QUERIES: dict[str, Query] = {
    **evidence_tool.QUERIES,
    **evidence_plan.QUERIES,
    **evidence_oversight.QUERIES,
    **evidence_record.QUERIES,
}
"""Every query that the checklist may name."""
_NOBODY_ANSWERED = "Nobody has answered this."


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StatementItem(_Model):
    """One item with what is said to it."""

    id: str
    """As in the checklist."""
    kind: Kind
    """Filled from the record, asked from a person, or both."""
    text: str
    """What is asked."""
    question: str
    """What a person is asked; empty for `auto`."""
    status: Status
    """Present, not applicable, or missing."""
    evidence: tuple[Evidence, ...] = ()
    """What the record shows; an item may have some and be missing, when a person's part is lacking."""
    answer: PlainText = ""
    """What a person says."""
    reason: PlainText = ""
    """Why it is not applicable, or what is lacking."""
    lacks: tuple[Lack, ...] = ()
    """For a missing item: who would have to fill it."""
    sources: tuple[SourceItem, ...]
    """Who asks it."""


class GuidelineCount(_Model):
    """How much of one guideline is evidenced, as far as this checklist covers it."""

    source: str
    """Short name."""
    name: str
    """Title."""
    date: str
    """Of the version that was used."""
    checked: bool
    """Whether its own text was read for the checklist."""
    items: tuple[str, ...]
    """Items of the checklist that it asks for."""
    present: int
    """How many of them are present."""
    not_applicable: int
    """How many do not apply."""
    missing: int
    """How many are missing."""


class Statement(_Model):
    """A transparency statement."""

    statement: Literal["counterproof/transparency/1"] = "counterproof/transparency/1"
    """Form of this document."""
    checklist_as_of: str
    """When the checklist was made."""
    study: str
    """The study's id."""
    title: PlainText
    """Its title."""
    question: PlainText
    """What was asked."""
    label: str
    """How it was reviewed."""
    ended: str
    """How it ended; empty while it goes on."""
    reason: PlainText
    """Why it ended so."""
    head: str
    """Digest of the last event that was read."""
    answers: str = ""
    """Digest of the file of a person's answers; empty where there is none."""
    counts: Counts
    """How often what happened."""
    sections: tuple[Section, ...]
    """The sections, in their order."""
    items: tuple[StatementItem, ...]
    """The items, in their order."""
    guidelines: tuple[GuidelineCount, ...]
    """Per guideline: n of m items evidenced."""
    texts: Texts
    """Ready text."""

    def to_json(self) -> bytes:
        """Return the statement as indented JSON with sorted keys; the same statement gives the same bytes."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False)
        return f"{text}\n".encode()


def make_statement(
    events: Sequence[Event], blobs: Reader, answers: Answers = NO_ANSWERS, *, withheld: Collection[str] = ()
) -> Statement:
    """Make the statement of a study.

    Args:
        events: the whole record, its chain checked.
        blobs: where the bodies are; what is on the secure side is not read.
        answers: what a person said.
        withheld: digests of open bodies that this copy leaves out.

    Raises:
        UsageError: it is not the record of a study.
        VerificationFailed: a body is missing or changed.
    """
    return state(read_story(events, blobs, withheld=withheld), answers)


def state(story: Story, answers: Answers = NO_ANSWERS) -> Statement:
    """Make the statement of a story that was read already."""
    checklist = load_checklist()
    items = tuple(_item(item, story, answers.by_id.get(item.id, Answer())) for item in checklist.item)
    counts = count(story)
    return Statement(
        checklist_as_of=checklist.as_of,
        study=story.study,
        title=story.title,
        question=story.question,
        label=story.label,
        ended=story.ended,
        reason=story.reason,
        head=story.events[-1].digest,
        answers=answers.sha256,
        counts=counts,
        sections=checklist.section,
        items=items,
        guidelines=_guidelines(items),
        texts=make_texts(story, counts),
    )


def _item(item: ChecklistItem, story: Story, answer: Answer) -> StatementItem:
    finding: Finding = QUERIES[item.query](story) if item.query else ()
    evidence = finding if isinstance(finding, tuple) else ()
    status, reason, lacks = _judge(item, finding, answer)
    return StatementItem(
        id=item.id,
        kind=item.kind,
        text=item.text,
        question=item.question,
        status=status,
        evidence=evidence,
        answer=answer.answer or _no(answer, status),
        reason=reason,
        lacks=lacks,
        sources=item.sources,
    )


def _no(answer: Answer, status: Status) -> str:
    """Return what a person says of his or her part, where the record fills in the other."""
    return f"Not applicable: {answer.not_applicable}" if answer.not_applicable and status != "not_applicable" else ""


def _judge(item: ChecklistItem, finding: Finding, answer: Answer) -> tuple[Status, str, tuple[Lack, ...]]:
    """Return the status of an item, the reason for it, and who would have to fill it."""
    if isinstance(finding, NotApplicable):
        return "not_applicable", finding.reason, ()
    if answer.not_applicable and not finding:
        return "not_applicable", answer.not_applicable, ()
    lacks: list[Lack] = []
    reasons = []
    if item.kind != "human" and (isinstance(finding, Lacking) or not finding):
        lacks.append("record")
        reasons.append(finding.why if isinstance(finding, Lacking) else "The record has no evidence for it.")
    if item.kind != "auto" and not (answer.answer or answer.not_applicable):
        lacks.append("person")
        reasons.append(_NOBODY_ANSWERED)
    return ("missing" if lacks else "present"), " ".join(reasons), tuple(lacks)


def _guidelines(items: Sequence[StatementItem]) -> tuple[GuidelineCount, ...]:
    found = []
    for source in load_checklist().source:
        own = [item for item in items if any(named.source == source.id for named in item.sources)]
        statuses = [item.status for item in own]
        found.append(
            GuidelineCount(
                source=source.id,
                name=source.name,
                date=source.date,
                checked=source.checked,
                items=tuple(item.id for item in own),
                present=statuses.count("present"),
                not_applicable=statuses.count("not_applicable"),
                missing=statuses.count("missing"),
            )
        )
    return tuple(found)
