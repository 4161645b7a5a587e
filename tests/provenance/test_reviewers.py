"""Reviewers: who may decide what is one table, and only the registry's record makes a reviewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import MEANING_OF, ROLES_OF, CheckpointKind, Registry, Reviewer, Role
from counterproof.provenance.signing import public_line

LINE = public_line(Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key())
OTHER = public_line(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))).public_key())


def _registry(folder: Path) -> Registry:
    return Registry(Record(folder, blobs=Blobs(folder / "blobs")))


def _reviewer(**changes: Any) -> Reviewer:
    facts = {"id": "ada", "name": "Ada Lovelace", "roles": (Role.STATISTICIAN,), "public_key": LINE}
    return Reviewer(**{**facts, **changes})


@pytest.mark.parametrize(
    ("kind", "roles", "meaning"),
    [
        ("plan", ["investigator", "statistician"], "approval"),
        ("code", ["statistician"], "approval"),
        ("release", ["custodian"], "review"),
        ("signoff", ["investigator"], "responsibility"),
    ],
)
def test_who_decides_what(kind: str, roles: list[str], meaning: str) -> None:
    checkpoint = CheckpointKind(kind)
    assert list(ROLES_OF[checkpoint]) == roles
    assert MEANING_OF[checkpoint] == meaning
    for role in Role:
        assert _reviewer(roles=(role,)).role_for(checkpoint) == (role if role in roles else None)


def test_every_checkpoint_is_in_both_tables() -> None:
    assert list(ROLES_OF) == list(MEANING_OF) == list(CheckpointKind)


def test_role_for_takes_the_first_role_of_the_table() -> None:
    both = _reviewer(roles=(Role.STATISTICIAN, Role.INVESTIGATOR))
    assert both.role_for(CheckpointKind.PLAN) == Role.INVESTIGATOR


def test_add_then_get_in_another_process_view(tmp_path: Path) -> None:
    added = _registry(tmp_path).add(
        _reviewer(orcid="0000-0002-1825-0097", affiliation="Caltech", ror="05dxps055", replay=True), by="root"
    )
    assert _registry(tmp_path).get("ada") == added
    assert [reviewer.id for reviewer in _registry(tmp_path).active()] == ["ada"]


def test_add_keeps_only_type_and_key_of_the_line(tmp_path: Path) -> None:
    added = _registry(tmp_path).add(_reviewer(public_key=f"{LINE} ada@example.org\n"), by="root")
    assert added.public_key == LINE


def test_add_says_who_added(tmp_path: Path) -> None:
    record = Record(tmp_path, blobs=Blobs(tmp_path / "blobs"))
    Registry(record).add(_reviewer(), by="grace")
    Registry(record).revoke("ada", by="grace")
    assert [(event.type, event.actor.kind, event.actor.id) for event in record.events()] == [
        ("reviewer.added", "human", "grace"),
        ("reviewer.revoked", "human", "grace"),
    ]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"id": ""}, r"'' can't be a reviewer's id\. Lower-case letters"),
        ({"id": "Ada"}, r"'Ada' can't be a reviewer's id\. Lower-case letters"),
        ({"id": "../ada"}, r"'\.\./ada' can't be a reviewer's id"),
        ({"id": "ada\n"}, r"can't be a reviewer's id"),
        ({"id": "a" * 41}, r"can't be a reviewer's id.*at most 40"),
        ({"name": "  "}, r"The reviewer has no name\. Give the printed name with --name"),
        ({"orcid": "0000-0002-1825"}, r"'0000-0002-1825' is not an ORCID iD\. Its form is"),
        ({"orcid": "https://orcid.org/0000-0002-1825-0097"}, r"is not an ORCID iD\. Its form is"),
        ({"affiliation": "One\nTwo"}, r"'One\\nTwo' is no plain text\. Give it as one line"),
        ({"affiliation": "x" * 201}, r"has 201 characters\. At most 200\. Name the institution"),
        ({"affiliation": "X", "ror": "03yrm5c27"}, r"'03yrm5c27' is not a ROR id\. .*03yrm5c26, .*checksum\. Look"),
        ({"affiliation": "X", "ror": "3yrm5c26"}, r"'3yrm5c26' is not a ROR id\. Its form is"),
        ({"ror": "03yrm5c26"}, r"03yrm5c26 stands without the institution's name\. Give it with --affiliation"),
        ({"public_key": "ssh-rsa AAAA"}, r"'ssh-rsa AAAA' is not an Ed25519 SSH public key.*Give the \.pub file"),
        ({"public_key": ""}, r"'' is not an Ed25519 SSH public key"),
    ],
    ids=[
        "no-id",
        "upper",
        "path",
        "newline",
        "long",
        "name",
        "orcid",
        "orcid-url",
        "lines",
        "long-place",
        "ror-sum",
        "ror-form",
        "ror-alone",
        "rsa",
        "no-key",
    ],
)
def test_add_refuses(tmp_path: Path, changes: dict[str, Any], text: str) -> None:
    registry = _registry(tmp_path)
    with pytest.raises(UsageError, match=text):
        registry.add(_reviewer(**changes), by="root")
    assert registry.active() == []


@pytest.mark.parametrize(
    "changes", [{"roles": ()}, {"roles": ("boss",)}, {"admin": True}], ids=["none", "unknown", "extra"]
)
def test_a_reviewer_has_known_roles_and_fields(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"roles|admin"):
        _reviewer(**changes)


def test_an_id_is_never_used_again(tmp_path: Path) -> None:
    registry = _registry(tmp_path)
    registry.add(_reviewer(), by="root")
    for _ in ("active", "revoked"):
        with pytest.raises(UsageError, match=r"Reviewer 'ada' exists already\. Choose another id"):
            _registry(tmp_path).add(_reviewer(name="Another"), by="root")
        if registry.active():
            registry.revoke("ada", by="root")


def test_a_revoked_reviewer_is_no_reviewer(tmp_path: Path) -> None:
    registry = _registry(tmp_path)
    registry.add(_reviewer(), by="root")
    registry.add(_reviewer(id="bob", name="Bob", public_key=OTHER), by="root")
    registry.revoke("ada", by="root")
    for use in (registry.get, lambda who: registry.revoke(who, by="root")):
        with pytest.raises(
            UsageError, match=r"no active reviewer 'ada': revoked from .* on\. Reviewers: bob\. Add one with"
        ):
            use("ada")
    assert [reviewer.id for reviewer in registry.active()] == ["bob"]


def test_add_refuses_a_key_that_another_reviewer_has(tmp_path: Path) -> None:
    registry = _registry(tmp_path)
    registry.add(_reviewer(), by="root")
    with pytest.raises(UsageError, match=r"belongs to another reviewer already\. One key, one person\. Make another"):
        registry.add(_reviewer(id="bob", name="Bob"), by="root")


def test_get_from_an_empty_registry_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no active reviewer 'ada'\. Reviewers: none yet\. Add one with"):
        _registry(tmp_path).get("ada")


@pytest.mark.attack
def test_a_role_written_into_the_registry_by_hand_is_noticed(tmp_path: Path) -> None:
    registry = _registry(tmp_path)
    registry.add(_reviewer(), by="root")
    registry.add(_reviewer(id="bob", name="Bob", public_key=OTHER), by="root")
    path = tmp_path / "events.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"statistician"', b'"investigator"', 1))
    with pytest.raises(VerificationFailed, match=r"Event 1 \(reviewer\.added\) doesn't follow"):
        _registry(tmp_path).get("ada")


@pytest.mark.parametrize(
    ("when", "stands"), [("2026-10-31T23:59:59.999+00:00", True), ("2026-11-01T00:00:00.000+00:00", False)]
)
def test_a_revocation_holds_from_its_time_on(tmp_path: Path, when: str, stands: bool) -> None:
    registry = _registry(tmp_path)
    registry.add(_reviewer(), by="root")
    registry.revoke("ada", by="grace", since="2026-11-01")
    (found,) = registry.registered()
    assert found.is_active(when) is stands
    assert (found.added_by, found.revoked_by) == ("root", "grace")
    assert registry.active() == []


def test_a_revocation_from_later_on_leaves_the_reviewer_active_until_then(tmp_path: Path) -> None:
    registry = _registry(tmp_path)
    registry.add(_reviewer(), by="root")
    registry.revoke("ada", by="root", since="2999-01-01T00:00:00+01:00")
    assert registry.get("ada").id == "ada"
    with pytest.raises(UsageError, match="revoked from 2998-12-31T23:00:00"):
        registry.at("ada", "2999-06-01T00:00:00.000+00:00")


def test_a_revocation_from_no_time_is_refused(tmp_path: Path) -> None:
    registry = _registry(tmp_path)
    registry.add(_reviewer(), by="root")
    with pytest.raises(UsageError, match=r"'monday' is no time\. Its form is 2026-11-20"):
        registry.revoke("ada", by="root", since="monday")
    assert registry.get("ada").id == "ada"


def test_an_installation_has_one_name_that_never_changes(tmp_path: Path) -> None:
    name = _registry(tmp_path).installation()
    assert _registry(tmp_path).installation() == name
    assert _registry(tmp_path).is_installation(name)
    assert not _registry(tmp_path / "other").is_installation(name)


def test_the_policy_of_the_installation_is_the_one_set_last(tmp_path: Path) -> None:
    registry = _registry(tmp_path)
    assert registry.policy() is None
    for policy in (b"single_user = true", b"valid_days = 7"):
        registry.set_policy(policy, by="grace")
    assert _registry(tmp_path).policy() == b"valid_days = 7"
