"""Judge: what people said goes onto the card, the files are marked with it, and the release is put up."""

from __future__ import annotations

import json
from typing import Any

from langgraph.runtime import Runtime

from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import put_up
from counterproof.agents.state import StudyState
from counterproof.agents.synthesis_nodes._specified import specification_in
from counterproof.agents.synthesis_nodes.make import CARD, data_of, put_files
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.tools.synth.review import Rating, Session, conclude_from, ratings_of
from counterproof.tools.synth.studies import SESSION, marked_anew


def judge(state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Conclude what people said, mark the set with its final card, and put the release up."""
    ctx = runtime.context
    sample, specification = state["checkpoint"], specification_in(state, ctx)
    given = _ratings(ctx, state["study"], sample)
    name, data = data_of(ctx, state["files"])
    card = ctx.record.blobs.get(state["files"][CARD])
    files = {one: ctx.record.blobs.get(commitment) for one, commitment in state["files"].items()}
    if given:
        session, key = _session(ctx)
        human, agreement = conclude_from(session, key, given)
        files = dict(marked_anew(name, data, card, {"human": human, "agreement": agreement}).files)
    refs = put_files(ctx, files)
    said = "".join(f"{one.model_dump_json()}\n" for one in given).encode()
    ratings = ctx.record.put("ratings", said, media="application/jsonl")
    raters = len({one.rater for one in given})
    ctx.note_once("set.judged", {"checkpoint": sample, "raters": raters}, [ratings, *refs])
    final = json.loads(files[CARD])
    shown = ctx.checkpoints.subject(sample)
    named = {ref.role.removeprefix("file:"): ref.sha256 for ref in refs}
    subject = {
        "specification": state["specification"],
        "sample": ctx.checkpoints.get(sample).subject,
        "files": named,
        "card": sha256_bytes(files[CARD]),
        "rows": final["provenance"]["rows"],
        "findings": shown["findings"],
        "flagged": shown["flagged"],
        "human": final["human"],
        "agreement": final["agreement"],
        "raters": raters,
        "may": specification.may,
        "may_not": specification.may_not,
        "limits": final["limits"],
        "editable": {},
    }
    return {"files": named, **put_up(ctx, state, CheckpointKind.RELEASE, subject)}


def _ratings(ctx: StudyContext, study: str, sample: str) -> list[Rating]:
    """Return what people said; after a crash, what was written down of it."""
    for event in ctx.record.of_type("set.judged"):
        if event.data["checkpoint"] == sample:
            lines = ctx.text(event.ref("ratings").sha256).splitlines()
            return [Rating.model_validate_json(line) for line in lines]
    known = {item.id for item in _session(ctx)[0].items}
    return [one for one in ratings_of(ctx.sets / study / SESSION) if one.item in known]


def _session(ctx: StudyContext) -> tuple[Session, bytes]:
    made = ctx.record.of_type("set.made")[-1]
    session, key = (ctx.record.blobs.get(made.ref(role).sha256) for role in ("session", "key"))
    return Session.model_validate_json(session), key
