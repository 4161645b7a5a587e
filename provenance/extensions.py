"""Extensions of a budget: what a person signed so that a study may use more.

An extension is a statement of its own, signed with the reviewer's key like a decision. It names the study, its policy
and the event after which it was made, what it adds, and why. Each counts once; nothing else raises a limit.

It does not cover how much was used (`budgets`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from counterproof.provenance.budgets import NAMES, Amounts
from counterproof.provenance.decisions import COMMENT_MAX
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.events import Actor, Event, now
from counterproof.provenance.permissions import Role
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import Registry, Reviewer
from counterproof.provenance.signers import Signer
from counterproof.provenance.signing import DECISION_NAMESPACE, verify
from counterproof.provenance.study_policy import StudyPolicy

EXTENDED = "budget.extended"


class Extension(BaseModel):
    """The statement that is signed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Literal["counterproof/budget-extension/1"] = "counterproof/budget-extension/1"
    """Form of this statement."""
    study: str
    """The study's id."""
    policy: str
    """Digest of the study's policy."""
    history: str
    """Digest of the event after which it was made."""
    extra: dict[str, float] = Field(min_length=1)
    """What is added, by the name of the budget."""
    reviewer: str
    """The reviewer's id."""
    name: str
    """The reviewer's printed name."""
    orcid: str
    """The reviewer's ORCID iD, or empty."""
    role: Role
    """In which role it was signed."""
    comment: str
    """The reason."""
    decided_at: str
    """UTC."""

    def statement(self) -> bytes:
        """Return the exact bytes to be signed."""
        return canonical_json(self.model_dump(mode="json"))


@dataclass(frozen=True, kw_only=True)
class Extensions:
    """The extensions of one study.

    Attributes:
        record: its record.
        registry: who may sign.
        study: its id.
        rules: its policy.
    """

    record: Record
    registry: Registry
    study: str
    rules: StudyPolicy

    def extend(self, extra: dict[str, float], signer: Signer, *, reviewer: str, comment: str) -> Extension:
        """Sign and record an extension.

        Raises:
            UsageError: the reviewer may not, the key is another's, the amounts or the reason are missing.
        """
        if self.record.of_type("study.ended"):
            raise UsageError(f"Study {self.study} has ended.", advice="Its budgets are closed; make a new study.")
        person = self.registry.get(reviewer)
        made = self._statement(extra, person, comment.strip())
        if signer.public_line != person.public_key:
            raise UsageError(
                f"This key is not {person.id}'s.",
                allowed=f"{person.id} signs with {person.fingerprint}.",
                advice="Name the right private key with --key.",
            )
        statement = made.statement()
        signature = signer.sign(statement, namespace=DECISION_NAMESPACE)
        check_extension(statement, signature, reviewer=person, rules=self.rules, study=self.study)
        refs = [self.record.put("statement", statement), self.record.put("signature", signature, media="text/plain")]
        data = {"extra": made.extra, "reviewer": person.model_dump(mode="json")}
        self.record.append(EXTENDED, actor=Actor(kind="human", id=person.id), data=data, refs=refs)
        return made

    def total(self) -> Amounts:
        """Return what all extensions add; each is checked, and each statement counts once.

        Raises:
            VerificationFailed: one is forged.
        """
        made: dict[str, Extension] = {}
        for event in self.record.of_type(EXTENDED):
            person = self.registry.at(event.data["reviewer"]["id"], event.ts)
            bodies = (self.record.blobs.get(event.ref(role).sha256) for role in ("statement", "signature"))
            made[event.ref("statement").sha256] = check_extension(
                *bodies, reviewer=person, rules=self.rules, study=self.study
            )
            self._check_history(made[event.ref("statement").sha256], event)
        return sum((Amounts(**one.extra) for one in made.values()), Amounts())

    def _check_history(self, made: Extension, event: Event) -> None:
        if made.history not in {before.digest for before in self.record.events()[: event.seq]}:
            raise VerificationFailed(f"Event {event.seq} extends a budget after another record than was signed.")

    def _statement(self, extra: dict[str, float], person: Reviewer, comment: str) -> Extension:
        wrong = [name for name, more in extra.items() if name not in NAMES or not 0 < more < 1e15]
        if wrong or not extra:
            raise UsageError(
                f"The budget can't be extended by {extra or 'nothing'}.",
                allowed=f"A number above 0 of: {', '.join(NAMES)}.",
                advice="Say it like --add model_calls=50.",
            )
        if not 0 < len(comment) <= COMMENT_MAX:
            raise UsageError(
                f"The comment has {len(comment):,} characters.",
                allowed=f"An extension needs a reason of 1 to {COMMENT_MAX:,} characters.",
                advice="Say with --comment why the study may go on.",
            )
        role = next((role for role in self.rules.policy.extend_roles if role in person.roles), None)
        if role is None or person.replay:
            raise UsageError(
                f"{person.id} ({', '.join(person.roles)}) may not extend a budget.",
                allowed=f"By the policy: {' or '.join(self.rules.policy.extend_roles)}.",
                advice="Ask a reviewer in the right role; `counterproof reviewers list` shows them.",
            )
        return Extension(
            study=self.study,
            policy=self.rules.digest,
            history=self.record.events()[-1].digest,
            extra=extra,
            reviewer=person.id,
            name=person.name,
            orcid=person.orcid,
            role=role,
            comment=comment,
            decided_at=now(),
        )


def check_extension(
    statement: bytes, signature: bytes, *, reviewer: Reviewer, rules: StudyPolicy, study: str
) -> Extension:
    """Check a signed extension and return it.

    Raises:
        VerificationFailed: it is none, its signature is not this reviewer's, it is about another study or policy, or
            the reviewer may not extend.
    """
    verify(reviewer.public_key, statement, signature, namespace=DECISION_NAMESPACE)
    try:
        made = Extension.model_validate_json(statement)
    except ValidationError as error:
        raise VerificationFailed(f"The signed bytes are no extension: {error.error_count()} faults.") from error
    if made.statement() != statement:
        raise VerificationFailed("The signed bytes are not in canonical form.")
    if (made.study, made.policy) != (study, rules.digest):
        raise VerificationFailed("The extension is for another study, or under another policy.")
    named = (made.reviewer, made.name, made.orcid)
    if named != (reviewer.id, reviewer.name, reviewer.orcid) or reviewer.replay:
        raise VerificationFailed(f"The extension names {named}, the signature is {reviewer.id}'s.")
    if made.role not in reviewer.roles or made.role not in rules.policy.extend_roles:
        raise VerificationFailed(f"{reviewer.id} may not extend a budget as {made.role}.")
    if any(name not in NAMES or not 0 < more < 1e15 for name, more in made.extra.items()):
        raise VerificationFailed(f"The extension adds {made.extra}.")
    return made
