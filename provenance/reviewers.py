"""Who may decide: reviewers, their roles, their public keys, and where that is written down.

The registry is a record of its own (`record.Record`), so that adding and revoking reviewers is itself a
hash-chained history, and a row planted in a database makes nobody a reviewer.

`ROLES_OF` is the one table of who may decide which checkpoint.

The replay reviewer is the scripted one of scenarios. It is marked here, its decisions count only in studies
that were started as a scenario, and whatever it signed is labelled "replayed, not reviewed".

It does not cover four-eyes rules, expiry of reviewers, or identity proofing.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from counterproof.provenance.errors import UsageError
from counterproof.provenance.record import Actor, Record
from counterproof.provenance.signing import check_public_line, fingerprint

REPLAY_LABEL = "replayed, not reviewed"


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


ROLES_OF: dict[CheckpointKind, tuple[Role, ...]] = {
    CheckpointKind.PLAN: (Role.INVESTIGATOR, Role.STATISTICIAN),
    CheckpointKind.CODE: (Role.STATISTICIAN,),
    CheckpointKind.RELEASE: (Role.CUSTODIAN,),
    CheckpointKind.SIGNOFF: (Role.INVESTIGATOR,),
}

MEANING_OF: dict[CheckpointKind, str] = {
    CheckpointKind.PLAN: "approval",
    CheckpointKind.CODE: "approval",
    CheckpointKind.RELEASE: "review",
    CheckpointKind.SIGNOFF: "responsibility",
}

REVIEW = "review"


def meaning_of(kind: CheckpointKind, decision: str) -> str:
    """Return what a signature means (21 CFR 11.50): for an approval what the checkpoint says, else a review."""
    return MEANING_OF[kind] if decision == "approve" else REVIEW


_ID = re.compile(r"[a-z][a-z0-9._-]{0,39}")
_ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")


class Reviewer(BaseModel):
    """One person (or the replay reviewer) who may decide."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """Short name used on the command line; unique."""
    name: str
    """Printed name, as it stands in the report."""
    orcid: str = ""
    """ORCID iD without the address, or empty."""
    roles: tuple[Role, ...] = Field(min_length=1)
    """What this person may decide, by `ROLES_OF`."""
    public_key: str
    """`ssh-ed25519 AAAA…`."""
    replay: bool = False
    """True for the scripted reviewer of scenarios only."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the key, as `ssh-keygen -l` prints it."""
        return fingerprint(self.public_key)

    def role_for(self, kind: CheckpointKind) -> Role | None:
        """Return the role in which this reviewer may decide a checkpoint, or None."""
        return next((role for role in ROLES_OF[kind] if role in self.roles), None)


class Registry:
    """The reviewers of a store.

    Args:
        record: the registry's own record.
    """

    def __init__(self, record: Record) -> None:
        self._record = record

    def add(self, reviewer: Reviewer, *, by: str) -> Reviewer:
        """Write down a new reviewer.

        Raises:
            UsageError: the id is taken or malformed, the name is empty, or the key or ORCID is not one.
        """
        _check(reviewer)
        checked = reviewer.model_copy(update={"public_key": check_public_line(reviewer.public_key)})
        with self._record.exclusive():
            if reviewer.id in self._all():
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

    def revoke(self, reviewer_id: str, *, by: str) -> None:
        """From now on this reviewer decides nothing; earlier decisions keep their signatures.

        Raises:
            UsageError: there is no such reviewer.
        """
        self.get(reviewer_id)
        self._record.append("reviewer.revoked", actor=Actor(kind="human", id=by), data={"id": reviewer_id})

    def get(self, reviewer_id: str) -> Reviewer:
        """Return a reviewer who may decide now.

        Raises:
            UsageError: there is no such reviewer, or it was revoked.
        """
        found = self._all().get(reviewer_id)
        if found is None:
            known = ", ".join(sorted(reviewer.id for reviewer in self.active())) or "none yet"
            raise UsageError(
                f"There is no active reviewer {reviewer_id!r}.",
                allowed=f"Reviewers: {known}.",
                advice="Add one with `counterproof reviewers add`.",
            )
        return found

    def active(self) -> list[Reviewer]:
        """Return everybody who may decide now, in the order in which they were added."""
        return [reviewer for reviewer in self._all().values() if reviewer is not None]

    def _all(self) -> dict[str, Reviewer | None]:
        found: dict[str, Reviewer | None] = {}
        for event in self._record.events():
            if event.type == "reviewer.added":
                data: dict[str, Any] = event.data
                found[data["id"]] = Reviewer.model_validate(data)
            elif event.type == "reviewer.revoked":
                found[event.data["id"]] = None
        return found


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
