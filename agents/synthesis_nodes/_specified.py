"""What the nodes share: the approvals that they rest on, putting a specification up, and what the secure side is asked.

What was approved is read from the record, never from the graph's state, which anybody could have written.
"""

from __future__ import annotations

from typing import Any

from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import put_up
from counterproof.agents.reviews import intake_question
from counterproof.agents.secure import Asked, Wanted
from counterproof.agents.set_limits import SetLimits
from counterproof.agents.set_study import limits_of_set
from counterproof.agents.state import StudyState
from counterproof.agents.study import BESIDE
from counterproof.provenance.budgets import epsilon_spent
from counterproof.provenance.decisions import Decision
from counterproof.provenance.digests import canonical_json, sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.reasons import reasons_in
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.sandbox.orders import InputRef, MakingOrder
from counterproof.tools.synth.documents import Document, parse_documents
from counterproof.tools.synth.specification import SetSpecification


def approved(ctx: StudyContext, kind: CheckpointKind) -> Decision:
    """Return the approval of the newest checkpoint of a kind.

    Raises:
        VerificationFailed: it is not approved; the graph's state was changed from outside.
    """
    opened = [event.data["id"] for event in ctx.record.of_type("checkpoint.opened") if event.data["kind"] == kind]
    signed = ctx.checkpoints.decision(opened[-1]) if opened else None
    if signed is None or signed.decision.decision != "approve":
        raise VerificationFailed(f"The {kind} of this set is not approved, and the study goes on as if it were.")
    return signed.decision


def approved_specification(ctx: StudyContext) -> SetSpecification:
    """Return the specification that people approved last.

    Raises:
        VerificationFailed: the newest one is not approved.
    """
    subject = ctx.checkpoints.subject(approved(ctx, CheckpointKind.SPECIFICATION).checkpoint)
    return SetSpecification.model_validate(subject["editable"])


def approved_limits(ctx: StudyContext) -> SetLimits:
    """Return what people were shown that the study allows, when they approved the specification.

    Raises:
        VerificationFailed: the newest one is not approved.
    """
    subject = ctx.checkpoints.subject(approved(ctx, CheckpointKind.SPECIFICATION).checkpoint)
    return SetLimits.model_validate(subject["limits"])


def put_up_specification(ctx: StudyContext, state: StudyState, specification: SetSpecification) -> dict[str, Any]:
    """Put a specification up, and return the update of the state."""
    document, limits = specification.model_dump(mode="json"), _limits(ctx)
    order = None
    if specification.kind == "table":
        order = making_order(ctx, making_request(ctx, specification, limits)).model_dump(mode="json")
    subject = {
        "data": [file.model_dump(mode="json") for file in ctx.settings.data],
        "identifiers": _identifiers(ctx),
        "order": order,
        "beside": _beside(ctx),
        "model": ctx.settings.model.model if specification.asks_model else "",
        "limits": limits.model_dump(mode="json"),
        "reasons": last_reasons(ctx),
        "editable": document,
    }
    return put_up(ctx, state, CheckpointKind.SPECIFICATION, subject)


def making_request(ctx: StudyContext, specification: SetSpecification, limits: SetLimits) -> bytes:
    """Return what the secure side is asked with for a table, within limits that people were shown."""
    asked = intake_question(ctx.settings, ctx.record, ctx.checkpoints.policy().policy)
    spent = limits.spent if specification.epsilon else 0.0
    wanted = Wanted(specification=specification, asked=Asked.model_validate_json(asked), spent=spent)
    return canonical_json(wanted.model_dump(mode="json"))


def _limits(ctx: StudyContext) -> SetLimits:
    """Return what the study allows of a set."""
    (file,) = ctx.settings.data
    return limits_of_set(
        ctx.checkpoints.policy().policy,
        file.name,
        model=ctx.settings.model.model,
        exposure=file.exposure,
        spent=epsilon_spent(ctx.record.events()),
    )


def making_order(ctx: StudyContext, request: bytes) -> MakingOrder:
    """Return the order for a request: what an approval opens the real data to."""
    inputs = tuple(InputRef(name=file.name, sha256=file.sha256) for file in ctx.settings.data)
    return MakingOrder(request=sha256_bytes(request), inputs=inputs)


def last_reasons(ctx: StudyContext) -> list[str]:
    """Return the reasons of the last decision, where that rejected a sample."""
    last = ctx.record.of_type("decision.recorded")[-1:]
    if not last or (last[0].data["kind"], last[0].data["decision"]) != (CheckpointKind.SAMPLE, "reject"):
        return []
    return list(reasons_in(ctx.json(last[0].ref("statement").sha256)["comment"]))


def texts_beside(ctx: StudyContext) -> list[Document]:
    """Return the texts that raters see beside those that are made; none where there are none."""
    digest = _beside(ctx)
    return parse_documents(ctx.record.blobs.get(digest), source="the texts beside") if digest else []


def _beside(ctx: StudyContext) -> str:
    created = ctx.record.of_type("study.created")[0]
    return next((ref.sha256 for ref in created.refs if ref.role == BESIDE), "")


def _identifiers(ctx: StudyContext) -> list[dict[str, Any]]:
    taken_in = ctx.record.of_type("intake.finished")
    rows: list[dict[str, Any]] = taken_in[-1].data["identifiers"] if taken_in else []
    return rows
