"""Synthetic texts by a language model, one for each row of a synthetic table, checked against that row.

The table drives the text and, where the specification names what they show, an ECG-like signal and a CT-like image, so
that all of it is of one patient. A text that contradicts its row, lacks a section or a fact, or holds an identifier
goes back to the model with what was wrong. All calls are in a record.

Which facts, sections, length and writer a text gets is planned for the whole set (`coverage`). With self-critique the
model reads its own text once more, names what is wrong and writes it anew; both turns are in the record.

It does not cover real texts as examples: the model sees made-up facts only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, Field

from counterproof.agents.answers import ask
from counterproof.agents.chat import Chat
from counterproof.agents.prompts import fill, shown
from counterproof.provenance.errors import ModelMayRetry, UsageError
from counterproof.tools.identifier_text import find_in_text
from counterproof.tools.synth.coverage import plan
from counterproof.tools.synth.documents import Document, TextSpecification, Value
from counterproof.tools.synth.evaluation.text_metrics import (
    contradictions,
    has_section,
    must_say,
    says_at_all,
    sections,
    words,
)
from counterproof.tools.synth.images import image_of
from counterproof.tools.synth.signals import ecg

_SECONDS = 10.0
_TEXT_MAX = 8_000


_SLACK = 0.15
"""As far beyond its length, as a share, may a text be."""


class Note(BaseModel):
    """A text that a model wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=20, max_length=_TEXT_MAX)
    """The text."""


class Revision(BaseModel):
    """What a model finds wrong with its own text, and the text anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    faults: list[str] = Field(max_length=10)
    """What was wrong, one a line; none where nothing was."""
    text: str = Field(min_length=20, max_length=_TEXT_MAX)
    """The whole text, mended; as it was where nothing was wrong."""


def write_notes(
    chat: Chat,
    patients: Sequence[Mapping[str, Value]],
    specification: TextSpecification,
    *,
    seed: int,
    self_critique: bool = False,
    say: Callable[[str], None] = lambda _line: None,
    under: str = "synth/note",
    reasons: Sequence[str] = (),
    sent_back: Callable[[str, Sequence[str]], None] = lambda _document, _faults: None,
) -> list[Document]:
    """Write one text for each patient, with a signal and an image where the specification names what they show.

    Args:
        chat: the model.
        patients: rows of a synthetic table.
        specification: what a text must be like.
        seed: of the plan, the signals and the images.
        self_critique: whether the model reads each text once more and mends it.
        say: is told of progress.
        under: how the questions are called in the journal.
        reasons: why a reviewer rejected the texts before.
        sent_back: is told of each text that went back to the model, and why.

    Raises:
        UsageError: the specification names what no patient has, or an image can't be drawn. No call was made then.
        ToolFailed: the model gave no usable text for a patient.
        MachineTrouble: the endpoint can't be used.
    """
    _check_names(patients, specification)
    images = [image_of(patient, specification.image, seed=seed + at) for at, patient in enumerate(patients, start=1)]
    planned = plan(patients, specification, seed=seed)
    documents = []
    for number, (patient, image, asked) in enumerate(zip(patients, images, planned, strict=True), start=1):
        rate = patient.get(specification.rate)
        bare = Document(
            id=f"synthetic-{number:05d}",
            text="-",
            attributes=dict(patient),
            signal=None if rate is None else ecg(float(rate), seconds=_SECONDS, seed=seed + number),
            image=image,
            asked=asked,
        )
        wanted = _Wanted(specification=specification, self_critique=self_critique, reasons=reasons, sent_back=sent_back)
        text = _written(chat, f"{under}/{number}", bare, wanted)
        documents.append(bare.model_copy(update={"text": text}))
        say(f"text {number} of {len(patients)}")
    return documents


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What all texts of a set share; see `write_notes`."""

    specification: TextSpecification
    self_critique: bool
    reasons: Sequence[str]
    sent_back: Callable[[str, Sequence[str]], None]


def _written(chat: Chat, key: str, bare: Document, wanted: _Wanted) -> str:
    """Have one text written, and mended where that is asked for."""
    specification = wanted.specification

    def check(answer: Note | Revision) -> None:
        found = faults(bare.model_copy(update={"text": answer.text}), specification)
        if found:
            wanted.sent_back(bare.id, found)
            raise ModelMayRetry(f"The text can't be used: {'; '.join(found)}.", allowed="Say the facts as they are.")

    role = bare.asked.persona if bare.asked else ""
    task = fill(
        "note_writer_task", specification=_told(bare, specification), facts=_facts(bare, specification), role=role
    )
    if wanted.reasons:
        task += "\n\n" + fill("note_writer_again", reasons="\n".join(f"- {reason}" for reason in wanted.reasons))
    conversation: list[BaseMessage] = [SystemMessage(fill("note_writer")), HumanMessage(task)]
    draft = ask(chat, key, conversation, Note, check=check)
    if not wanted.self_critique:
        return draft.value.text
    conversation += [AIMessage(draft.text), HumanMessage(fill("note_critic", role=role))]
    return ask(chat, f"{key}/revised", conversation, Revision, check=check).value.text


def _told(bare: Document, specification: TextSpecification) -> str:
    """Return what is asked of one text."""
    asked = bare.asked
    told = specification.model_dump(mode="json", include={"kind", "sections"})
    says = [said for said in specification.says if asked is None or said.attribute in asked.facts]
    told["says"] = [said.model_dump(mode="json", exclude={"share"}) for said in says]
    if asked is not None:
        told["sections"] = list(asked.sections)
        told |= {} if asked.words is None else {"words": list(asked.words)}
    return shown(told | ({} if specification.reading_ease is None else {"reading_ease": specification.reading_ease}))


def _facts(bare: Document, specification: TextSpecification) -> str:
    """Return the facts of a patient without those that this text is not to say."""
    left_out = _left_out(bare, specification)
    return shown({name: value for name, value in bare.attributes.items() if name not in left_out})


def _left_out(document: Document, specification: TextSpecification) -> set[str]:
    if document.asked is None:
        return set()
    return {said.attribute for said in specification.says} - set(document.asked.facts)


def _check_names(patients: Sequence[Mapping[str, Value]], specification: TextSpecification) -> None:
    known = sorted({name for patient in patients for name in patient})
    unknown = [name for name in specification.named if name not in known]
    if unknown:
        raise UsageError(
            f"The specification names {unknown[0]!r}, and the table has no such column.",
            allowed=", ".join(known),
            advice="Name a column of the table, or make the table with it.",
        )


def faults(document: Document, specification: TextSpecification) -> list[str]:
    """Return what keeps a text from being used, in words for the model."""
    asked = document.asked
    left_out = _left_out(document, specification)
    found = contradictions(document, specification)
    if sections([document], specification) == 0:
        wanted = specification.sections if asked is None else asked.sections
        found.append(f"it lacks a section, or their order differs: {', '.join(wanted)}")
    for name in () if asked is None else sorted(set(specification.sections) - set(asked.sections)):
        if has_section(document, name):
            found.append(f"it has the section {name}, which was not asked for")
    for said in specification.says:
        there = says_at_all(document, said)
        if said.attribute in left_out and must_say(document.attributes, said.attribute) and there:
            found.append(f"it says {said.attribute}, which was not asked for")
        elif said.attribute not in left_out and must_say(document.attributes, said.attribute) and not there:
            found.append(f"it does not say {said.attribute}")
    if asked is not None and asked.words is not None:
        count, (low, high) = len(words(document.text)), asked.words
        if not low * (1 - _SLACK) <= count <= high * (1 + _SLACK):
            found.append(f"it has {count} words; {low} to {high} were asked for")
    identifying = sorted({str(span.kind) for span in find_in_text(document.text)})
    if identifying:
        found.append(f"it holds what may identify a person: {', '.join(identifying)}")
    return found
