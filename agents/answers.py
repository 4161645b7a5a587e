"""Structured answers: asking a model for JSON of a known form, and a bounded number of repairs.

The form is asked for with `response_format`, then validated here; what is wrong is told to the model, which may try
again `REPAIRS` times. Answers that were read from the record don't count, so that a study that stopped here can be
run again and goes on where it stopped.

It does not cover what an answer means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from pydantic import BaseModel, ValidationError

from counterproof.agents.chat import Chat
from counterproof.agents.reasons import take_answers, with_answers
from counterproof.provenance.errors import ModelMayRetry, ToolFailed
from counterproof.tools import faults

REPAIRS = 2
_FENCE = re.compile(r"```(?:json)?\s*\n(.*)\n```", re.DOTALL)
_SHOWN = 20_000

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Structured(Generic[M]):
    """A usable answer: its raw text, what it says, and the answers to a reviewer's reasons."""

    text: str
    value: M
    answers: tuple[str, ...] = ()


def ask(
    chat: Chat,
    key: str,
    messages: list[BaseMessage],
    form: type[M],
    *,
    check: Callable[[M], None] = lambda _answer: None,
    reasons: int = 0,
) -> Structured[M]:
    """Ask until an answer has the form and passes the check.

    Args:
        chat: the model.
        key: names the question; the answers are `<key>/1`, `<key>/2`, …
        messages: the conversation so far; not changed.
        form: what the answer must be.
        reasons: how many reasons of a reviewer the answer has to answer to.
        check: raises `ModelMayRetry` for an answer that has the form and still can't be used.

    Raises:
        ToolFailed: the model gave no usable answer in `1 + REPAIRS` new attempts.
        MachineTrouble: the endpoint can't be used.
    """
    conversation = list(messages)
    fresh, number = 0, 0
    while True:
        number += 1
        answer = chat.complete(f"{key}/{number}", conversation, response_format=_format(chat, form, reasons))
        fresh += not answer.recorded
        try:
            if answer.fault:
                raise ModelMayRetry(f"Your answer can't be used: {answer.fault}.")
            value, answers = _parse(answer.text, form, reasons)
            check(value)
        except ModelMayRetry as error:
            if fresh > REPAIRS:
                raise ToolFailed(
                    f"The model {chat.config.model} at {chat.config.base_url} gave no usable answer for {key!r} in "
                    f"{fresh} attempts. "
                    f"The last fault: {error}",
                    advice="All attempts are in the record. Run the study again to ask anew, or take another model.",
                ) from error
            if answer.text:
                conversation.append(AIMessage(answer.text[:_SHOWN]))
            conversation.append(HumanMessage(f"{error}\n\nAnswer again, completely, as one JSON object."))
        else:
            return Structured(text=answer.text, value=value, answers=answers)


def _parse(text: str, form: type[M], reasons: int) -> tuple[M, tuple[str, ...]]:
    fenced = _FENCE.search(text)
    body = fenced.group(1) if fenced else text
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        start = text.strip()[:80]
        raise ModelMayRetry(
            f"Your answer is not JSON ({error}); it begins with {start!r}.",
            allowed="Answer with one JSON object of the required form and nothing else.",
        ) from error
    rest, answers, fault = take_answers(raw, reasons)
    try:
        value = form.model_validate(rest)
    except ValidationError as error:
        raise ModelMayRetry(f"Your answer is not of the required form: {faults(error)}.") from error
    if fault:
        raise ModelMayRetry(f"Your answer is not of the required form: {fault}.")
    return value, answers


def _format(chat: Chat, form: type[BaseModel], reasons: int) -> dict[str, Any] | None:
    if chat.config.structured == "none":
        return None
    if chat.config.structured == "json_object":
        return {"type": "json_object"}
    schema = {"name": form.__name__, "schema": with_answers(form.model_json_schema(), reasons)}
    return {"type": "json_schema", "json_schema": schema}
