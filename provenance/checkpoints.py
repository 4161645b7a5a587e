"""Opening and deciding checkpoints: the one way in which a person's decision enters a study.

`open` writes the subject down and puts the checkpoint up; `decide` checks and records a signed decision, once;
`decision` reads it back and checks the signature again. The record is locked from looking to writing, so two tabs
or two people make one decision, and the second is told who decided before.

Where the policy asks for two signatures, the first one is written down as `signature.recorded` and the checkpoint goes
on waiting; the second one is the decision. Whatever is refused is written down too, as `decision.refused`.

It does not cover what follows from a decision (the study graph) nor the opening of real data (the gate).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from counterproof.provenance.conventions import CHECKPOINT, DECISION, SUBJECT
from counterproof.provenance.decisions import (
    Checkpoint,
    Decision,
    DecisionKind,
    SignedDecision,
    check_decision,
    sign_decision,
)
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import CounterproofError, UsageError, VerificationFailed
from counterproof.provenance.events import Actor, Event
from counterproof.provenance.permissions import CheckpointKind, Purpose, decisions_at, purpose_of
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import Registry, Reviewer
from counterproof.provenance.rules import broken_rule
from counterproof.provenance.signers import Signer
from counterproof.provenance.store import Store
from counterproof.provenance.study_policy import StudyPolicy, policy_of
from counterproof.provenance.telemetry import span
from counterproof.provenance.trace_links import last_span

SCENARIO_MODE = "scenario"


class Checkpoints:
    """The checkpoints of one study.

    Args:
        store: the index, and the guard of single decisions.
        registry: who may decide.
        record: the study's record.
        study: its id.
        folder: the study's folder, whose policy file is held against the record; None where it can't be read, as by a
            gate of another user.
    """

    def __init__(self, *, store: Store, registry: Registry, record: Record, study: str, folder: Path | None) -> None:
        self._folder = folder
        self._store = store
        self._registry = registry
        self._record = record
        self._study = study

    def policy(self) -> StudyPolicy:
        """Return the study's policy, as its record has it.

        Raises:
            VerificationFailed: the record has none, or the study's policy file says something else.
        """
        return policy_of(self._record, folder=self._folder, registry=self._registry)

    def purpose(self) -> Purpose:
        """Return what the study is for."""
        created = self._record.of_type("study.created")
        return purpose_of(created[0].data if created else {})

    def open(
        self,
        kind: CheckpointKind,
        number: int,
        subject: dict[str, Any],
        *,
        propose: Callable[[str], dict[str, Any]] | None = None,
    ) -> Checkpoint:
        """Put up checkpoint `number` of a kind with this subject; doing it again changes nothing.

        Args:
            kind: which checkpoint.
            number: which one of its kind in this study, counted from 1.
            subject: what is decided on.
            propose: given the id of the checkpoint, returns the document that its approval lets go.

        Raises:
            VerificationFailed: that checkpoint is up already with another subject, or to let something else go.
        """
        refs = [self._record.put("subject", canonical_json(subject), side="secure" if kind in SECURE else "open")]
        made = Checkpoint(id=f"{self._study}.{kind}.{number}", study=self._study, kind=kind, subject=refs[0].sha256)
        if propose is not None:
            refs.append(self._record.put(PROPOSED, canonical_json(propose(made.id)), side="secure"))
        with self._record.exclusive():
            known = self._openings().get(made.id)
            if known is not None and known.refs != tuple(refs):
                raise VerificationFailed(f"Checkpoint {made.id} is up already with another subject or {PROPOSED}.")
            if known is None:
                data = made.model_dump(mode="json", exclude={"history"})
                self._record.append("checkpoint.opened", data=data, refs=refs)
        self._store.open_checkpoint(made.id, study=self._study, kind=kind, subject=made.subject)
        return self.get(made.id)

    def get(self, checkpoint: str) -> Checkpoint:
        """Return a checkpoint.

        Raises:
            UsageError: the study has no such checkpoint.
        """
        found = self._opened().get(checkpoint)
        if found is None:
            raise UsageError(
                f"There is no checkpoint {checkpoint!r}.", advice="`counterproof inbox` lists those that wait."
            )
        return found

    def subject(self, checkpoint: str) -> dict[str, Any]:
        """Return what is decided on, read from the exact bytes whose digest the decision signs."""
        found: dict[str, Any] = json.loads(self._record.blobs.get(self.get(checkpoint).subject))
        return found

    def proposed(self, checkpoint: str) -> str:
        """Return the commitment of the document that an approval of this checkpoint lets go.

        Raises:
            VerificationFailed: it was put up without one.
        """
        opened = self._openings().get(checkpoint)
        found = [ref.sha256 for ref in opened.refs if ref.role == PROPOSED] if opened is not None else []
        if not found:
            raise VerificationFailed(
                f"{checkpoint} was put up without the document that its approval would let go.",
                advice="An older version did. Send the study back to its plan, or make it anew.",
            )
        return found[0]

    def salt(self, checkpoint: str) -> str:
        """Return the salt (in hexadecimal) of the subject of a release or a sample; "" for the others."""
        opened = self.get(checkpoint)
        return self._record.blobs.salt(opened.subject) if opened.kind in SECURE else ""

    def waiting(self) -> Checkpoint | None:
        """Return the checkpoint that waits for a decision, or None."""
        decided = {event.data["checkpoint"] for event in self._record.of_type("decision.recorded")}
        opened = [checkpoint for checkpoint in self._opened().values() if checkpoint.id not in decided]
        return opened[-1] if opened else None

    def decide(
        self,
        checkpoint_id: str,
        signer: Signer,
        *,
        reviewer: str,
        decision: DecisionKind,
        comment: str,
        seen: str,
        edited: Any = None,
    ) -> SignedDecision:
        """Sign and record a decision.

        Args:
            checkpoint_id: which checkpoint.
            signer: signs with the reviewer's key; used here and forgotten.
            reviewer: the reviewer's id.
            decision: what is decided.
            comment: the reason.
            seen: the digest of the subject that was on screen.
            edited: for `edit`, the new content of the subject's editable part.

        Raises:
            UsageError: this can't be decided here, somebody decided before, the subject is another one than was seen,
                an edit has no new content, the reviewer may not decide this, or the signer refused.
            MachineTrouble: the signer can't work on this machine.
            VerificationFailed: what the signer made is no signature of the registered key; no decision is recorded.
        """
        checkpoint = self.get(checkpoint_id)
        try:
            return self._decide(
                checkpoint, signer, reviewer=reviewer, decision=decision, comment=comment, seen=seen, edited=edited
            )
        except (UsageError, VerificationFailed) as error:
            self.refused(checkpoint.id, reviewer=reviewer, why=error)
            raise

    def refused(self, checkpoint: str, *, reviewer: str, why: CounterproofError) -> None:
        """Write down that a decision was tried and not let in; once, where the error comes by here again."""
        if not getattr(why, "recorded", False):
            data = {"checkpoint": checkpoint[:200], "reviewer": reviewer[:80], "why": why.what[:2000]}
            self._record.append("decision.refused", data=data)
            why.recorded = True  # type: ignore[attr-defined]  # a mark on this one error, for whoever catches it next

    def _decide(
        self,
        checkpoint: Checkpoint,
        signer: Signer,
        *,
        reviewer: str,
        decision: DecisionKind,
        comment: str,
        seen: str,
        edited: Any,
    ) -> SignedDecision:
        offered = decisions_at(checkpoint.kind, self.purpose())
        if decision not in offered:
            raise UsageError(
                f"{checkpoint.id} can't be decided {decision!r}.",
                allowed=f"At the {checkpoint.kind} checkpoint: {', '.join(offered)}.",
            )
        if (decision == "edit") != (edited is not None):
            raise UsageError(
                f"The decision is {decision!r} and new content is {'given' if edited is not None else 'missing'}.",
                allowed="An edit, and only an edit, hands in new content.",
                advice="Give it with --file; `counterproof show CHECKPOINT --editable` prints what to start from.",
            )
        person = self._registry.get(reviewer)
        _scenario_only(person, self._record)
        if checkpoint.subject != seen:
            raise UsageError(
                f"Checkpoint {checkpoint.id} holds {checkpoint.subject[:12]}…, and you saw {seen[:12]}….",
                advice="Look at it again with `counterproof show`, then decide.",
            )
        study = self.policy()
        refs = [self._record.put("edited", canonical_json(edited))] if edited is not None else []
        attributes = {CHECKPOINT: checkpoint.id, SUBJECT: checkpoint.subject, DECISION: decision}
        with span(f"decision {checkpoint.kind}", attributes, after=last_span(self._record.path)):
            signed = sign_decision(
                checkpoint,
                person,
                signer,
                decision=decision,
                comment=comment,
                edited=refs[0].sha256 if refs else "",
                role=study.policy.role_for(person.roles, checkpoint.kind, decision),
                policy=study.digest,
            )
            return self.record(signed, refs_edited=[ref.sha256 for ref in refs])

    def record(self, signed: SignedDecision, *, refs_edited: list[str] | None = None) -> SignedDecision:
        """Write a signed decision down, once; the first of two signatures leaves the checkpoint waiting.

        Raises:
            UsageError: the checkpoint was decided before (the text says by whom), or the decision breaks a rule of the
                study's policy.
            VerificationFailed: the signature does not hold, or the study's policy file was changed.
        """
        try:
            return self._written(signed, refs_edited or [])
        except (UsageError, VerificationFailed) as error:
            self.refused(signed.decision.checkpoint, reviewer=signed.decision.reviewer, why=error)
            raise

    def _written(self, signed: SignedDecision, edited: list[str]) -> SignedDecision:
        reviewer = self._registry.get(signed.decision.reviewer)
        _scenario_only(reviewer, self._record)
        made = check_decision(signed.statement, signed.signature, reviewer=reviewer).decision
        checkpoint = self.get(made.checkpoint)
        if (made.study, made.subject, made.kind) != (self._study, checkpoint.subject, checkpoint.kind):
            raise VerificationFailed(f"The decision is about another subject than {checkpoint.id} holds.")
        with self._record.exclusive():
            before = self._event(made.checkpoint)
            if before is not None:
                raise UsageError(
                    f"Checkpoint {made.checkpoint} was already decided by {before.data['reviewer']['id']} "
                    f"({before.data['decision']}).",
                    advice="Nothing was changed.",
                )
            study = self.policy()
            broken = self._broken(made, study, self._approvals())
            if broken:
                raise UsageError(
                    f"The decision on {made.checkpoint} is not let in: {broken}.",
                    allowed=f"Who may approve it: {' or '.join(study.policy.rule(made.kind).roles)}.",
                    advice="Ask another reviewer; `counterproof policy show STUDY` prints the rules.",
                )
            wanted = study.policy.rule(made.kind).signatures if made.decision == "approve" else 1
            last = len(self._signed_events(made.checkpoint)) + 1 >= wanted
            refs = [
                self._record.put("statement", signed.statement),
                self._record.put("signature", signed.signature, media="text/plain"),
            ]
            refs += [self._record.put("edited", self._record.blobs.get(digest)) for digest in edited]
            data = {
                "checkpoint": made.checkpoint,
                "kind": made.kind,
                "subject": made.subject,
                "decision": made.decision,
                "reviewer": reviewer.model_dump(mode="json"),
                "replayed": made.replayed,
            }
            person = Actor(kind="human", id=made.reviewer)
            if last:
                self._record.append("decision.recorded", actor=person, data=data, refs=refs)
            else:
                self._record.append("signature.recorded", actor=person, data=data, refs=refs)
        if last:
            self._store.decide_checkpoint(made.checkpoint, decision=made.decision, by=made.reviewer)
        return signed

    def decision(self, checkpoint: str) -> SignedDecision | None:
        """Return the recorded decision on a checkpoint with its signature checked against the registry; None if none.

        Raises:
            VerificationFailed: it is forged, or about another subject.
        """
        event = self._event(checkpoint)
        if event is None:
            return None
        signed = self._checked(event)
        if signed.decision.decision == "approve":
            self._check_first(checkpoint, signed.decision.reviewer)
        return signed

    def decisions(self) -> list[Decision]:
        """Return all recorded decisions, oldest first, each checked as `decision` does.

        Raises:
            VerificationFailed: one is forged, or a checkpoint is decided twice.
        """
        decided = [event.data["checkpoint"] for event in self._record.of_type("decision.recorded")]
        if len(set(decided)) != len(decided) or not set(decided) <= self._openings().keys():
            raise VerificationFailed("The record decides a checkpoint twice, or one that was never put up.")
        return [signed.decision for id_ in decided if (signed := self.decision(id_)) is not None]

    def first_signatures(self, checkpoint: str) -> list[SignedDecision]:
        """Return the approvals that were signed and need another signature, each checked.

        Raises:
            VerificationFailed: one is forged, or about another subject.
        """
        return [self._checked(event) for event in self._signed_events(checkpoint)]

    def _check_first(self, checkpoint: str, last: str) -> None:
        """Refuse an approval that the policy wants two people to sign, and one signed."""
        wanted = self.policy().policy.rule(self.get(checkpoint).kind).signatures
        signers = {last, *(signed.decision.reviewer for signed in self.first_signatures(checkpoint))}
        if len(signers) < wanted:
            raise VerificationFailed(f"{checkpoint} was approved by {last} alone; the policy asks for {wanted} people.")

    def _checked(self, event: Event) -> SignedDecision:
        """Return a decision with its signature and the rules checked, at the time when it was made."""
        blobs = self._record.blobs
        statement, signature = (blobs.get(event.ref(role).sha256) for role in ("statement", "signature"))
        # Who holds a revoked key could date a statement back; the record's own time is under later signatures.
        reviewer = self._registry.at(event.data["reviewer"]["id"], event.ts)
        _scenario_only(reviewer, self._record)
        signed = check_decision(statement, signature, reviewer=reviewer)
        made = signed.decision
        self._registry.at(made.reviewer, made.decided_at)
        opened = self.get(event.data["checkpoint"])
        if (made.study, made.checkpoint, made.subject) != (self._study, opened.id, opened.subject):
            raise VerificationFailed(f"The decision recorded for {opened.id} is about something else.")
        data, person = event.data, event.data["reviewer"]
        said = (data["kind"], data["subject"], data["decision"], data["replayed"], event.actor.id, person["name"])
        if said != (made.kind, made.subject, made.decision, made.replayed, made.reviewer, made.name):
            raise VerificationFailed(f"The record says something else of the decision on {opened.id} than was signed.")
        broken = self._broken(made, self.policy(), self._approvals(before=event.seq))
        if broken:
            raise VerificationFailed(f"The decision recorded for {opened.id} does not count: {broken}.")
        return signed

    def _broken(self, made: Decision, study: StudyPolicy, approvals: list[Decision]) -> str:
        return broken_rule(made, policy=study.policy, digest=study.digest, author=study.author, approvals=approvals)

    def _approvals(self, before: int | None = None) -> list[Decision]:
        """Return the approvals that the record has, as they were signed; signatures are checked where one counts."""
        events = self._record.of_type("decision.recorded", "signature.recorded")
        bodies = [
            self._record.blobs.get(event.ref("statement").sha256)
            for event in events
            if event.data["decision"] == "approve" and (before is None or event.seq < before)
        ]
        try:
            return [Decision.model_validate_json(body) for body in bodies]
        except ValueError as error:
            raise VerificationFailed("The record holds an approval that is no decision.") from error

    def _signed_events(self, checkpoint: str) -> list[Event]:
        events = self._record.of_type("signature.recorded")
        return [event for event in events if event.data["checkpoint"] == checkpoint]

    def mend_index(self) -> None:
        """Enter into the store what the record has and a kill kept from it."""
        for made in self._opened().values():
            self._store.open_checkpoint(made.id, study=self._study, kind=made.kind, subject=made.subject)
            event = self._event(made.id)
            if event is not None:
                by = event.data["reviewer"]["id"]
                self._store.decide_checkpoint(made.id, decision=event.data["decision"], by=by)

    def _opened(self) -> dict[str, Checkpoint]:
        return {id_: Checkpoint(**event.data, history=event.digest) for id_, event in self._openings().items()}

    def _openings(self) -> dict[str, Event]:
        found: dict[str, Event] = {}
        for event in self._record.of_type("checkpoint.opened"):
            if found.setdefault(event.data["id"], event) is not event:
                raise VerificationFailed(
                    f"The record puts a checkpoint up twice: {event.data['id']}, with event {event.seq} again.",
                    advice="Counterproof never does. Look into who wrote to the store, and restore it from a backup.",
                )
        return found

    def _event(self, checkpoint: str) -> Event | None:
        events = self._record.of_type("decision.recorded")
        return next((event for event in events if event.data["checkpoint"] == checkpoint), None)


PROPOSED = "proposed release"
"""The role of the document that the approval of an analysis's release lets go."""
SECURE = frozenset({CheckpointKind.RELEASE, CheckpointKind.SAMPLE})
"""Checkpoints whose subject shows what was computed or made from data, and is not yet released."""


def _scenario_only(reviewer: Reviewer, record: Record) -> None:
    """Refuse the scripted reviewer outside of scenarios."""
    if not reviewer.replay:
        return
    created = record.of_type("study.created")
    if not created or created[0].data.get("mode") != SCENARIO_MODE:
        raise VerificationFailed(
            f"{reviewer.id} is the replay reviewer.",
            allowed="It decides in scenarios only; a study needs a person.",
        )
