"""Who may decide what: one table of checkpoint, role and decision.

The table says the most that is possible. A policy (`policy`) takes from it and never adds: it can name fewer roles for
a checkpoint, and none of the four checkpoints can be left without one.

Withdrawing needs less than approving: who asked the question, and who answers for the data, may end a study at any
checkpoint.

`replan` sends a study back to its plan, which was locked: at the code and at the release, by whom may reject there.

It does not cover who is meant by a role (`reviewers`) nor rules between people (`policy`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, get_args


class CheckpointKind(StrEnum):
    """The four mandatory checkpoints, in their order."""

    PLAN = "plan"
    CODE = "code"
    RELEASE = "release"
    SIGNOFF = "signoff"


class Role(StrEnum):
    """What a person is to a study."""

    INVESTIGATOR = "investigator"
    STATISTICIAN = "statistician"
    CUSTODIAN = "custodian"


DecisionKind = Literal["approve", "edit", "reject", "replan", "withdraw"]
ALL: tuple[DecisionKind, ...] = get_args(DecisionKind)
_HERE: tuple[DecisionKind, ...] = ("approve", "edit", "reject", "withdraw")
_END: tuple[DecisionKind, ...] = ("withdraw",)

PERMISSIONS: dict[CheckpointKind, dict[Role, tuple[DecisionKind, ...]]] = {
    CheckpointKind.PLAN: {Role.INVESTIGATOR: _HERE, Role.STATISTICIAN: _HERE, Role.CUSTODIAN: _END},
    CheckpointKind.CODE: {Role.STATISTICIAN: ALL, Role.INVESTIGATOR: _END, Role.CUSTODIAN: _END},
    CheckpointKind.RELEASE: {Role.CUSTODIAN: ALL, Role.INVESTIGATOR: _END, Role.STATISTICIAN: ()},
    CheckpointKind.SIGNOFF: {Role.INVESTIGATOR: _HERE, Role.CUSTODIAN: _END, Role.STATISTICIAN: ()},
}
"""What each role may decide at each checkpoint."""

ROLES_OF: dict[CheckpointKind, tuple[Role, ...]] = {
    kind: tuple(role for role, decisions in roles.items() if "approve" in decisions)
    for kind, roles in PERMISSIONS.items()
}
"""The roles that may approve each checkpoint."""


def decisions_at(kind: CheckpointKind) -> tuple[DecisionKind, ...]:
    """Return what can be decided at a checkpoint at all, in the order in which it is offered."""
    return tuple(one for one in ALL if any(one in may for may in PERMISSIONS[kind].values()))


def is_permitted(role: Role, kind: CheckpointKind, decision: DecisionKind) -> bool:
    """Say whether the table lets a role decide so at a checkpoint."""
    return decision in PERMISSIONS[kind][role]
