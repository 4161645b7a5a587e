"""Who may decide: reviewers, their roles, their public keys, and where that is written down.

The registry is a record of its own (`record.Record`), so that adding and revoking reviewers and setting the
installation's policy is itself a hash-chained history, and a row planted in a database makes nobody a reviewer. Its
first event names the installation; a study that was made in another one is not opened here.

A revocation holds from a time on: what was decided before it stands, what came later does not.

What each role may decide stands in `permissions`.

The replay reviewer is the scripted one of scenarios. It is marked here, its decisions count only in studies
that were started as a scenario, and whatever it signed is labelled "replayed, not reviewed".

It does not cover rules between people (`policy`), nor identity proofing: who adds a reviewer vouches for the name.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.events import Actor, Event, now
from counterproof.provenance.permissions import (
    PERMISSIONS,
    ROLES_OF,
    CheckpointKind,
    DecisionKind,
    Role,
    is_permitted,
)
from counterproof.provenance.record import Record
from counterproof.provenance.signing import check_reviewer_line, fingerprint

__all__ = [
    "AUTHORSHIP",
    "MEANING_OF",
    "REPLAY_LABEL",
    "REVIEW",
    "ROLES_OF",
    "CheckpointKind",
    "Registered",
    "Registry",
    "Reviewer",
    "Role",
    "meaning_of",
]

REPLAY_LABEL = "replayed, not reviewed"


MEANING_OF: dict[CheckpointKind, str] = {
    CheckpointKind.PLAN: "approval",
    CheckpointKind.CODE: "approval",
    CheckpointKind.RELEASE: "review",
    CheckpointKind.SIGNOFF: "responsibility",
    CheckpointKind.SPECIFICATION: "approval",
    CheckpointKind.SAMPLE: "review",
}

AUTHORSHIP = "authorship"
REVIEW = "review"


def meaning_of(kind: CheckpointKind, decision: str) -> str:
    """Return what a signature means (21 CFR 11.50).

    An approval means what the checkpoint says; an edit is authorship, because the new content is the reviewer's own;
    what rejects or withdraws is a review.
    """
    if decision == "edit":
        return AUTHORSHIP
    return MEANING_OF[kind] if decision == "approve" else REVIEW


_ID = re.compile(r"[a-z][a-z0-9._-]{0,39}")
_INSTALLATION = re.compile(r"[0-9a-f]{32}")
_ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")
_ROR = re.compile(r"0[0-9a-hjkmnp-tv-z]{6}[0-9]{2}")
_ROR_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_AFFILIATION_MAX = 200


class Reviewer(BaseModel):
    """One person (or the replay reviewer) who may decide."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """Short name used on the command line; unique."""
    name: str
    """Printed name, as it stands in the report."""
    orcid: str = ""
    """ORCID iD without the address, or empty."""
    affiliation: str = ""
    """Name of the institution that the person belongs to, as it is printed, or empty."""
    ror: str = ""
    """ROR id of that institution without the address, or empty."""
    roles: tuple[Role, ...] = Field(min_length=1)
    """What this person may decide, by `ROLES_OF`."""
    public_key: str
    """`ssh-ed25519 AAAA…`, or `sk-ssh-ed25519@openssh.com AAAA…` of a hardware key."""
    replay: bool = False
    """True for the scripted reviewer of scenarios only."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the key, as `ssh-keygen -l` prints it."""
        return fingerprint(self.public_key)

    def role_for(self, kind: CheckpointKind, decision: DecisionKind = "approve") -> Role | None:
        """Return the role in which this reviewer may decide a checkpoint so, or None."""
        return next(
            (role for role in PERMISSIONS[kind] if role in self.roles and is_permitted(role, kind, decision)), None
        )


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A reviewer as the registry has it.

    Attributes:
        reviewer: who.
        added_by: who added this reviewer.
        added_at: when, in UTC.
        revoked_by: who revoked; "" where nobody did.
        revoked_from: from when on the reviewer decides nothing, in UTC; "" where nobody revoked.
    """

    reviewer: Reviewer
    added_by: str
    added_at: str
    revoked_by: str = ""
    revoked_from: str = ""

    def is_active(self, at: str) -> bool:
        """Say whether this reviewer may decide at a time."""
        return not self.revoked_from or _time(at) < _time(self.revoked_from)


class Registry:
    """The reviewers and the policy of a store.

    Args:
        record: the registry's own record.
    """

    def __init__(self, record: Record) -> None:
        self._record = record

    def installation(self) -> str:
        """Return the name of this installation, which is made at the first use and never changes."""
        with self._record.exclusive():
            found = self._record.of_type("registry.opened")
            made = found[0] if found else self._record.append("registry.opened", data={"id": secrets.token_hex(16)})
        return str(made.data["id"])

    def is_installation(self, name: str) -> bool:
        """Say whether this installation has that name, or joined that one; nothing is written."""
        return any(event.data["id"] == name for event in self._record.of_type("registry.opened"))

    def join(self, name: str, *, by: str) -> None:
        """Count for another installation too: this registry is that of the gate of its studies.

        Raises:
            UsageError: it is no installation's name.
        """
        if not _INSTALLATION.fullmatch(name):
            raise UsageError(
                f"{name[:80]!r} is no installation.",
                allowed="Its name has 32 lower-case hexadecimal digits.",
                advice="`counterproof gate check` prints it on the agent's side.",
            )
        with self._record.exclusive():
            if not self.is_installation(name):
                self._record.append("registry.opened", actor=Actor(kind="human", id=by), data={"id": name})

    def add(self, reviewer: Reviewer, *, by: str) -> Reviewer:
        """Write down a new reviewer.

        Raises:
            UsageError: the id is taken or malformed, the name is empty, or the key, ORCID, affiliation or ROR id
                is not one.
        """
        _check(reviewer)
        checked = reviewer.model_copy(update={"public_key": check_reviewer_line(reviewer.public_key)})
        with self._record.exclusive():
            if any(other.reviewer.id == reviewer.id for other in self.registered()):
                raise UsageError(
                    f"Reviewer {reviewer.id!r} exists already.",
                    advice="Choose another id, or revoke the old one and take a new id.",
                )
            if any(other.public_key == checked.public_key for other in self.active()):
                raise UsageError(
                    f"The key {checked.fingerprint} belongs to another reviewer already.",
                    allowed="One key, one person.",
                    advice="Make another key.",
                )
            self._record.append(
                "reviewer.added", actor=Actor(kind="human", id=by), data=checked.model_dump(mode="json")
            )
        return checked

    def revoke(self, reviewer_id: str, *, by: str, since: str = "") -> None:
        """From a time on this reviewer decides nothing; what was decided before it stands.

        Args:
            reviewer_id: who.
            by: who revokes.
            since: from when on, with its offset from UTC; "" for now. A time in the past is for a key that was stolen.

        Raises:
            UsageError: there is no such active reviewer, or `since` is no time.
        """
        self.get(reviewer_id)
        moment = datetime.now(UTC) if not since else _moment(since)
        start = moment.isoformat(timespec="milliseconds")
        data = {"id": reviewer_id, "since": start}
        self._record.append("reviewer.revoked", actor=Actor(kind="human", id=by), data=data)

    def get(self, reviewer_id: str) -> Reviewer:
        """Return a reviewer who may decide now.

        Raises:
            UsageError: there is no such reviewer, or it was revoked.
        """
        return self.at(reviewer_id, now())

    def at(self, reviewer_id: str, when: str) -> Reviewer:
        """Return a reviewer who might decide at a time (UTC).

        Raises:
            UsageError: there is no such reviewer, or it was revoked from an earlier time on.
        """
        found = next((one for one in self.registered() if one.reviewer.id == reviewer_id), None)
        if found is None or not found.is_active(when):
            known = ", ".join(sorted(reviewer.id for reviewer in self.active())) or "none yet"
            since = f": revoked from {found.revoked_from} on" if found else ""
            raise UsageError(
                f"There is no active reviewer {reviewer_id[:80]!r}{since}.",
                allowed=f"Reviewers: {known}.",
                advice="Add one with `counterproof reviewers add`.",
            )
        return found.reviewer

    def active(self) -> list[Reviewer]:
        """Return everybody who may decide now, in the order in which they were added."""
        return [one.reviewer for one in self.registered() if one.is_active(now())]

    def registered(self) -> list[Registered]:
        """Return everybody who was ever added, with who added and revoked them and when."""
        found: dict[str, Registered] = {}
        for event in self._record.of_type("reviewer.added", "reviewer.revoked"):
            if event.type == "reviewer.added":
                found[event.data["id"]] = _registered(event)
            else:
                one = found[event.data["id"]]
                since = min(filter(None, (one.revoked_from, str(event.data["since"]))), key=_time)
                found[event.data["id"]] = replace(one, revoked_by=event.actor.id, revoked_from=since)
        return list(found.values())

    def set_policy(self, policy: bytes, *, by: str) -> str:
        """Write down the policy that no study of this installation may loosen, and return its digest."""
        ref = self._record.put("policy", policy, media="application/toml")
        self._record.append("policy.set", actor=Actor(kind="human", id=by), data={"policy": ref.sha256}, refs=[ref])
        return ref.sha256

    def policy(self) -> bytes | None:
        """Return the installation's policy as it was set last; None where none was set."""
        found = self._record.of_type("policy.set")
        return self._record.blobs.get(found[-1].ref("policy").sha256) if found else None


def _registered(event: Event) -> Registered:
    return Registered(reviewer=Reviewer.model_validate(event.data), added_by=event.actor.id, added_at=event.ts)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time.", allowed="Its form is 2026-11-20 or 2026-11-20T08:00:00+00:00."
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _time(text: str) -> datetime:
    """Read a time of a record, which may be a forged one."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise VerificationFailed(f"{text[:40]!r} is no time.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _check(reviewer: Reviewer) -> None:
    if not _ID.fullmatch(reviewer.id):
        raise UsageError(
            f"{reviewer.id!r} can't be a reviewer's id.",
            allowed="Lower-case letters, digits, '.', '_' and '-', at most 40, a letter first.",
        )
    if not reviewer.name.strip():
        raise UsageError(
            "The reviewer has no name.", advice="Give the printed name with --name; it stands in the report."
        )
    if reviewer.orcid and not _ORCID.fullmatch(reviewer.orcid):
        raise UsageError(f"{reviewer.orcid!r} is not an ORCID iD.", allowed="Its form is 0000-0002-1825-0097.")
    affiliation = reviewer.affiliation
    if affiliation and (affiliation != affiliation.strip() or not affiliation.isprintable()):
        raise UsageError(
            f"The affiliation {affiliation!r} is no plain text.", advice="Give it as one line, without space around it."
        )
    if len(affiliation) > _AFFILIATION_MAX:
        raise UsageError(
            f"The affiliation has {len(affiliation)} characters.",
            allowed=f"At most {_AFFILIATION_MAX}.",
            advice="Name the institution, without its address.",
        )
    if reviewer.ror and not _is_ror(reviewer.ror):
        raise UsageError(
            f"{reviewer.ror!r} is not a ROR id.",
            allowed="Its form is 03yrm5c26, and its last two digits are a checksum.",
            advice="Look the institution up at https://ror.org and copy the end of its address.",
        )
    if reviewer.ror and not affiliation:
        raise UsageError(
            f"The ROR id {reviewer.ror} stands without the institution's name.", advice="Give it with --affiliation."
        )


def _is_ror(text: str) -> bool:
    """Say whether form and checksum are those of a ROR id (ISO/IEC 7064 MOD 97-10 over Crockford's base 32)."""
    if not _ROR.fullmatch(text):
        return False
    number = 0
    for digit in text[:7]:
        number = number * 32 + _ROR_DIGITS.index(digit)
    return 98 - number * 100 % 97 == int(text[7:])
