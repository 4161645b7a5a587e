"""The state of the study graph: ids and digests only.

Text, code and tables live in the content store; the state is saved at every step, so it stays small and plain, and
nothing in it is trusted: the gate reads the record.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Ended = Literal["done", "cannot_conclude", "rejected", "withdrawn"]


class StudyState(TypedDict, total=False):
    """What one step leaves for the next."""

    study: str
    """The study's id."""
    profile: str
    """Digest of the profile that the model may see."""
    twin: dict[str, str]
    """Digest of each twin file by name."""
    round: dict[str, int]
    """How often each part was begun: plan, code, report, set; `before_this_plan`: drafts up to the plan's last lock."""
    opened: dict[str, int]
    """How many checkpoints of each kind were put up."""
    repairs: int
    """Failed tries of the programs on the twin in this round."""
    feedback: str
    """Digest of the reviewer's reason for the last rejection, as a text for the model; "" when there is none."""
    plan: str
    """Digest of the plan; locked once its checkpoint is approved."""
    programs: dict[str, str]
    """Digest of each program by role."""
    turns: dict[str, list[str]]
    """Conversation of each role: `assistant:<digest>` and `user:<digest>`, in order."""
    written: dict[str, int]
    """Programs of each role that were written for earlier versions of the plan."""
    twin_runs: dict[str, str]
    """Digest of the outcome on the twin by role, for programs that work."""
    executions: dict[str, str]
    """Digest of the outcome on the real data by role."""
    checks: str
    """Digest of the checks."""
    released: str
    """Digest of what was released."""
    report: str
    """Digest of the report's document."""
    checkpoint: str
    """The checkpoint that waits."""
    request: dict[str, Any]
    """What the waiting checkpoint's interrupt carries (LangChain's HITLRequest, one action)."""
    answered: dict[str, str]
    """Digest of the answers to a reviewer's reasons by role; "" where there was nothing to answer."""
    ended: Ended
    """How the study ended; absent while it goes on."""
    reason: str
    """Why it ended so."""
