"""What ◆1 plan shows: the plan, what is known of the data, and what a new version changes of the locked one before."""

from __future__ import annotations

from typing import Any

from counterproof.agents.papers import Papers
from counterproof.provenance.plan_versions import PlanVersion, plan_versions
from counterproof.provenance.twins import twin_rows
from counterproof.tools.plan.changes import changes_between


def plan_subject(papers: Papers, document: dict[str, Any], *, number: int) -> dict[str, Any]:
    """Return what a plan checkpoint shows; `editable` is the plan itself, `replaces` the locked one before it.

    Args:
        papers: of the study.
        document: the plan.
        number: of the checkpoint, among those of its kind.
    """
    intake = papers.record.of_type("intake.finished")[-1]
    return {
        "editable": document,
        "data": [file.model_dump(mode="json") for file in papers.settings.data],
        "profile": papers.json(intake.ref("profile").sha256),
        "noticed": intake.data["noticed"],
        "identifiers": intake.data["identifiers"],
        "quasi_identifiers": intake.data["quasi_identifiers"],
        "twins": twin_rows(intake),
        "codebook": papers.settings.codebook,
        "variables": [one.model_dump(mode="json") for one in papers.settings.variables],
        **_replaced(papers, document, number),
    }


def locked_versions(papers: Papers) -> tuple[PlanVersion, ...]:
    """Return the versions of the plan that were locked so far."""
    events = papers.record.of_type("plan.locked", "decision.recorded", "gate.opened")
    return plan_versions(events, papers.record.blobs.get)


def _replaced(papers: Papers, document: dict[str, Any], number: int) -> dict[str, Any]:
    """Return what a new version of the plan replaces; nothing for the first.

    It looks at what was there before this checkpoint alone: whenever it is made, it is the same.
    """
    locked = [one for one in locked_versions(papers) if int(one.checkpoint.rpartition(".")[2]) < number]
    if not locked:
        return {}
    before = locked[-1]
    decided = papers.record.of_type("decision.recorded")
    back = next(one.seq for one in decided if one.seq > before.event and one.data["decision"] == "replan")
    return {
        "replaces": {
            "version": before.number,
            "plan": before.plan,
            "checkpoint": before.checkpoint,
            "data_were_open": any(opened.seq < back for opened in papers.record.of_type("gate.opened")),
            "changes": [vars(one) for one in changes_between(papers.json(before.plan), document)],
        }
    }
