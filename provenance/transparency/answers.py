"""What only a person can say: a TOML file with one table per item, filled in by hand.

    [A4]
    answer = "Ada Lovelace (0000-0002-1825-0097) designed the study and is accountable for all of it."

    [B6]
    not_applicable = "No model was trained or fine-tuned."

An answer that is left empty is no answer. What the record fills in can't be overruled here. The statement names the
digest of the file as it is, and says that a person gave it.

It does not cover whether an answer is true: the person who signs off says so.
"""

from __future__ import annotations

import tomllib

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.provenance.transparency.checklist import Checklist, ChecklistItem, load_checklist
from counterproof.provenance.transparency.text import PlainText

ANSWER_MAX = 10_000


class Answer(BaseModel):
    """A person's answer to one item."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: PlainText = Field(default="", max_length=ANSWER_MAX)
    """The answer, in the person's words."""
    not_applicable: PlainText = Field(default="", max_length=ANSWER_MAX)
    """Why the item doesn't apply; empty where it does."""


class Answers(BaseModel):
    """All answers, by the ids of their items."""

    model_config = ConfigDict(frozen=True)

    by_id: dict[str, Answer] = Field(default_factory=dict)
    """Only items that were answered."""
    sha256: str = ""
    """Digest of the file that they were read from; empty where there is none."""


NO_ANSWERS = Answers()


def parse_answers(data: bytes, *, source: str) -> Answers:
    """Read the bytes of a filled-in file; no bytes are no answers.

    Args:
        data: the file as it is.
        source: what to call it in an error.

    Raises:
        UsageError: they are no UTF-8, or not what `read_answers` reads.
    """
    if not data:
        return NO_ANSWERS
    try:
        return read_answers(data.decode("utf-8")).model_copy(update={"sha256": sha256_bytes(data)})
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{source}: The answers are no UTF-8 text: {error}.", advice="Save the file as UTF-8, then give it again."
        ) from error
    except UsageError as error:
        raise UsageError(f"{source}: {error.what}", allowed=error.allowed, advice=error.advice) from error


def read_answers(text: str) -> Answers:
    """Read a filled-in file.

    Raises:
        UsageError: it is no TOML, names an unknown item or one that the record fills in, or gives both an answer and a
            reason why the item doesn't apply.
    """
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(
            f"The answers are no TOML: {error}.", advice="Start from the template, which has a table for each item."
        ) from error
    items = {item.id: item for item in load_checklist().item}
    found = {name: _answer(name, given, items) for name, given in raw.items()}
    return Answers(by_id={name: given for name, given in found.items() if given.answer or given.not_applicable})


def template_answers(checklist: Checklist | None = None) -> str:
    """Return the file to fill in: every question, with who asks it."""
    lines = [
        "# Transparency statement: what only you can say. Fill in `answer`, or say with `not_applicable` why an item",
        "# doesn't apply to this study. What is left empty is shown as missing.",
    ]
    for item in (checklist or load_checklist()).item:
        if item.kind == "human" or item.kind == "both":
            lines += _table(item)
    return "\n".join([*lines, ""])


def _table(item: ChecklistItem) -> list[str]:
    asked_by = ", ".join(f"{named.source} {named.item}".strip() for named in item.sources)
    record = ["# (The record answers a part of it.)"] if item.kind == "both" else []
    return [
        "",
        f"# {item.text}",
        f"# Asked by: {asked_by}.",
        *record,
        f"# {item.question}",
        f"[{item.id}]",
        'answer = """"""',
        'not_applicable = ""',
    ]


def _answer(name: str, given: object, items: dict[str, ChecklistItem]) -> Answer:
    if name not in items:
        raise UsageError(f"The answers name {name!r}.", allowed=f"Items: {', '.join(items)}.")
    if items[name].kind == "auto":
        raise UsageError(
            f"The answers name {name}, which is filled from the record.", advice="Take it out; nobody can overrule it."
        )
    try:
        answer = Answer.model_validate(given)
    except ValidationError as error:
        raise UsageError(
            f"The answer to {name} is not of the form: {error.errors(include_input=False)[0]['msg']}.",
            allowed=f"`answer` and `not_applicable` are texts of at most {ANSWER_MAX:,} characters.",
        ) from error
    trimmed = Answer(answer=answer.answer.strip(), not_applicable=answer.not_applicable.strip())
    if trimmed.answer and trimmed.not_applicable:
        raise UsageError(f"{name} has an answer and a reason why it doesn't apply.", advice="Keep one of them.")
    return trimmed
