"""Judge: what people said goes onto the card, the files are marked with it, and the release is put up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime

from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import put_up
from counterproof.agents.set_papers import (
    approved,
    approved_specification,
    judged,
    named_files,
    ratings_in,
    session_of,
)
from counterproof.agents.state import StudyState
from counterproof.agents.subjects.sets import rated_files, set_release_subject
from counterproof.agents.synthesis_nodes.make import put_files
from counterproof.provenance.errors import UsageError
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.tools.synth.review import Rating, Session, ratings_of, who_rated_all
from counterproof.tools.synth.studies import SESSION


def judge(state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Conclude what people said, mark the set with its final card, and put the release up."""
    ctx = runtime.context
    sample, specification = approved(ctx, CheckpointKind.SAMPLE).checkpoint, approved_specification(ctx)
    session, key = session_of(ctx)
    given = _ratings(ctx, session, sample)
    _check_raters(session, given, wanted=specification.raters)
    refs = put_files(ctx, rated_files(ctx, ctx.checkpoints.subject(sample)["files"], session, key, given))
    said = "".join(f"{one.model_dump_json()}\n" for one in given).encode()
    ratings = ctx.record.put("ratings", said, media="application/jsonl")
    shown = ctx.checkpoints.get(sample).subject
    subject = set_release_subject(ctx, specification, shown, files=named_files(refs), given=given)
    ctx.note_once("set.judged", {"checkpoint": sample, "raters": subject["raters"]}, [ratings, *refs])
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
    before = judged(ctx, sample)
    if before is not None:
        return ratings_in(ctx, before)
    known = {item.id for item in session.items}
    return [one for one in ratings_of(ctx.set_folder / SESSION) if one.item in known]
