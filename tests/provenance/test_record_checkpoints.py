"""Record checkpoints: signed where they are due, made up for after a crash, and none of them may disagree."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import subprocess
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.digests import canonical_json, sha256_bytes
from counterproof.provenance.errors import MachineTrouble, VerificationFailed
from counterproof.provenance.events import Chain
from counterproof.provenance.merkle import Tree, leaf_hash
from counterproof.provenance.record import Record
from counterproof.provenance.record_checkpoints import (
    EVERY,
    FILE,
    Comparison,
    RecordCheckpoints,
    checkpoint_at,
    lacks,
    read_signed,
    signed_line,
)
from counterproof.provenance.signing import RECORD_NAMESPACE, public_line, sign

KEY = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)
LINE = public_line(KEY.public_key())


def _record(folder: Path) -> Record:
    return Record(folder, blobs=Blobs(folder / "blobs"))


def _study(folder: Path) -> Record:
    """A record with a beginning, a decision in between, and an end."""
    record = _record(folder)
    for type_ in ("study.created", "note", "decision.recorded", "note", "study.ended"):
        record.append(type_, data={})
    return record


def _signer(record: Record, key: Ed25519PrivateKey = KEY) -> RecordCheckpoints:
    return RecordCheckpoints(record, key, study="s1")


def _signed(record: Record) -> list[int]:
    return [made.events for made in read_signed(_lines(record), key=LINE, study="s1")]


def _lines(record: Record) -> list[bytes]:
    return (record.folder / FILE).read_bytes().splitlines(keepends=True)


def _compared(record: bytes, signed: list[bytes]) -> Comparison:
    found = Comparison(Chain(), read_signed(signed, key=LINE, study="s1"), missing=lacks)
    for _ in found.read(io.BytesIO(record)):
        pass
    found.end()
    return found


@pytest.fixture
def made(tmp_path: Path) -> tuple[bytes, list[bytes]]:
    """The bytes of a record, and the lines of its record checkpoints."""
    record = _study(tmp_path)
    _signer(record).sign_due()
    return record.path.read_bytes(), _lines(record)


# Where they are due


def test_beginning_decisions_and_end_are_signed_with_head_and_root(made: tuple[bytes, list[bytes]]) -> None:
    record, lines = made
    events = record.splitlines()
    signed = list(read_signed(lines, key=LINE, study="s1"))
    assert [(one.version, one.study, one.events) for one in signed] == [(1, "s1", 1), (1, "s1", 3), (1, "s1", 5)]
    assert [one.head for one in signed] == [sha256_bytes(events[size - 1]) for size in (1, 3, 5)]
    assert [one.merkle_root for one in signed] == [Tree(map(leaf_hash, events[:n])).root().hex() for n in (1, 3, 5)]
    assert (_compared(record, lines).fault, _compared(record, lines).held) == ("", 3)


def test_each_thousandth_event_is_signed(tmp_path: Path) -> None:
    record = _record(tmp_path)
    record.append("study.created", data={})
    for _ in range(2 * EVERY):
        record.append("note", data={}, durable=False)
    _signer(record).sign_due()
    assert _signed(record) == [1, EVERY, 2 * EVERY]


def test_what_is_signed_was_flushed_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = _record(tmp_path)
    flushed: list[tuple[str, int]] = []
    flush = os.fdatasync

    def counted(handle: int) -> None:
        flush(handle)
        flushed.append((Path(f"/proc/self/fd/{handle}").resolve().name, os.fstat(handle).st_size))

    monkeypatch.setattr(os, "fdatasync", counted)
    record.append("study.created", data={}, durable=False)
    _signer(record).sign_due()
    assert flushed == [("events.jsonl", record.path.stat().st_size), (FILE, (tmp_path / FILE).stat().st_size)]


def test_signing_again_changes_nothing(tmp_path: Path) -> None:
    record = _study(tmp_path)
    signer = _signer(record)
    signer.sign_due()
    before = _lines(record)
    signer.sign_due()
    _signer(_record(tmp_path)).sign_due()
    assert _lines(record) == before


def test_what_others_signed_meanwhile_is_taken_over(tmp_path: Path) -> None:
    record = _study(tmp_path)
    first, second = _signer(record), _signer(_record(tmp_path))
    for signer in (first, second, first, second):
        record.append("decision.recorded", data={})
        signer.sign_due()
    assert _signed(record) == [1, 3, 5, 6, 7, 8, 9]


def test_ssh_keygen_checks_the_bytes_that_stand_in_the_line(tmp_path: Path, made: tuple[bytes, list[bytes]]) -> None:
    (tmp_path / "signers").write_text(f"service {LINE}\n")
    for line in made[1]:
        (tmp_path / "sig").write_text(json.loads(line)["signature"])
        statement = line.partition(b',"statement":')[2].removesuffix(b"}\n")
        command = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "service", "-n", RECORD_NAMESPACE, "-s", "sig"]
        told = [subprocess.run(command, input=data, cwd=tmp_path) for data in (statement, statement + b" ")]
        assert [one.returncode for one in told] == [0, 255]


# What a crash leaves


@pytest.mark.parametrize("torn", [b"{", b'{"signature":"-----BEGIN'], ids=["one", "part"])
@pytest.mark.parametrize("left", [0, 1, 2])
def test_what_a_crash_left_unsigned_is_signed_at_the_next_start(tmp_path: Path, left: int, torn: bytes) -> None:
    record = _study(tmp_path)
    _signer(record).sign_due()
    lines = _lines(record)
    (tmp_path / FILE).write_bytes(b"".join(lines[:left]) + torn)
    _signer(_record(tmp_path)).sign_due()
    assert _signed(record) == [1, 3, 5]
    assert _lines(record)[:left] == lines[:left]


def test_a_full_disk_is_machine_trouble_and_the_next_start_makes_up_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = _study(tmp_path)
    signer = _signer(record)
    with monkeypatch.context() as patch:
        patch.setattr("os.fdatasync", _refuse)
        with pytest.raises(MachineTrouble, match=r"checkpoint after event 0 can't be written.*No space.*Make room"):
            signer.sign_due()
    signer.sign_due()
    assert _signed(record) == [1, 3, 5]


def _refuse(_handle: int) -> None:
    raise OSError(28, "No space left on device")


# What doesn't fit


def test_a_record_that_was_cut_is_refused_when_it_goes_on(tmp_path: Path) -> None:
    record = _study(tmp_path)
    _signer(record).sign_due()
    cut = record.path.read_bytes().splitlines(keepends=True)[:-1]
    record.path.write_bytes(b"".join(cut))
    with pytest.raises(VerificationFailed, match=r"signed over 5 events, and the record has 4.*Restore the study's"):
        _signer(_record(tmp_path)).sign_due()


def test_a_record_that_was_written_anew_is_refused_when_it_goes_on(tmp_path: Path) -> None:
    _signer(_study(tmp_path / "a")).sign_due()
    record = _study(tmp_path / "b")
    (tmp_path / "b" / FILE).write_bytes((tmp_path / "a" / FILE).read_bytes())
    with pytest.raises(VerificationFailed, match=r"Event 0 \(study\.created\) is not the one of its record checkpoint"):
        _signer(record).sign_due()


def test_another_service_key_is_refused_and_what_to_do_is_said(tmp_path: Path) -> None:
    record = _study(tmp_path)
    _signer(record).sign_due()
    with pytest.raises(VerificationFailed, match=r"Record checkpoint 1 does not hold: .*move this file away"):
        _signer(record, OTHER).sign_due()
    (tmp_path / FILE).unlink()
    _signer(record, OTHER).sign_due()
    assert len(_lines(record)) == 3


def _statement(change: Callable[[dict[str, Any]], None], key: Ed25519PrivateKey = KEY) -> Callable[[bytes], bytes]:
    """Return what changes the statement of a line and signs it."""

    def changed(line: bytes) -> bytes:
        statement = json.loads(line)["statement"]
        change(statement)
        signature = sign(key, canonical_json(statement), namespace=RECORD_NAMESPACE).decode()
        return canonical_json({"signature": signature, "statement": statement}) + b"\n"

    return changed


def _resigned(key: Ed25519PrivateKey, namespace: str) -> Callable[[bytes], bytes]:
    def changed(line: bytes) -> bytes:
        statement = canonical_json(json.loads(line)["statement"])
        signature = sign(key, statement, namespace=namespace).decode()
        return canonical_json({"signature": signature, "statement": json.loads(statement)}) + b"\n"

    return changed


_BAD: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "another head": (_statement(lambda made: made.update(head="0" * 64)), r"Event 2 .* is not the one"),
    "another root": (_statement(lambda made: made.update(merkle_root="0" * 64)), r"Event 2 .* is not the one"),
    "another length": (_statement(lambda made: made.update(events=2)), r"Event 2 .* lacks its .* is over 2 events"),
    "another study": (_statement(lambda made: made.update(study="s2")), "about the study 's2'"),
    "another version": (_statement(lambda made: made.update(version=2)), "does not hold"),
    "no digest": (_statement(lambda made: made.update(head="x")), "does not hold"),
    "no events": (_statement(lambda made: made.update(events=0)), "does not hold"),
    "more in it": (_statement(lambda made: made.update(x=1)), "unknown field"),
    "less in it": (_statement(lambda made: made.pop("time") and None), "missing required field"),
    "another key": (_resigned(OTHER, RECORD_NAMESPACE), "signed with another key"),
    "another namespace": (_resigned(KEY, "counterproof-bundle"), "another namespace"),
    "time changed": (lambda line: line.replace(b'"time":"2', b'"time":"1'), "does not hold"),
    "space added": (lambda line: line.replace(b'"statement":{', b'"statement": {'), "not written in the one form"),
    "key twice": (lambda line: line.replace(b'"statement":', b'"statement":{},"statement":'), "not written in"),
    "nothing": (lambda _line: b"\n", "does not hold"),
    "deep": (lambda _line: b'{"statement":' + b"[" * 100_000 + b"\n", "does not hold"),
    "torn": (lambda line: line[:-1], "not written in the one form"),
}


@pytest.mark.tamper
@pytest.mark.parametrize("name", _BAD)
def test_a_changed_record_checkpoint_is_found(made: tuple[bytes, list[bytes]], name: str) -> None:
    record, lines = made
    change, says = _BAD[name]
    assert change(lines[1]) != lines[1]
    with pytest.raises(AssertionError, match=says):
        assert _compared(record, [lines[0], change(lines[1]), lines[2]]).fault == ""


@pytest.mark.tamper
@pytest.mark.parametrize(
    ("kept", "says"),
    [
        ([], r"Event 0 \(study\.created\) lacks its record checkpoint"),
        ([0, 2], r"Event 2 \(decision\.recorded\) lacks .* is over 5 events"),
        ([0, 1], r"Event 4 \(study\.ended\) lacks its record checkpoint"),
        ([0, 2, 1], r"Event 2 .* lacks"),
        ([0, 1, 1, 2], r"Event 4 .* lacks .* is over 3 events"),
        ([0, 1, 2, 2], "signed over 5 events, and the record has 5"),
    ],
    ids=["none", "decision", "end", "swapped", "doubled", "doubled-end"],
)
def test_one_that_is_missing_doubled_or_out_of_order_is_found(
    made: tuple[bytes, list[bytes]], kept: list[int], says: str
) -> None:
    record, lines = made
    with pytest.raises(AssertionError, match=says):
        assert _compared(record, [lines[at] for at in kept]).fault == ""


def test_the_events_are_read_on_after_a_fault(made: tuple[bytes, list[bytes]]) -> None:
    found = Comparison(Chain(), [], missing=lacks)
    assert len(list(found.read(io.BytesIO(made[0])))) == 5
    assert found.fault.startswith("Event 0 ")


# Memory


def _long(count: int) -> tuple[list[bytes], list[bytes]]:
    """Return a record of about 400 bytes a line and its record checkpoints."""
    event = {"v": 1, "ts": "2026-11-21T00:00:00.000+00:00", "actor": {"kind": "system", "id": "x"}, "refs": []}
    chain, lines, signed = Chain(), [], []
    for seq in range(count):
        type_ = "study.created" if seq == 0 else "note"
        fields = {"seq": seq, "prev": chain.head, "type": type_, "data": {"padding": "x" * 180}}
        lines.append(canonical_json({**event, **fields}) + b"\n")
        next(chain.read(lines[-1:]))
        signed += [signed_line(checkpoint_at(chain, study="s1"), KEY)] if seq == 0 or (seq + 1) % EVERY == 0 else []
    return lines, signed


def test_memory_does_not_grow_with_the_record(tmp_path: Path) -> None:
    """The reader that `verify` uses, over files: ten times the events take no more memory."""
    lines, signed = _long(30_000)
    peaks = []
    # In a process of its own: threads of other tests take memory, too.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        for count in (3_000, 30_000):
            record, checkpoints = tmp_path / f"{count}", tmp_path / f"{count}-signed"
            record.write_bytes(b"".join(lines[:count]))
            checkpoints.write_bytes(b"".join(signed[: 1 + count // EVERY]))
            peaks.append(min(alone.submit(_peak_of_reading, record, checkpoints, count).result() for _ in range(3)))
    assert peaks[1] < peaks[0] + 20_000 < 200_000


def _peak_of_reading(record: Path, checkpoints: Path, count: int) -> int:
    tracemalloc.start()
    try:
        with record.open("rb") as events, checkpoints.open("rb") as statements:
            found = Comparison(Chain(), read_signed(statements, key=LINE, study="s1"), missing=lacks)
            assert sum(1 for _ in found.read(events)) == count
            found.end()
        assert (found.fault, found.held) == ("", 1 + count // EVERY)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
