"""What the secure side leaves in a bundle can't be guessed, and what is released from it can be checked."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.bundling import make_bundle
from counterproof.provenance.commitments import commits_to, study_secret
from counterproof.provenance.events import Event, read_chain
from counterproof.provenance.interop import files as interop
from counterproof.provenance.store import Status

from ..endpoint import Endpoint
from ..lab import Lab, program, script, trial_csv, written
from .forging import Story, failed

_HEX = re.compile(rb"[0-9a-f]{64}")
_SAYS = 'print("n =", sum(float(row["score"]) > 900 for row in rows))'
"""On the real data one patient has such a score, in the twin nobody does."""
VERIFY = Path(interop.__file__).parent / "standalone" / "verify.py"


def _files(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def _events(files: dict[str, bytes]) -> list[Event]:
    return list(read_chain(files["data/record/events.jsonl"]))


def _secure(home: Path) -> dict[str, bytes]:
    """Return what lies on the secure side of the only study of a store: salt and body, by commitment."""
    stored = [path for path in home.glob("studies/*/blobs/salted/*/*") if path.is_file()]
    return {path.parent.name + path.name: path.read_bytes() for path in stored}


@pytest.fixture
def small(lab: Lab, tmp_path: Path) -> Path:
    """The bundle of a study whose primary program prints a small number; its store is `lab`."""
    study = _run(lab)
    make_bundle(lab.workplace, lab.study(study), tmp_path / "small.zip")
    return tmp_path / "small.zip"


def _run(lab: Lab) -> str:
    study = lab.new()
    with Endpoint(script(primary=[written(program("Says a number.", middle=_SAYS))])) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve", "approve", "approve", "approve") is Status.DONE
    return study


def test_a_small_body_can_not_be_guessed(small: Path, lab: Lab) -> None:
    said = {digest.decode() for data in _files(small).values() for digest in _HEX.findall(data)}
    guesses = {sha256(f"n = {n}\n".encode()).hexdigest(): n for n in range(1000)}
    assert {guesses[digest] for digest in said & set(guesses)} == {0}, "what the twin's run printed is open"
    truth = [commitment for commitment, whole in _secure(lab.home).items() if whole[32:] == b"n = 1\n"]
    assert len(truth) == 1
    assert truth[0] in said


@pytest.mark.canary
def test_no_plain_digest_of_a_secure_body_is_in_the_demo(demo: Path) -> None:
    files = _files(demo)
    leaving = {ref.sha256 for event in _events(files) for ref in event.refs if ref.side == "open"}
    plain = {sha256(whole[32:]).hexdigest(): whole[32:] for whole in _secure(demo.parent / "demo-home").values()}
    secret = {digest for digest, body in plain.items() if digest not in leaving}
    assert len(secret) >= 4, "results of both programs, checks, subject of the release"
    assert any(b'"editable"' in plain[digest] for digest in secret), "the subject of the release is one of them"
    everything = b"\n".join(files.values())
    assert not [digest for digest in secret if digest.encode() in everything]


@pytest.mark.canary
def test_neither_the_secret_nor_a_salt_is_in_the_demo_but_of_what_was_released(demo: Path) -> None:
    files, home = _files(demo), demo.parent / "demo-home"
    created = _events(files)[0].data
    data = [(home / "vault" / "sha256" / file["sha256"][:2] / file["sha256"][2:]) for file in created["data"]]
    secret = study_secret(created["study"], [path.open("rb") for path in data])
    released = {file["commitment"]: file["salt"] for file in json.loads(files["data/results/released.json"])["files"]}
    assert released, "the demo releases files"
    (let_go,) = (event for event in _events(files) if event.type == "results.released")
    (up,) = (event for event in _events(files) if event.data.get("id") == let_go.data["checkpoint"])
    released[up.ref("proposed release").sha256] = let_go.data["salt"]
    everything = b"\n".join(files.values())
    salts = {commitment: whole[:32] for commitment, whole in _secure(home).items()}
    for commitment, salt in salts.items():
        assert (salt.hex().encode() in everything) == (commitment in released)
        assert salt not in everything
    assert {commitment: salts[commitment].hex() for commitment in released} == released
    assert secret not in everything
    assert secret.hex().encode() not in everything
    kept = [path for path in home.rglob("*") if path.is_file()]
    assert not [path for path in kept if secret in path.read_bytes() or secret.hex().encode() in path.read_bytes()]


def test_every_secure_reference_is_a_commitment_and_withheld(demo: Path) -> None:
    files, stored = _files(demo), _secure(demo.parent / "demo-home")
    refs = [ref for event in _events(files) for ref in event.refs if ref.side == "secure"]
    assert {ref.sha256 for ref in refs} == set(stored)
    assert all(ref.size == len(stored[ref.sha256]) - 32 for ref in refs)
    withheld = {row["sha256"] for row in json.loads(files["data/record/withheld.json"])}
    assert withheld == set(stored)


def test_two_studies_of_the_same_data_have_no_commitment_in_common(lab: Lab) -> None:
    named = []
    for study in (_run(lab), _run(lab)):
        record = lab.study(study).record
        refs = [ref for event in record.events() for ref in event.refs if ref.side == "secure"]
        named.append({ref.sha256 for ref in refs})
        assert all(sha256(record.blobs.get(ref.sha256)).hexdigest() != ref.sha256 for ref in refs)
    assert len(named[0]) == len(named[1]) >= 4
    assert not named[0] & named[1]


def test_a_custodian_opens_a_commitment_to_somebody(small: Path, lab: Lab) -> None:
    (finished,) = (
        event
        for event in _events(_files(small))
        if event.type == "effect.finished" and event.data["key"].startswith("execute/primary/")
    )
    ref, blobs = finished.ref("stdout"), lab.study(lab.workplace.store.studies()[0]["id"]).record.blobs
    assert commits_to(ref.sha256, blobs.salt(ref.sha256), b"n = 1\n")
    assert not commits_to(ref.sha256, blobs.salt(ref.sha256), b"n = 2\n")


def test_the_data_and_the_id_make_the_commitments_again(small: Path, lab: Lab) -> None:
    study = lab.workplace.store.studies()[0]["id"]
    secret = study_secret(study, [io.BytesIO(trial_csv())])
    for commitment, whole in _secure(lab.home).items():
        lab.study(study).record.blobs.salt(commitment)
        assert commits_to(commitment, whole[:32].hex(), whole[32:])
    again = lab.study(study).record.put("stdout", b"n = 1\n", side="secure")
    assert again.sha256 in _secure(lab.home)
    assert secret not in small.read_bytes()


def _shift(file: dict[str, Any], story: Story, event: dict[str, Any]) -> None:
    """Take the first byte of the file for the last of the salt."""
    body = story.text(event, f"output:{file['name']}")
    file |= {"salt": file["salt"] + body[:1].hex(), "sha256": story.put(event, f"output:{file['name']}", body[1:])}


def _other_body(file: dict[str, Any], story: Story, event: dict[str, Any]) -> None:
    body = story.text(event, f"output:{file['name']}")
    file["sha256"] = story.put(event, f"output:{file['name']}", body + b" ")


ATTACKS: dict[str, Callable[[dict[str, Any], Story, dict[str, Any]], None]] = {
    "another salt": lambda file, _story, _event: file.update(salt="0" * 64),
    "no salt": lambda file, _story, _event: file.update(salt=""),
    "another commitment": lambda file, _story, _event: file.update(commitment="0" * 64),
    "the plain digest as commitment": lambda file, _story, _event: file.update(commitment=file["sha256"], salt=""),
    "another body": _other_body,
    "a piece of the body as salt": _shift,
}


@pytest.mark.tamper
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_released_file_that_the_execution_did_not_give_is_found(
    demo: Path, tmp_path: Path, attack: Callable[[dict[str, Any], Story, dict[str, Any]], None]
) -> None:
    story = Story(demo, tmp_path / "story")
    event = story.first("results.released")
    document = json.loads(story.text(event, "released"))
    attack(document["files"][0], story, event)
    digest = story.release(event, lambda _old: document)
    story.first("study.ended")["data"]["released"] = digest
    forged = story.export(tmp_path / "forged.zip")
    assert "releases files that are not the execution's" in failed(forged)["approvals"]
    with zipfile.ZipFile(forged) as archive:
        archive.extractall(tmp_path / "unpacked")
    alone = [sys.executable, "-I", str(VERIFY), str(tmp_path / "unpacked" / story.study)]
    told = subprocess.run(alone, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert re.search(r"^ 7 approvals +failed: event \d+ releases the file .*did not give", told.stdout, re.MULTILINE)
