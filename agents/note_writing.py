"""Synthetic texts by a language model, one for each row of a synthetic table, checked against that row.

The table drives the text and, where the specification names what they show, an ECG-like signal and a CT-like image, so
that all of it is of one patient. A text that contradicts its row, lacks a section or a fact, or holds an identifier
goes back to the model with what was wrong. All calls are in a record.

It does not cover real texts as examples: the model sees made-up facts only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, Field

from counterproof.agents.answers import ask
from counterproof.agents.chat import Chat
from counterproof.agents.prompts import fill, shown
from counterproof.provenance.errors import ModelMayRetry, UsageError
from counterproof.tools.identifier_text import find_in_text
from counterproof.tools.synth.documents import Document, TextSpecification, Value
from counterproof.tools.synth.evaluation.text_metrics import concepts, contradictions, sections
from counterproof.tools.synth.images import image_of
from counterproof.tools.synth.signals import ecg

ROLES = (
    "a resident who writes the discharge letter at the end of a long shift",
    "a senior physician who dictates in short sentences",
    "a nurse practitioner who writes for the general practitioner",
    "a specialist who was asked for advice and writes in detail",
)
_SECONDS = 10.0
_TEXT_MAX = 8_000


class Note(BaseModel):
    """A text that a model wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(min_length=20, max_length=_TEXT_MAX)
    """The text."""


def write_notes(
    chat: Chat,
    patients: Sequence[Mapping[str, Value]],
    specification: TextSpecification,
    *,
    seed: int,
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
        seed: of the signals and images.
        say: is told of progress.
        under: how the questions are called in the journal.
        reasons: why a reviewer rejected the texts before.
        sent_back: is told of each text that went back to the model, and why.

    Raises:
        UsageError: the specification names what no patient has, or an image can't be drawn. No call was made then.
        ToolFailed: the model gave no usable text for a patient.
        MachineTrouble: the endpoint can't be used.
    """
    told = shown(specification.model_dump(mode="json", include={"sections", "says"}))
    _check_names(patients, specification)
    images = [image_of(patient, specification.image, seed=seed + at) for at, patient in enumerate(patients, start=1)]
    documents = []
    for number, (patient, image) in enumerate(zip(patients, images, strict=True), start=1):
        bare = Document(id=f"synthetic-{number:05d}", text="-", attributes=dict(patient), image=image)

        def check(answer: Note, bare: Document = bare) -> None:
            found = faults(bare.model_copy(update={"text": answer.text}), specification)
            if found:
                sent_back(bare.id, found)
                raise ModelMayRetry(
                    f"The text can't be used: {'; '.join(found)}.", allowed="Say the facts as they are."
                )

        role = ROLES[number % len(ROLES)]
        text = fill("note_writer_task", specification=told, facts=shown(dict(patient)), role=role)
        if reasons:
            text += "\n\n" + fill("note_writer_again", reasons="\n".join(f"- {reason}" for reason in reasons))
        conversation: list[BaseMessage] = [SystemMessage(fill("note_writer")), HumanMessage(text)]
        answer = ask(chat, f"{under}/{number}", conversation, Note, check=check).value
        rate = patient.get(specification.rate)
        signal = None if rate is None else ecg(float(rate), seconds=_SECONDS, seed=seed + number)
        documents.append(bare.model_copy(update={"text": answer.text, "signal": signal}))
        say(f"text {number} of {len(patients)}")
    return documents


def _check_names(patients: Sequence[Mapping[str, Value]], specification: TextSpecification) -> None:
    image = specification.image
    named = [said.attribute for said in specification.says] + [specification.label, specification.rate]
    named += [] if image is None else [image.diameter, image.side]
    known = sorted({name for patient in patients for name in patient})
    unknown = [name for name in named if name and name not in known]
    if unknown:
        raise UsageError(
            f"The specification names {unknown[0]!r}, and the table has no such column.",
            allowed=", ".join(known),
            advice="Name a column of the table, or make the table with it.",
        )


def faults(document: Document, specification: TextSpecification) -> list[str]:
    """Return what keeps a text from being used, in words for the model."""
    found = contradictions(document, specification)
    if sections([document], specification) == 0:
        found.append(f"it lacks a section, or their order differs: {', '.join(specification.sections)}")
    for said in specification.says:
        alone = specification.model_copy(update={"says": (said,)})
        if concepts([document], alone) == 0:
            found.append(f"it does not say {said.attribute}")
    identifying = sorted({str(span.kind) for span in find_in_text(document.text)})
    if identifying:
        found.append(f"it holds what may identify a person: {', '.join(identifying)}")
    return found
