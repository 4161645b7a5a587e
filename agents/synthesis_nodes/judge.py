"""Judge: what people said goes onto the card, the files are marked with it, and the release is put up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime

from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import put_up
from counterproof.agents.state import StudyState
from counterproof.agents.synthesis_nodes._specified import approved, approved_specification
from counterproof.agents.synthesis_nodes.make import CARD, data_of, put_files
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.tools.synth.review import Rating, Session, conclude_from, ratings_of, who_rated_all
from counterproof.tools.synth.studies import SESSION, marked_anew


def judge(state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Conclude what people said, mark the set with its final card, and put the release up."""
    ctx = runtime.context
    sample, specification = approved(ctx, CheckpointKind.SAMPLE).checkpoint, approved_specification(ctx)
    shown = ctx.checkpoints.subject(sample)
    session, key = _session(ctx)
    given = _ratings(ctx, session, sample)
    _check_raters(session, given, wanted=specification.raters)
    name, data = data_of(ctx, shown["files"])
    card = ctx.record.blobs.get(shown["files"][CARD])
    files = {one: ctx.record.blobs.get(commitment) for one, commitment in shown["files"].items()}
    if given:
        human, agreement = conclude_from(session, key, given)
        files = dict(marked_anew(name, data, card, {"human": human, "agreement": agreement}).files)
    refs = put_files(ctx, files)
    said = "".join(f"{one.model_dump_json()}\n" for one in given).encode()
    ratings = ctx.record.put("ratings", said, media="application/jsonl")
    raters = len({one.rater for one in given})
    ctx.note_once("set.judged", {"checkpoint": sample, "raters": raters}, [ratings, *refs])
    final = json.loads(files[CARD])
    named = {ref.role.removeprefix("file:"): ref.sha256 for ref in refs}
    subject = {
        "specification": shown["specification"],
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
    return put_up(ctx, state, CheckpointKind.RELEASE, subject)


def _check_raters(session: Session, given: Sequence[Rating], *, wanted: int) -> None:
    """Stop where fewer people rated every item than the specification asks for, whoever approved the sample.

    Raises:
        UsageError: they are too few; the same call goes on when they have rated.
    """
    done = who_rated_all(session, given)
    if len(done) < wanted:
        raise UsageError(
            f"{len(done)} people have rated every item of the sample, and it is approved.",
            allowed=f"The specification asks for {wanted}.",
            advice="Rate on the page Synthetic, then run the study again.",
        )


def _ratings(ctx: StudyContext, session: Session, sample: str) -> list[Rating]:
    """Return what people said; after a crash, what was written down of it."""
    for event in ctx.record.of_type("set.judged"):
        if event.data["checkpoint"] == sample:
            lines = ctx.text(event.ref("ratings").sha256).splitlines()
            return [Rating.model_validate_json(line) for line in lines]
    known = {item.id for item in session.items}
    return [one for one in ratings_of(ctx.set_folder / SESSION) if one.item in known]


def _session(ctx: StudyContext) -> tuple[Session, bytes]:
    made = ctx.record.of_type("set.made")[-1]
    session, key = (ctx.record.blobs.get(made.ref(role).sha256) for role in ("session", "key"))
    return Session.model_validate_json(session), key
