"""Record checkpoints in a bundle: whoever seals the bundle anew must also sign them anew, and none may be left out.

The forger of these tests does nearly all of it right: another service key, everything signed with it, and then one
thing about the record checkpoints is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.digests import canonical_json
from counterproof.provenance.record_checkpoints import EVERY, FILE
from counterproof.provenance.signing import RECORD_NAMESPACE, sign
from counterproof.provenance.verify import verify_bundle

from . import test_standalone as alone
from .forging import FORGER, STRANGER, Bag, failed

NAME = f"data/record/{FILE}"
Lines = list[bytes]
place = alone.place


def _signed(statement: dict[str, Any], key: Ed25519PrivateKey = FORGER) -> bytes:
    signature = sign(key, canonical_json(statement), namespace=RECORD_NAMESPACE).decode()
    return canonical_json({"signature": signature, "statement": statement}) + b"\n"


def _changed(at: int, **values: Any) -> Callable[[Lines], Lines]:
    def change(lines: Lines) -> Lines:
        return [*lines[:at], _signed(json.loads(lines[at])["statement"] | values), *lines[at + 1 :]]

    return change


def _by_stranger(lines: Lines) -> Lines:
    return [_signed(json.loads(lines[0])["statement"], STRANGER), *lines[1:]]


ATTACKS: dict[str, Callable[[Lines], Lines]] = {
    "none": lambda _lines: [],
    "first dropped": lambda lines: lines[1:],
    "a decision dropped": lambda lines: [*lines[:2], *lines[3:]],
    "the end dropped": lambda lines: lines[:-1],
    "two swapped": lambda lines: [lines[1], lines[0], *lines[2:]],
    "one doubled": lambda lines: [*lines, lines[-1]],
    "another head": _changed(1, head="0" * 64),
    "another root": _changed(1, merkle_root="0" * 64),
    "another length": _changed(1, events=2),
    "another study": _changed(0, study="study-00000000"),
    "signed by a stranger": _by_stranger,
    "time changed": lambda lines: [lines[0].replace(b'"time":"2', b'"time":"1'), *lines[1:]],
    "torn": lambda lines: [*lines[:-1], lines[-1][:-1]],
}
FOR_A_SHELL = set(ATTACKS) - {"another root", "another study", "torn"}
"""A shell makes no Merkle tree and compares no study; a line without its end is a line to it."""


@pytest.fixture
def forged(reviewed: Path, request: pytest.FixtureRequest) -> Bag:
    """The reviewed study sealed by the forger, with its record checkpoints changed."""
    bag = Bag(reviewed)
    bag.reseal()
    lines = bag.files[NAME].splitlines(keepends=True)
    changed = ATTACKS[request.param](lines)
    assert changed != lines
    bag.files[NAME] = b"".join(changed)
    bag.remake_crate()
    bag.rebag()
    bag.seal_again()
    return bag


def test_a_bundle_has_one_for_the_beginning_each_decision_and_the_end(reviewed: Path) -> None:
    files = Bag(reviewed).files
    events = [json.loads(line) for line in files["data/record/events.jsonl"].splitlines()]
    due = [
        event["seq"] + 1
        for event in events
        if event["type"] in ("study.created", "decision.recorded", "study.ended") or (event["seq"] + 1) % EVERY == 0
    ]
    made = [json.loads(line)["statement"] for line in files[NAME].splitlines()]
    assert [one["events"] for one in made] == due
    assert len(due) > 5
    head = json.loads(files["data/record/head.json"])
    (chain,) = [step for step in verify_bundle(reviewed).steps if step.name == "chain"]
    assert chain.evidence[1] == f"{len(due)} record checkpoints, Merkle root {head['merkle_root']}"


def test_a_seal_of_another_key_with_record_checkpoints_of_its_own_passes(reviewed: Path, tmp_path: Path) -> None:
    """The honest limit: who holds a service key can write everything anew, but for the reviewers' signatures."""
    bag = Bag(reviewed)
    bag.reseal()
    assert failed(bag.write(tmp_path / "forged.zip")) == {}


@pytest.mark.tamper
@pytest.mark.parametrize("forged", ATTACKS, indirect=True)
def test_verify_finds_what_is_wrong_with_them(forged: Bag, tmp_path: Path) -> None:
    assert set(failed(forged.write(tmp_path / "forged.zip"))) == {"chain"}


@pytest.mark.tamper
@pytest.mark.parametrize("forged", ATTACKS, indirect=True)
def test_verify_py_finds_what_is_wrong_with_them(forged: Bag, place: Path) -> None:
    found = alone._python(alone._unpack(forged, place))
    assert [step for step, outcome in found.items() if outcome == "failed"] == ["chain"]


@pytest.mark.tamper
@pytest.mark.parametrize("forged", sorted(FOR_A_SHELL), indirect=True)
def test_verify_sh_finds_what_a_shell_can(forged: Bag, place: Path) -> None:
    found = alone._shell(alone._unpack(forged, place))
    assert [step for step, outcome in found.items() if outcome == "failed"] == ["chain"]


@pytest.mark.tamper
def test_a_file_that_is_missing_fails_the_chain(reviewed: Path, tmp_path: Path) -> None:
    bag = Bag(reviewed)
    bag.reseal()
    del bag.files[NAME]
    bag.remake_crate()
    bag.rebag()
    bag.seal_again()
    found = failed(bag.write(tmp_path / "forged.zip"))
    assert set(found) == {"chain"}
    assert "checkpoints.jsonl is missing" in found["chain"]
