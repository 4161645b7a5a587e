"""The rules that a decision keeps: those of the study's policy, held against everybody who decided before.

One function says which rule a decision breaks. Signing, recording, the gate and `verify` all ask it, so that a decision
that was let in by one is never seen otherwise by another.

It does not cover whether the signature holds (`decisions.check_decision`) nor how long an approval is good (the gate).
"""

from __future__ import annotations

from collections.abc import Sequence

from counterproof.provenance.decisions import Decision
from counterproof.provenance.policy import Policy


def broken_rule(made: Decision, *, policy: Policy, digest: str, author: str, approvals: Sequence[Decision] = ()) -> str:
    """Return which rule of the policy a decision breaks, in words; "" where it breaks none.

    Args:
        made: the decision.
        policy: the study's policy.
        digest: what names it.
        author: id of the reviewer who made the study; "" in single-user mode and in scenarios.
        approvals: the approvals that were signed before it, of this checkpoint too.
    """
    rule = policy.rule(made.kind)
    if made.policy != digest:
        return f"it was signed under the policy {made.policy[:12] or 'none'}, and the study's is {digest[:12]}"
    if not policy.allows(made.role, made.kind, made.decision):
        return f"the policy lets no {made.role} {made.decision} at the {made.kind} checkpoint"
    if len(made.comment) < rule.comment_min:
        return f"its reason has {len(made.comment)} characters, and the policy asks for {rule.comment_min}"
    if (made.kind, made.decision) == ("release", "replan") and any(map(str.isdigit, made.comment)):
        return "its reason holds digits, and it goes to the model before anything is released: say it without numbers"
    if made.decision != "approve":
        return ""
    if made.reviewer == author and not (policy.single_user or rule.author_may_approve):
        return f"{author} is the author of the study, and the author does not approve its {made.kind}"
    for before in approvals:
        if before.reviewer == made.reviewer and before.checkpoint == made.checkpoint:
            return f"{made.reviewer} signed {made.checkpoint} already; another person has to sign it too"
        if before.reviewer == made.reviewer and _apart(policy, made, before):
            return f"{made.reviewer} approved the {before.kind}, and nobody approves both that and the {made.kind}"
    return ""


def _apart(policy: Policy, made: Decision, before: Decision) -> bool:
    return any(set(pair) == {made.kind, before.kind} for pair in policy.different_people)
