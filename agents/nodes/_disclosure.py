"""Putting an execution's outputs before the disclosure checks, beside what this study released before."""

from __future__ import annotations

from counterproof.agents.context import StudyContext
from counterproof.agents.judgement import Judgement
from counterproof.agents.releases import outputs_of
from counterproof.agents.secure import DISCLOSURE
from counterproof.tools import Flow, Item, OutputFile, Outputs, Result
from counterproof.tools.disclosure.carrying import pack_outputs, unpack_items


def release_items(ctx: StudyContext, judged: Judgement) -> list[Item]:
    """Return everything that may be released of the executions, with findings and proposed verdicts."""
    beside = {"warnings": judged.warnings, "streams": judged.streams, "known": _fixed_before(ctx)}
    outputs = outputs_of(ctx.record, judged.primary, **beside)
    told = ctx.secure.ask(DISCLOSURE, pack_outputs(outputs, _released_before(ctx)))
    return unpack_items(told.answer)


def _fixed_before(ctx: StudyContext) -> str:
    """Return the texts that were fixed before any program read the data."""
    locked = ctx.record.of_type("plan.locked")[-1].ref("plan").sha256
    return "\n".join((ctx.settings.question, ctx.settings.codebook, ctx.text(locked)))


def _released_before(ctx: StudyContext) -> dict[str, Outputs]:
    found = {}
    for event in ctx.record.of_type("results.released"):
        document = ctx.json(event.ref("released").sha256)
        found[event.data["checkpoint"]] = Outputs(
            results=[Result.model_validate(raw) for raw in document["results"]],
            flow=Flow.model_validate(document["flow"]) if document["flow"] else None,
            files=[
                OutputFile(name=file["name"], data=ctx.record.blobs.get(file["sha256"]), sha256=file["sha256"])
                for file in document["files"]
            ],
        )
    return found
