"""◆ release: whoever answers for the data lets the set go whole, rejects it, or withdraws.

What was released is written down in the clear, each body with the salt of the commitment that people signed over.
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import decided, hear, withdrawn
from counterproof.agents.set_papers import CARD
from counterproof.agents.state import StudyState
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.events import Ref
from counterproof.provenance.reviewers import CheckpointKind

Goto = Literal["export"]


def release_checkpoint(state: StudyState, runtime: Runtime[StudyContext]) -> Command[Goto]:
    """Wait for the decision on the release and follow it."""
    answer = interrupt(state["request"])
    ctx = runtime.context
    hear(ctx, state, answer)
    decision = decided(ctx, state, CheckpointKind.RELEASE)
    if decision.decision == "approve":
        update = {"released": _release(ctx, decision.checkpoint), "ended": "done", "reason": ""}
        return Command(goto="export", update=update)
    if decision.decision == "withdraw":
        return Command(goto="export", update=withdrawn(decision))
    reason = f"the release was rejected: {decision.comment}"
    return Command(goto="export", update={"ended": "rejected", "reason": reason})


def _release(ctx: StudyContext, checkpoint: str) -> str:
    """Write down what is let go, lay the files into the store, and return the digest of the document."""
    subject = ctx.checkpoints.subject(checkpoint)
    opened: list[tuple[str, str]] = [
        ("subject", ctx.checkpoints.get(checkpoint).subject),
        ("sample", subject["sample"]),
        ("sample card", ctx.json(subject["sample"])["files"][CARD]),
        *((f"file:{name}", commitment) for name, commitment in sorted(subject["files"].items())),
    ]
    media = {ref.role: ref.media for ref in ctx.record.of_type("set.judged")[-1].refs}
    rows: list[dict[str, Any]] = []
    refs: list[Ref] = []
    for role, commitment in opened:
        body = ctx.record.blobs.get(commitment)
        refs.append(ctx.record.put(role, body, media=media.get(role, "application/json")))
        salt = ctx.record.blobs.salt(commitment)
        rows.append({"role": role, "sha256": sha256_bytes(body), "commitment": commitment, "salt": salt})
    document = {
        "schema": "counterproof/released-set/1",
        "checkpoint": checkpoint,
        "synthetic": True,
        "specification": subject["specification"],
        "card": subject["card"],
        "opened": rows,
    }
    ref = ctx.put_json("released", document)
    ctx.note_once("set.released", {"checkpoint": checkpoint}, [ref, *refs])
    _lay(ctx, subject["files"])
    return ref.sha256


def _lay(ctx: StudyContext, files: dict[str, str]) -> None:
    ctx.set_folder.mkdir(parents=True, exist_ok=True)
    for name, commitment in files.items():
        (ctx.set_folder / name).write_bytes(ctx.record.blobs.get(commitment))
