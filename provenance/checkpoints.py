"""Opening and deciding checkpoints: the one way in which a person's decision enters a study.

`open` writes the subject down and puts the checkpoint up; `decide` checks and records a signed decision, once;
`decision` reads it back and checks the signature again. The record is locked from looking to writing, so two tabs
or two people make one decision, and the second is told who decided before.

It does not cover what follows from a decision (the study graph) nor the opening of real data (the gate).
"""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.decisions import (
    Checkpoint,
    DecisionKind,
    SignedDecision,
    check_decision,
    sign_decision,
)
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.record import Actor, Event, Record
from counterproof.provenance.reviewers import CheckpointKind, Registry, Reviewer
from counterproof.provenance.store import Store
from counterproof.provenance.telemetry import span

SCENARIO_MODE = "scenario"


class Checkpoints:
    """The checkpoints of one study.

    Args:
        store: the index, and the guard of single decisions.
        registry: who may decide.
        record: the study's record.
        study: its id.
    """

    def __init__(self, *, store: Store, registry: Registry, record: Record, study: str) -> None:
        self._store = store
        self._registry = registry
        self._record = record
        self._study = study

    def open(self, kind: CheckpointKind, number: int, subject: dict[str, Any]) -> Checkpoint:
        """Put up checkpoint `number` of a kind with this subject; doing it again changes nothing.

        Raises:
            VerificationFailed: that checkpoint is up already with another subject.
        """
        ref = self._record.put("subject", canonical_json(subject), side="secure" if kind in SECURE else "open")
        made = Checkpoint(id=f"{self._study}.{kind}.{number}", study=self._study, kind=kind, subject=ref.sha256)
        with self._record.exclusive():
            known = self._opened().get(made.id)
            if known is not None and known.subject != made.subject:
                raise VerificationFailed(f"Checkpoint {made.id} is up already with another subject.")
            if known is None:
                data = made.model_dump(mode="json", exclude={"history"})
                self._record.append("checkpoint.opened", data=data, refs=[ref])
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
        """Return what is decided on, read from the exact bytes that the decision signs."""
        found: dict[str, Any] = json.loads(self._record.blobs.get(self.get(checkpoint).subject))
        return found

    def waiting(self) -> Checkpoint | None:
        """Return the checkpoint that waits for a decision, or None."""
        decided = {event.data["checkpoint"] for event in self._record.of_type("decision.recorded")}
        opened = [checkpoint for checkpoint in self._opened().values() if checkpoint.id not in decided]
        return opened[-1] if opened else None

    def decide(
        self,
        checkpoint_id: str,
        key: Ed25519PrivateKey,
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
            key: the reviewer's private key; used here and forgotten.
            reviewer: the reviewer's id.
            decision: what is decided.
            comment: the reason.
            seen: the digest of the subject that was on screen.
            edited: for `edit`, the new content of the subject's editable part.

        Raises:
            UsageError: somebody decided before, the subject is another one than was seen, an edit has no new content,
                or the reviewer may not decide this.
        """
        checkpoint = self.get(checkpoint_id)
        person = self._registry.get(reviewer)
        _scenario_only(person, self._record)
        if checkpoint.subject != seen:
            raise UsageError(
                f"Checkpoint {checkpoint.id} holds {checkpoint.subject[:12]}…, and you saw {seen[:12]}….",
                advice="Look at it again with `counterproof show`, then decide.",
            )
        if (decision == "edit") != (edited is not None):
            raise UsageError(
                f"The decision is {decision!r} and new content is {'given' if edited is not None else 'missing'}.",
                allowed="An edit, and only an edit, hands in new content.",
                advice="Give it with --file; `counterproof show CHECKPOINT --editable` prints what to start from.",
            )
        refs = [self._record.put("edited", canonical_json(edited))] if edited is not None else []
        attributes = {
            "counterproof.checkpoint.id": checkpoint.id,
            "counterproof.subject.sha256": checkpoint.subject,
            "counterproof.decision": decision,
        }
        with span(f"decision {checkpoint.kind}", attributes):
            signed = sign_decision(
                checkpoint,
                person,
                key,
                decision=decision,
                comment=comment,
                edited=refs[0].sha256 if refs else "",
            )
        return self.record(signed, refs_edited=[ref.sha256 for ref in refs])

    def record(self, signed: SignedDecision, *, refs_edited: list[str] | None = None) -> SignedDecision:
        """Write a signed decision down, once.

        Raises:
            UsageError: the checkpoint was decided before; the text says by whom.
            VerificationFailed: the signature does not hold.
        """
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
            refs = [
                self._record.put("statement", signed.statement),
                self._record.put("signature", signed.signature, media="text/plain"),
            ]
            refs += [self._record.put("edited", self._record.blobs.get(digest)) for digest in refs_edited or []]
            self._record.append(
                "decision.recorded",
                actor=Actor(kind="human", id=made.reviewer),
                data={
                    "checkpoint": made.checkpoint,
                    "kind": made.kind,
                    "subject": made.subject,
                    "decision": made.decision,
                    "reviewer": reviewer.model_dump(mode="json"),
                    "replayed": made.replayed,
                },
                refs=refs,
            )
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
        blobs = self._record.blobs
        statement, signature = (blobs.get(event.ref(role).sha256) for role in ("statement", "signature"))
        reviewer = self._registry.get(event.data["reviewer"]["id"])
        _scenario_only(reviewer, self._record)
        signed = check_decision(statement, signature, reviewer=reviewer)
        opened = self.get(checkpoint)
        made = signed.decision
        if (made.study, made.checkpoint, made.subject) != (self._study, opened.id, opened.subject):
            raise VerificationFailed(f"The decision recorded for {checkpoint} is about something else.")
        return signed

    def mend_index(self) -> None:
        """Enter into the store what the record has and a kill kept from it."""
        for made in self._opened().values():
            self._store.open_checkpoint(made.id, study=self._study, kind=made.kind, subject=made.subject)
            event = self._event(made.id)
            if event is not None:
                by = event.data["reviewer"]["id"]
                self._store.decide_checkpoint(made.id, decision=event.data["decision"], by=by)

    def _opened(self) -> dict[str, Checkpoint]:
        events = self._record.of_type("checkpoint.opened")
        return {event.data["id"]: Checkpoint(**event.data, history=event.digest) for event in events}

    def _event(self, checkpoint: str) -> Event | None:
        events = self._record.of_type("decision.recorded")
        return next((event for event in events if event.data["checkpoint"] == checkpoint), None)


SECURE = frozenset({CheckpointKind.RELEASE})
"""Checkpoints whose subject shows what was computed from real data and not yet released."""


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
