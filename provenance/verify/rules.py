"""A part of steps 6 and 7: the study's policy was kept by everybody who decided, and by the gate.

The policy is the one in the record's first event; each decision signs its digest. The same function that let decisions
in holds them against it again (`rules.broken_rule`), and the whole record is walked through the table of states.

It does not cover whether the installation's policy was stricter: that is in its own registry, not in a bundle.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from counterproof.provenance.decisions import Decision
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import Event
from counterproof.provenance.extensions import EXTENDED, check_extension
from counterproof.provenance.policy import read_policy
from counterproof.provenance.reasons import reasons_in
from counterproof.provenance.reviewers import CheckpointKind, Reviewer
from counterproof.provenance.rules import broken_rule
from counterproof.provenance.states import walk
from counterproof.provenance.study_policy import POLICY_ROLE, StudyPolicy
from counterproof.provenance.verify.reading import Bundle

Check = Callable[[Event], tuple[Decision, Reviewer]]
"""Checks an event with a signed statement, and returns what was signed and by whom."""


def rules_of(bundle: Bundle) -> StudyPolicy:
    """Return the policy of the study.

    Raises:
        VerificationFailed: the record holds none, or says another thing of it.
        UsageError: it is not of its form.
    """
    created = bundle.events[0]
    body = bundle.blob(created.ref(POLICY_ROLE).sha256)
    policy = read_policy(body, source="of the record")
    if (created.data["policy"], created.data["single_user"]) != (sha256_bytes(body), policy.single_user):
        raise VerificationFailed("Event 0 says something else of the study's policy than the policy does.")
    return StudyPolicy(policy=policy, digest=created.data["policy"], author=created.data["author"])


def check_rules(bundle: Bundle, check: Check) -> None:
    """Hold every decision against the policy, and the record against the table of states.

    Raises:
        VerificationFailed: a rule was broken, a second signature is missing, or an event can't follow.
    """
    rules, approvals = rules_of(bundle), list[Decision]()
    for event in bundle.of_type("decision.recorded", "signature.recorded"):
        made, _ = check(event)
        broken = broken_rule(made, policy=rules.policy, digest=rules.digest, author=rules.author, approvals=approvals)
        if broken:
            raise VerificationFailed(f"Event {event.seq} breaks the study's policy: {broken}.")
        if made.decision == "approve":
            approvals.append(made)
        wanted = rules.policy.rule(made.kind).signatures
        signers = {one.reviewer for one in approvals if one.checkpoint == made.checkpoint}
        if event.type == "decision.recorded" and made.decision == "approve" and len(signers) < wanted:
            raise VerificationFailed(f"Event {event.seq}: {made.checkpoint} needs {wanted} people, and one signed.")
    for event in bundle.of_type(EXTENDED):
        statement, signature = (bundle.blob(event.ref(role).sha256) for role in ("statement", "signature"))
        person = Reviewer.model_validate(event.data["reviewer"])
        made_more = check_extension(statement, signature, reviewer=person, rules=rules, study=bundle.top)
        if (made_more.extra, made_more.reviewer) != (event.data["extra"], event.actor.id):
            raise VerificationFailed(f"Event {event.seq} extends a budget otherwise than was signed.")
    _check_answers(bundle)
    walk(bundle.events)


def _check_answers(bundle: Bundle) -> None:
    """Check that what was rejected, or sent back to the plan, came back with an answer to each reason.

    A sample has no answers: each of its texts is written anew on its own, with all reasons.
    """
    asked: dict[str, tuple[str, ...]] = {}
    for event in bundle.of_type("decision.recorded", "checkpoint.opened"):
        kind = event.data["kind"]
        if event.type == "decision.recorded":
            asked.clear()
            back_to = {"reject": kind, "replan": CheckpointKind.PLAN}.get(event.data["decision"])
            if back_to:
                asked[back_to] = reasons_in(bundle.body(event, "statement")["comment"])
        elif kind in asked and kind != CheckpointKind.SAMPLE:
            rows = bundle.body(event, "subject").get("answered", [])
            given = tuple(row["reason"] for row in rows if str(row["answer"]).strip())
            if not rows or given != asked[kind] * (len(rows) // len(asked[kind])):
                raise VerificationFailed(
                    f"Event {event.seq} puts up what was rejected, without an answer to each reason."
                )


def check_age(bundle: Bundle, gate: Event, approval: Event) -> None:
    """Check that an approval was still good when it opened the data.

    Raises:
        VerificationFailed: it was not.
    """
    days = rules_of(bundle).policy.valid_days
    if datetime.fromisoformat(gate.ts) - datetime.fromisoformat(approval.ts) > timedelta(days=days):
        raise VerificationFailed(f"Event {gate.seq} uses an approval that is older than {days} days.")
