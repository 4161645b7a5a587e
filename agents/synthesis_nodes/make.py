"""Make: the set is made as it was specified, looked at by code, and put up as a sample.

A table is made where the real rows are, once, under the approval of its specification; rows that a model wrote for it
go there to be held against them. Texts are written by the model for the rows of the marked table, each checked against
its row; what goes back to the model is shown with the sample.
Everything that was made stays on the secure side until it is released. A rating session of the set is laid where the
page Synthetic finds it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph.runtime import Runtime

from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import put_up
from counterproof.agents.note_writing import write_notes
from counterproof.agents.reasons import pending
from counterproof.agents.secure import WRITING
from counterproof.agents.set_papers import (
    approved_limits,
    approved_specification,
    data_of,
    making_order,
    making_request,
    named_files,
    texts_beside,
)
from counterproof.agents.state import StudyState
from counterproof.agents.subjects.sets import SENT_BACK, sample_subject, session_for
from counterproof.agents.synthesis import write_rows
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.events import Ref
from counterproof.provenance.journal import Response
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.telemetry import execute_tool
from counterproof.sandbox.orders import MakingOrder
from counterproof.tools.synth.review import KEY
from counterproof.tools.synth.review import SESSION as SESSION_FILE
from counterproof.tools.synth.specification import SetSpecification
from counterproof.tools.synth.studies import SESSION, texts_set
from counterproof.tools.synth.study_makers import Written
from counterproof.tools.synth.written_rows import Taken, told_again

_MEDIA = {
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "md": "text/markdown",
}


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What was made: its files by their commitments, and what was noticed on the way."""

    files: dict[str, str]
    sent_back: tuple[dict[str, str], ...] = ()


def make(state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Make the set, look at it, lay its rating session, and put a sample up."""
    ctx = runtime.context
    specification = approved_specification(ctx)
    rounds = {**state.get("round", {}), "set": state.get("round", {}).get("set", 0) + 1}
    ctx.progress(f"make: {specification.kind} by {specification.made_by} (round {rounds['set']})")
    with execute_tool("make a synthetic set"):
        is_table = specification.kind == "table"
        made = _table(ctx, specification) if is_table else _texts(ctx, specification, rounds["set"])
    subject = sample_subject(
        ctx,
        specification,
        made.files,
        set_name=ctx.set_folder.name,
        number=rounds["set"],
        sent_back=made.sent_back,
        reasons=pending(ctx, CheckpointKind.SAMPLE),
    )
    session, key = session_for(ctx, specification, *data_of(ctx, made.files))
    _lay(ctx.set_folder / SESSION, session, key)
    refs = [
        ctx.put_json("findings", subject["findings"], side="secure"),
        ctx.record.put("session", session, side="secure"),
        ctx.record.put("key", key, side="secure"),
        *file_refs(ctx, made.files),
    ]
    ctx.note_once("set.made", {"round": rounds["set"]}, refs)
    return {"round": rounds, **put_up(ctx, state, CheckpointKind.SAMPLE, subject)}


def put_files(ctx: StudyContext, files: dict[str, bytes]) -> list[Ref]:
    """Store the files of a set on the secure side."""
    return [
        ctx.record.put(f"file:{name}", files[name], media=_MEDIA[name.rpartition(".")[2]], side="secure")
        for name in sorted(files)
    ]


def file_refs(ctx: StudyContext, files: dict[str, str]) -> list[Ref]:
    """Return the files of a set that are stored, as an event names them."""
    return put_files(ctx, {name: ctx.record.blobs.get(commitment) for name, commitment in files.items()})


def _table(ctx: StudyContext, specification: SetSpecification) -> _Made:
    request = making_request(ctx, specification, approved_limits(ctx))
    order = making_order(ctx, request)
    key, sent_back = f"make/{order.digest[:16]}", list[dict[str, str]]()
    written = _rows(ctx, specification, request, order, sent_back) if specification.asks_model else b""

    def made(_attempt: int) -> Response:
        told = ctx.secure.make(order, request, effect=key, written=written or _made_before(ctx, specification))
        refs = put_files(ctx, told.bodies)
        body = canonical_json({"files": named_files(refs)})
        return Response(body=body, data={"order": order.digest}, refs=tuple(refs), side="secure")

    asked = canonical_json(order.model_dump(mode="json"))
    performed = ctx.journal.perform(key, made, kind="making", request=asked)
    return _Made(files=json.loads(performed.body)["files"], sent_back=tuple(sent_back))


def _rows(
    ctx: StudyContext,
    specification: SetSpecification,
    request: bytes,
    order: MakingOrder,
    sent_back: list[dict[str, str]],
) -> bytes:
    """Have the model write the rows of a table, and note what went back to it. It is told no more than it may see."""
    asked = json.loads(ctx.secure.ask(WRITING, request).answer)
    taken = Taken()

    def told(batch: str, faults: Sequence[str]) -> None:
        sent_back.append({"kind": SENT_BACK, "item": f"batch {batch}", "text": "; ".join(faults)})

    write_rows(
        ctx.chat,
        told_again(asked["told"]),
        taken,
        rows=asked["rows"],
        about=specification.about,
        examples=asked["examples"],
        under=f"synth/rows/{order.digest[:16]}",
        say=ctx.progress,
        sent_back=told,
    )
    written = Written(model=ctx.settings.model.model, rows=taken.rows, refused=dict(taken.refused)).to_bytes()
    data = {"order": order.digest, "rows": len(taken.rows)}
    ctx.note_once("set.written", data, [ctx.record.put("written", written)])
    return written


def _made_before(ctx: StudyContext, specification: SetSpecification) -> bytes:
    """Return the released rows of a set with differential privacy, in a replay: their noise can't be drawn again."""
    if not specification.epsilon or not ctx.journal.replaying:
        return b""
    release = f"{ctx.set_folder.name}.release.1"
    bodies = ctx.journal.noted("set.released", {"checkpoint": release}) or {}
    return next((body for role, body in bodies.items() if role.endswith(".csv")), b"")


def _texts(ctx: StudyContext, specification: SetSpecification, number: int) -> _Made:
    assert specification.texts is not None
    patients = ctx.json(ctx.record.of_type("set.begun")[-1].ref("patients").sha256)
    sent_back: list[dict[str, str]] = []

    def told(document: str, faults: Sequence[str]) -> None:
        sent_back.append({"kind": SENT_BACK, "item": document, "text": "; ".join(faults)})

    documents = write_notes(
        ctx.chat,
        patients[: specification.rows or None],
        specification.texts,
        seed=specification.seed,
        say=ctx.progress,
        under=f"synth/note/{number}",
        reasons=pending(ctx, CheckpointKind.SAMPLE),
        sent_back=told,
    )
    made = texts_set(
        documents,
        specification,
        name=ctx.settings.data[0].name,
        beside=texts_beside(ctx),
        model=ctx.settings.model.model,
    )
    return _Made(files=named_files(put_files(ctx, dict(made.files))), sent_back=tuple(sent_back))


def _lay(folder: Path, session: bytes, key: bytes) -> None:
    """Lay a session where people rate it; one of an earlier round makes room."""
    path = folder / SESSION_FILE
    if path.exists() and path.read_bytes() != session:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / KEY).write_bytes(key)
    path.write_bytes(session)
