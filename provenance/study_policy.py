"""The policy of one study: from its record, and held against its file, its installation and the installation's policy.

A study carries its policy in its first event. `policy.toml` in its folder is the same file for people to read; where it
says something else, somebody changed the rules in the middle, and nothing goes on. The same holds for a study whose
folder was carried into another installation, and for one whose policy is looser than the installation's is by now.

A gate that is another user's has no folder of the study: it takes the policy from the record, and its own registry's
policy holds. File and installation are looked at on the agent's side then, before each run.

It does not cover the rules themselves (`policy`, `rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.policy import Policy, loosened, read_policy
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import Registry

POLICY_FILE = "policy.toml"
POLICY_ROLE = "policy"
_RESTORE = "Put the file back as it was, or make a new study under the other policy."


@dataclass(frozen=True, kw_only=True)
class StudyPolicy:
    """The policy of a study.

    Attributes:
        policy: what it says.
        digest: what names it; decisions sign it.
        author: id of the reviewer who made the study; "" where one person does everything, or a script.
    """

    policy: Policy
    digest: str
    author: str


def policy_of(record: Record, *, folder: Path | None, registry: Registry) -> StudyPolicy:
    """Return the policy of a study.

    Args:
        record: its record.
        folder: its folder, with the policy's file; None where only the record is at hand.
        registry: of the installation.

    Raises:
        VerificationFailed: the record has no policy; the file says something else; the study is of another
            installation; or its policy is looser than the installation's.
    """
    found = recorded_policy(record)
    if folder is not None:
        _check_place(found, record, folder, registry)
    current = registry.policy()
    looser = loosened(found.policy, read_policy(current, source="of the installation")) if current else []
    if looser:
        raise VerificationFailed(
            f"The study's policy is looser than the installation's is now: {'; '.join(looser)}.",
            advice="Make a new study under the new policy.",
        )
    return found


def _check_place(found: StudyPolicy, record: Record, folder: Path, registry: Registry) -> None:
    """Refuse a study whose policy file was changed, or whose folder is of another installation."""
    try:
        file = (folder / POLICY_FILE).read_bytes()
    except OSError as error:
        raise VerificationFailed(f"The study's {POLICY_FILE} can't be read: {error}.", advice=_RESTORE) from error
    if sha256_bytes(file) != found.digest:
        raise VerificationFailed(
            f"The study's {POLICY_FILE} was changed: it has the digest {sha256_bytes(file)[:12]}…, and the study was "
            f"made under {found.digest[:12]}….",
            advice=_RESTORE,
        )
    installation = str(record.of_type("study.created")[0].data.get("installation"))
    if not registry.is_installation(installation):
        raise VerificationFailed(
            f"The study was made in the installation {installation[:12]}, and this is another one.",
            advice="Decisions and approvals count where they were made. Make a new study here.",
        )


def recorded_policy(record: Record) -> StudyPolicy:
    """Return the policy that a study's first event holds.

    Raises:
        VerificationFailed: it holds none.
    """
    created = record.of_type("study.created")[:1]
    if not created or "policy" not in created[0].data:
        raise VerificationFailed("The record names no policy, so nothing can be decided under it.")
    event = created[0]
    body = record.blobs.get(event.ref(POLICY_ROLE).sha256)
    if event.data["policy"] != sha256_bytes(body):
        raise VerificationFailed("The record holds another policy than it names.")
    return StudyPolicy(
        policy=read_policy(body, source="of the record"), digest=event.data["policy"], author=event.data["author"]
    )
