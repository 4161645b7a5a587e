"""How a study was reviewed, in one of four labels that bundle, statement, pages and `verify` all use.

The label follows from the decisions in the record alone: nobody can choose it. What the scripted reviewer signed, and
every study kept as a scenario, is "replayed, not reviewed", whatever else stands in it; a study in single-user mode is
never called reviewed.

It does not cover whether the signatures hold (`decisions.check_decision`).
"""

from __future__ import annotations

from collections.abc import Sequence

from counterproof.provenance.events import Event
from counterproof.provenance.permissions import KINDS_OF, purpose_of
from counterproof.provenance.reviewers import REPLAY_LABEL

REVIEWED = "reviewed by people"
SINGLE_USER = "decided in single-user mode: by one person, who also made it"
NOT_REVIEWED = "not reviewed to the end"


def review_label(events: Sequence[Event]) -> str:
    """Say how a study was reviewed: by people, not to the end, or not at all (replayed)."""
    decisions = [event.data for event in events if event.type == "decision.recorded"]
    if events[0].data.get("mode") == "scenario" or any(decision["replayed"] for decision in decisions):
        return REPLAY_LABEL
    approved = {decision["kind"] for decision in decisions if decision["decision"] == "approve"}
    if approved != set(KINDS_OF[purpose_of(events[0].data)]):
        return NOT_REVIEWED
    return SINGLE_USER if events[0].data.get("single_user") else REVIEWED


def mode_notice(created: Event) -> str:
    """Return what is stated wherever a study in single-user mode is shown; "" for every other one."""
    single = created.data.get("single_user") and created.data.get("mode") != "scenario"
    return "Single-user mode: one person made this study and decides everything in it." if single else ""
