"""What the checkpoints of a synthetic set show: what is to be made, a sample of what was made, and what is let go."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from counterproof.agents.papers import Papers
from counterproof.agents.set_papers import CARD, beside_of, data_of, making_order, making_request, texts_beside
from counterproof.agents.set_study import limits_of_set
from counterproof.provenance.budgets import epsilon_spent
from counterproof.provenance.digests import digest_of, sha256_bytes
from counterproof.tools.synth.documents import parse_documents
from counterproof.tools.synth.exhibits import blinded
from counterproof.tools.synth.review import Rating, Session, conclude_from, make_session, make_session_without_real
from counterproof.tools.synth.specification import SetSpecification
from counterproof.tools.synth.studies import blinded_items_of, found_in_texts, items_of, marked_anew

SENT_BACK = "sent back"
"""What went back to the model while it wrote: the kind of a finding that only the conversation tells."""


def specification_subject(papers: Papers, specification: SetSpecification, *, reasons: Sequence[str]) -> dict[str, Any]:
    """Return what the checkpoint of a specification shows; `editable` is the specification itself.

    Args:
        papers: of the study.
        specification: what is to be made.
        reasons: for which the sample before was rejected.
    """
    (file,) = papers.settings.data
    limits = limits_of_set(
        papers.checkpoints.policy().policy,
        file.name,
        model=papers.settings.model.model,
        exposure=file.exposure,
        spent=epsilon_spent(papers.record.events()),
    )
    order = None
    if specification.kind == "table":
        order = making_order(papers, making_request(papers, specification, limits)).model_dump(mode="json")
    taken_in = papers.record.of_type("intake.finished")
    return {
        "data": [file.model_dump(mode="json")],
        "identifiers": taken_in[-1].data["identifiers"] if taken_in else [],
        "order": order,
        "beside": beside_of(papers),
        "model": papers.settings.model.model if specification.asks_model else "",
        "limits": limits.model_dump(mode="json"),
        "reasons": list(reasons),
        "editable": specification.model_dump(mode="json"),
    }


def sample_subject(
    papers: Papers,
    specification: SetSpecification,
    files: Mapping[str, str],
    *,
    set_name: str,
    number: int,
    sent_back: Sequence[dict[str, str]],
    reasons: Sequence[str],
) -> dict[str, Any]:
    """Return what the checkpoint of a sample shows.

    Args:
        papers: of the study.
        specification: what was made.
        files: those of the set, by their commitments.
        set_name: what the set is called in the store.
        number: of the round.
        sent_back: what went back to the model, as findings.
        reasons: for which the sample before was rejected.
    """
    name, data = data_of(papers, files)
    card = json.loads(papers.record.blobs.get(files[CARD]))
    findings = [*sent_back, *_found(specification, name, data), *_flagged(card)]
    shown = items_of(name, data)
    _, key = session_for(papers, specification, name, data)
    return {
        "specification": digest_of(specification.model_dump(mode="json")),
        "round": number,
        "files": dict(files),
        "items": len(shown),
        "shown": [one.text for one in shown[: specification.shown]],
        "images": [one.png for one in shown[: specification.shown]],
        "findings": findings,
        "flagged": [row["item"] for row in findings if row["kind"] == "card"],
        "session": {"set": set_name, "items": len(json.loads(key)), "raters": specification.raters},
        "reasons": list(reasons),
        "editable": {},
    }


def set_release_subject(
    papers: Papers,
    specification: SetSpecification,
    sample: str,
    *,
    files: Mapping[str, str],
    given: Sequence[Rating],
) -> dict[str, Any]:
    """Return what the release of a set shows.

    Args:
        papers: of the study.
        specification: what was made.
        sample: what the sample that was approved is committed to by.
        files: those of the set with its final card, by their commitments.
        given: what people said.
    """
    shown, body = papers.json(sample), papers.record.blobs.get(files[CARD])
    final = json.loads(body)
    return {
        "specification": shown["specification"],
        "sample": sample,
        "files": dict(files),
        "card": sha256_bytes(body),
        "rows": final["provenance"]["rows"],
        "findings": shown["findings"],
        "flagged": shown["flagged"],
        "human": final["human"],
        "agreement": final["agreement"],
        "raters": len({one.rater for one in given}),
        "may": specification.may,
        "may_not": specification.may_not,
        "limits": final["limits"],
        "editable": {},
    }


def rated_files(
    papers: Papers, files: Mapping[str, str], session: Session, key: bytes, given: Sequence[Rating]
) -> dict[str, bytes]:
    """Return the files of a set as they are let go: with what people said on the card, and marked with that."""
    bodies = {one: papers.record.blobs.get(commitment) for one, commitment in files.items()}
    if not given:
        return bodies
    name, data = data_of(papers, files)
    human, agreement = conclude_from(session, key, given)
    return dict(marked_anew(name, data, bodies[CARD], {"human": human, "agreement": agreement}).files)


def session_for(papers: Papers, specification: SetSpecification, name: str, data: bytes) -> tuple[bytes, bytes]:
    """Return a session of the set's items, half of them texts that were given for it, and its key."""
    made, beside = blinded_items_of(name, data), blinded(texts_beside(papers))
    items, seed = min(specification.items, 2 * len(made)), specification.seed
    if beside:
        session, key = make_session(beside, made, items=min(items, 2 * len(beside)), seed=seed)
    else:
        session, key = make_session_without_real(made, items=items, seed=seed)
    return session.model_dump_json(indent=1).encode(), key


def _found(specification: SetSpecification, name: str, data: bytes) -> list[dict[str, str]]:
    if specification.kind == "table":
        return []
    return found_in_texts(parse_documents(data, source=name), specification)


def _flagged(card: dict[str, Any]) -> list[dict[str, str]]:
    """Return the numbers of a card that don't keep their limits."""
    sections = (value for value in card.values() if isinstance(value, list))
    measures = [
        row for section in sections for row in section if isinstance(row, dict) and row.get("verdict") == "flag"
    ]
    return [
        {"kind": "card", "item": row["definition"]["id"], "text": f"{row['definition']['title']}: {row['value']:g}"}
        for row in measures
    ]
