"""Who may decide what: one table of checkpoint, role and decision.

A study has a purpose, which says which checkpoints it has: an analysis four, the making of a synthetic set three. The
release is in both.

The table says the most that is possible. A policy (`policy`) takes from it and never adds: it can name fewer roles for
a checkpoint, and none of them can be left without one.

Withdrawing needs less than approving: who asked the question, and who answers for the data, may end a study at any
checkpoint.

`replan` sends a study back to its plan, which was locked: at the code and at the release, by whom may reject there.

It does not cover who is meant by a role (`reviewers`) nor rules between people (`policy`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, get_args


class CheckpointKind(StrEnum):
    """The mandatory checkpoints: those of an analysis in their order, then those that synthetic sets alone have."""

    PLAN = "plan"
    CODE = "code"
    RELEASE = "release"
    SIGNOFF = "signoff"
    SPECIFICATION = "specification"
    SAMPLE = "sample"


Purpose = Literal["analysis", "synthesis"]
"""What a study is for: an answer from real data, or a synthetic set."""
KINDS_OF: dict[Purpose, tuple[CheckpointKind, ...]] = {
    "analysis": (CheckpointKind.PLAN, CheckpointKind.CODE, CheckpointKind.RELEASE, CheckpointKind.SIGNOFF),
    "synthesis": (CheckpointKind.SPECIFICATION, CheckpointKind.SAMPLE, CheckpointKind.RELEASE),
}
"""The checkpoints of each purpose, in their order. A synthetic set has no sign-off: nothing in it is a finding."""


class Role(StrEnum):
    """What a person is to a study."""

    INVESTIGATOR = "investigator"
    STATISTICIAN = "statistician"
    CUSTODIAN = "custodian"


DecisionKind = Literal["approve", "edit", "reject", "replan", "withdraw"]
ALL: tuple[DecisionKind, ...] = get_args(DecisionKind)
_HERE: tuple[DecisionKind, ...] = ("approve", "edit", "reject", "withdraw")
_UNCHANGED: tuple[DecisionKind, ...] = ("approve", "reject", "withdraw")
_END: tuple[DecisionKind, ...] = ("withdraw",)

PERMISSIONS: dict[CheckpointKind, dict[Role, tuple[DecisionKind, ...]]] = {
    CheckpointKind.PLAN: {Role.INVESTIGATOR: _HERE, Role.STATISTICIAN: _HERE, Role.CUSTODIAN: _END},
    CheckpointKind.CODE: {Role.STATISTICIAN: ALL, Role.INVESTIGATOR: _END, Role.CUSTODIAN: _END},
    CheckpointKind.RELEASE: {Role.CUSTODIAN: ALL, Role.INVESTIGATOR: _END, Role.STATISTICIAN: ()},
    CheckpointKind.SIGNOFF: {Role.INVESTIGATOR: _HERE, Role.CUSTODIAN: _END, Role.STATISTICIAN: ()},
    CheckpointKind.SPECIFICATION: {Role.INVESTIGATOR: _HERE, Role.STATISTICIAN: _HERE, Role.CUSTODIAN: _END},
    CheckpointKind.SAMPLE: {Role.INVESTIGATOR: _UNCHANGED, Role.STATISTICIAN: _UNCHANGED, Role.CUSTODIAN: _END},
}
"""What each role may decide at each checkpoint."""

ROLES_OF: dict[CheckpointKind, tuple[Role, ...]] = {
    kind: tuple(role for role, decisions in roles.items() if "approve" in decisions)
    for kind, roles in PERMISSIONS.items()
}
"""The roles that may approve each checkpoint."""


def purpose_of(created: Mapping[str, Any]) -> Purpose:
    """Return what a study is for, from the facts of its first event; those of an analysis do not say it."""
    return "synthesis" if created.get("purpose") == "synthesis" else "analysis"


def decisions_at(kind: CheckpointKind, purpose: Purpose = "analysis") -> tuple[DecisionKind, ...]:
    """Return what can be decided at a checkpoint at all, in the order in which it is offered.

    A synthetic set is released whole or not at all, and has no plan to go back to.
    """
    offered = _UNCHANGED if (kind, purpose) == (CheckpointKind.RELEASE, "synthesis") else ALL
    return tuple(one for one in offered if any(one in may for may in PERMISSIONS[kind].values()))


def is_permitted(role: Role, kind: CheckpointKind, decision: DecisionKind) -> bool:
    """Say whether the table lets a role decide so at a checkpoint."""
    return decision in PERMISSIONS[kind][role]
