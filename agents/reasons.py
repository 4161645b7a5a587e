"""Answers to a reviewer's reasons: what was rejected comes back with an answer to each reason.

The reasons are those of the last decision in the record, while that is a rejection of the checkpoint in question, or
sends the study back to it; so a study that goes on after a crash asks the same. The answers stand in the subject of the
next checkpoint, beside the reasons, and `verify` demands them.

It does not cover whether an answer is true.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from counterproof.agents.papers import Papers
from counterproof.provenance.events import Event
from counterproof.provenance.reasons import reasons_in
from counterproof.provenance.reviewers import CheckpointKind

FIELD = "answers_to_reasons"
ANSWER_MAX = 5_000


def pending(papers: Papers, kind: CheckpointKind) -> tuple[str, ...]:
    """Return the reasons that wait for answers; see `asked`."""
    return tuple(row["reason"] for row in asked(papers, kind))


def answered(papers: Papers, kind: CheckpointKind, answers: Sequence[str], **more: str) -> list[dict[str, str]]:
    """Return what the next checkpoint shows: each reason, who gave it, and the answer."""
    rows = asked(papers, kind)
    if not rows:
        return []
    return [{**row, **more, "answer": answer} for row, answer in zip(rows, answers, strict=True)]


def asked(papers: Papers, kind: CheckpointKind) -> list[dict[str, str]]:
    """Return what the last decision asks of this kind of checkpoint: each reason, and who gave it where.

    That is nothing, unless it led back to this kind.
    """
    last = papers.record.of_type("decision.recorded")[-1:]
    if not last or kind is not _back_to(last[0]):
        return []
    by = {"checkpoint": last[0].data["checkpoint"], "by": last[0].data["reviewer"]["name"]}
    return [{**by, "reason": reason} for reason in reasons_in(papers.json(last[0].ref("statement").sha256)["comment"])]


def _back_to(decided: Event) -> CheckpointKind | None:
    match decided.data["decision"]:
        case "reject":
            return CheckpointKind(decided.data["kind"])
        case "replan":
            return CheckpointKind.PLAN
        case _:
            return None


def numbered(reasons: Sequence[str]) -> str:
    """Return reasons as a prompt lists them, with how to answer."""
    listed = "\n".join(f"{at}. {reason}" for at, reason in enumerate(reasons, start=1))
    return (
        f"{listed}\n\nAnswer to each of these {len(reasons)} reasons, too: the JSON object also holds "
        f'"{FIELD}": a list of {len(reasons)} texts in this order, each saying what you changed for it, or why not.'
    )


def with_answers(schema: dict[str, Any], count: int) -> dict[str, Any]:
    """Return a JSON Schema that also asks for the answers; the schema itself where nothing is to be answered."""
    if not count:
        return schema
    answer = {"type": "string", "minLength": 1, "maxLength": ANSWER_MAX}
    field = {
        "description": "For each of the reviewer's reasons, in order: what you changed for it, or why not.",
        "type": "array",
        "items": answer,
        "minItems": count,
        "maxItems": count,
    }
    properties = {**schema.get("properties", {}), FIELD: field}
    return {**schema, "properties": properties, "required": [*schema.get("required", []), FIELD]}


def take_answers(raw: Any, count: int) -> tuple[Any, tuple[str, ...], str]:
    """Split a model's answer into what was asked for and its answers; the text says what is wrong with these."""
    if not count or not isinstance(raw, dict):
        return raw, (), ""
    rest = {name: value for name, value in raw.items() if name != FIELD}
    given = raw.get(FIELD)
    if not isinstance(given, list) or len(given) != count:
        return rest, (), f'"{FIELD}" must be a list of {count} texts, one for each of the reviewer\'s reasons'
    if not all(isinstance(one, str) and 0 < len(one.strip()) <= ANSWER_MAX for one in given):
        return rest, (), f'each of "{FIELD}" must be a text of 1 to {ANSWER_MAX} characters: {json.dumps(given)[:200]}'
    return rest, tuple(one.strip() for one in given), ""
