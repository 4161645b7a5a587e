"""The record: it only grows, any change names its place, and no crash or full disk breaks the chain."""

from __future__ import annotations

import gc
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.digests import canonical_json, sha256_bytes
from counterproof.provenance.errors import MachineTrouble, VerificationFailed
from counterproof.provenance.events import FIRST, Actor, Event, Ref, read_chain
from counterproof.provenance.journal import Journal, Response
from counterproof.provenance.record import Record

_APPENDER = """
import sys
from pathlib import Path
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.record import Record
folder, who, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
record = Record(folder, blobs=Blobs(folder / "blobs"))
for number in range(count):
    event = record.append("note", data={"who": who, "number": number, "padding": "x" * 300})
    print(event.digest, flush=True)
"""

_FULL_DISK = """
import resource, sys
from pathlib import Path
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.errors import MachineTrouble
from counterproof.provenance.events import read_chain
from counterproof.provenance.record import Record
record = Record(Path(sys.argv[1]), blobs=Blobs(Path(sys.argv[1]) / "blobs"))
record.append("note", data={"n": 0})
resource.setrlimit(resource.RLIMIT_FSIZE, (record.path.stat().st_size + 100, resource.RLIM_INFINITY))
for text in ("first", "second"):
    try:
        record.append("note", data={"text": text, "padding": "x" * 500})
    except MachineTrouble as error:
        print(error)
assert [event.seq for event in read_chain(record.path.read_bytes())] == [0], record.path.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
record.append("note", data={"n": 1})
"""


def _record(folder: Path) -> Record:
    return Record(folder, blobs=Blobs(folder / "blobs", secret=lambda: bytes(32)))


def _filled(folder: Path, count: int = 4) -> Record:
    record = _record(folder)
    for number in range(count):
        ref = record.put("request", f"body {number}".encode())
        record.append("note", actor=Actor(kind="human", id="ada"), data={"number": number, "µ": [1.5]}, refs=[ref])
    return record


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a sound record of four events."""
    return _filled(tmp_path_factory.mktemp("chain")).path.read_bytes()


def _read(data: bytes) -> list[Event]:
    return list(read_chain(data))


def _lines(data: bytes) -> list[bytes]:
    return data.split(b"\n")[:-1]


def _event_at(data: bytes, at: int) -> int:
    """Return the number of the event whose line (with its newline) holds byte `at`."""
    return data[:at].count(b"\n")


def _named(changed: bytes) -> tuple[int, str] | None:
    """Return the number of the event that `read_chain` names, with the text; None where it finds no fault."""
    try:
        _read(changed)
    except VerificationFailed as error:
        found = re.match(r"Event (\d+) ", str(error))
        return (int(found[1]) if found else -1), str(error)
    return None


def _assert_noticed(original: bytes, changed: bytes, *, event: int) -> None:
    named = _named(changed)
    if named is not None:
        assert named[0] in (event, event + 1), named[1]
        return
    # Nothing follows on the last line: its change shows in the head, which others have signed or published.
    assert event == len(_lines(original)) - 1, f"a change of event {event} passed"
    assert [read.digest for read in _read(changed)][-1:] != [_read(original)[-1].digest]


# What is written and read


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.text(max_size=20), st.dictionaries(st.text(max_size=5), _JSON), st.binary()), max_size=4))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, notes: list[tuple[str, dict[str, Any], bytes]]) -> None:
    record = _record(tmp_path_factory.mktemp("round"))
    made = [
        record.append(type_, data=data, refs=[record.put("body", body, media="x/y", side="secure")])
        for type_, data, body in notes
    ]
    again = _record(record.folder).events()
    assert again == made == record.events()
    assert [(event.type, event.data, record.blobs.get(event.ref("body").sha256)) for event in again] == notes


def test_each_event_carries_the_hash_of_the_line_before(chain: bytes) -> None:
    events = _read(chain)
    digests = [sha256_bytes(line) for line in _lines(chain)]
    assert [event.seq for event in events] == [0, 1, 2, 3]
    assert [event.prev for event in events] == [FIRST, *digests[:-1]]
    assert [event.digest for event in events] == digests


def test_a_record_that_does_not_exist_has_no_events(tmp_path: Path) -> None:
    record = _record(tmp_path / "none")
    assert record.events() == []
    assert not record.path.exists()


def test_of_type_keeps_the_order(tmp_path: Path) -> None:
    record = _record(tmp_path)
    for type_ in ("a", "b", "c", "a"):
        record.append(type_, data={})
    assert [(event.seq, event.type) for event in record.of_type("a", "c")] == [(0, "a"), (2, "c"), (3, "a")]


def test_ref_names_the_event_that_lacks_it(tmp_path: Path) -> None:
    event = _filled(tmp_path, 1).events()[0]
    assert event.ref("request").size == 6
    with pytest.raises(VerificationFailed, match=r"Event 0 \(note\) has no blob in the role 'answer'"):
        event.ref("answer")


def test_the_span_of_the_caller_is_in_the_line(tmp_path: Path) -> None:
    context = trace.SpanContext(trace_id=10, span_id=11, is_remote=False)
    record = _record(tmp_path)
    with trace.use_span(trace.NonRecordingSpan(context)):
        record.append("note", data={})
    record.append("note", data={})
    lines = [json.loads(line) for line in _lines(record.path.read_bytes())]
    assert [line["trace_id"] for line in lines] == ["0" * 31 + "a", ""]
    assert [line["span_id"] for line in lines] == ["0" * 15 + "b", ""]


@pytest.mark.parametrize("bad", [float("nan"), "\ud800", object()], ids=["nan", "surrogate", "object"])
def test_append_of_what_json_cannot_say_adds_nothing(tmp_path: Path, bad: object) -> None:
    record = _filled(tmp_path, 1)
    before = record.path.read_bytes()
    with pytest.raises((ValueError, TypeError), match=r"not JSON|surrogates not allowed"):
        record.append("note", data={"x": bad})
    assert record.path.read_bytes() == before
    assert record.append("note", data={}).seq == 1


# Changes are noticed and the place is named


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_any_changed_byte_is_noticed(chain: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(chain) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = chain[:at] + bytes([chain[at] ^ flip]) + chain[at + 1 :]
    _assert_noticed(chain, changed, event=_event_at(chain, at))


def test_any_dropped_byte_is_noticed(chain: bytes) -> None:
    for at in range(len(chain)):
        _assert_noticed(chain, chain[:at] + chain[at + 1 :], event=_event_at(chain, at))


def test_any_two_swapped_neighbours_are_noticed(chain: bytes) -> None:
    for at in range(len(chain) - 1):
        if chain[at] != chain[at + 1]:
            changed = chain[:at] + chain[at + 1 : at + 2] + chain[at : at + 1] + chain[at + 2 :]
            _assert_noticed(chain, changed, event=_event_at(chain, at))


@pytest.mark.parametrize("dropped", [0, 1, 2])
def test_a_dropped_event_names_its_place(chain: bytes, dropped: int) -> None:
    lines = _lines(chain)
    del lines[dropped]
    with pytest.raises(VerificationFailed, match=rf"Event {dropped} is out of order.*is number {dropped + 1}"):
        _read(b"\n".join(lines) + b"\n")


@pytest.mark.parametrize("first", [0, 1, 2])
def test_two_swapped_events_name_their_place(chain: bytes, first: int) -> None:
    lines = _lines(chain)
    lines[first], lines[first + 1] = lines[first + 1], lines[first]
    with pytest.raises(VerificationFailed, match=rf"Event {first} is out of order.*is number {first + 1}"):
        _read(b"\n".join(lines) + b"\n")


def test_a_doubled_event_names_its_place(chain: bytes) -> None:
    lines = _lines(chain)
    with pytest.raises(VerificationFailed, match=r"Event 2 is out of order: its line says it is number 1"):
        _read(b"\n".join([*lines[:2], lines[1], *lines[2:]]) + b"\n")


def test_a_rewritten_event_breaks_the_next(chain: bytes) -> None:
    changed = chain.replace(b'"number":1', b'"number":7')
    with pytest.raises(VerificationFailed, match=r"Event 2 \(note\) doesn't follow from the one before: it carries"):
        _read(changed)


def test_a_line_without_its_end_is_torn(chain: bytes) -> None:
    with pytest.raises(VerificationFailed, match="Event 3 is torn: its line has no end"):
        _read(chain[:-1])


_GOOD = {"v": 1, "seq": 0, "prev": FIRST, "type": "note", "ts": "", "actor": {"kind": "system", "id": "x"}}
_BODY: dict[str, Any] = {"refs": [], "data": {}}
_FOREIGN: dict[str, bytes] = {
    "empty-line": b"",
    "prose": b"I can't help with that.",
    "html": b"<html>",
    "list": b"[]",
    "null": b"null",
    "deep": b"[" * 100_000,
    "utf16": "{}".encode("utf-16"),
    "binary": b"\x00\xff",
    "no-data": canonical_json({**_GOOD, "refs": []}),
    "data-list": canonical_json({**_GOOD, "refs": [], "data": []}),
    "seq-true": canonical_json({**_GOOD, **_BODY, "seq": False}),
    "seq-float": canonical_json({**_GOOD, **_BODY, "seq": 0.0}),
    "type-number": canonical_json({**_GOOD, **_BODY, "type": 5}),
    "actor-text": canonical_json({**_GOOD, **_BODY, "actor": "system"}),
    "actor-more": canonical_json({**_GOOD, **_BODY, "actor": {"kind": "a", "id": "b", "x": "c"}}),
    "ref-text": canonical_json({**_GOOD, **_BODY, "refs": ["x"]}),
    "ref-path": canonical_json({**_GOOD, **_BODY, "refs": [{"role": "r", "sha256": "../../etc/passwd", "size": 1}]}),
    "unknown": canonical_json({**_GOOD, **_BODY, "x": 1}),
    "digest-given": canonical_json({**_GOOD, **_BODY, "digest": ""}),
    "version": canonical_json({**_GOOD, **_BODY, "v": 2}),
    "actor-kind": canonical_json({**_GOOD, **_BODY, "actor": {"kind": "robot", "id": "x"}}),
    "seq-huge": canonical_json({**_GOOD, **_BODY}).replace(b'"seq":0', b'"seq":' + b"9" * 5000),
    "data-surrogate": canonical_json({**_GOOD, "refs": [], "data": {"x": "y"}}).replace(b'"y"', b'"\\ud800"'),
    "data-nan": canonical_json({**_GOOD, "refs": [], "data": {"x": 1}}).replace(b'"x":1', b'"x":NaN'),
    "data-infinite": canonical_json({**_GOOD, "refs": [], "data": {"x": 1}}).replace(b'"x":1', b'"x":1e999'),
    "data-huge": canonical_json({**_GOOD, "refs": [], "data": {"x": 1}}).replace(b'"x":1', b'"x":' + b"9" * 5000),
    "data-deep": canonical_json({**_GOOD, "refs": [], "data": {"x": 1}}).replace(b'"x":1', b'"x":' + b"[" * 99_999),
    "data-latin1": canonical_json({**_GOOD, "refs": [], "data": {"x": "y"}}).replace(b'"y"', b'"\xe9"'),
    "bom": b"\xef\xbb\xbf" + canonical_json({**_GOOD, **_BODY}),
    "two": canonical_json({**_GOOD, **_BODY}) * 2,
    "ref-size": canonical_json({**_GOOD, **_BODY, "refs": [{"role": "r", "sha256": FIRST, "size": 1.5}]}),
    "ref-side": canonical_json({**_GOOD, **_BODY, "refs": [{"role": "r", "sha256": FIRST, "size": 1, "side": "x"}]}),
    "ref-newline": canonical_json({**_GOOD, **_BODY, "refs": [{"role": "r", "sha256": FIRST + "\n", "size": 1}]}),
    "ref-number": canonical_json({**_GOOD, **_BODY, "refs": [{"role": "r", "sha256": 5, "size": 1}]}),
}


@pytest.mark.parametrize("line", _FOREIGN.values(), ids=_FOREIGN)
def test_a_line_that_is_no_event_names_its_place(line: bytes) -> None:
    with pytest.raises(VerificationFailed, match="Event 0 is not readable"):
        _read(line + b"\n")


def test_a_line_that_is_an_event_is_read() -> None:
    assert _read(canonical_json({**_GOOD, **_BODY}) + b"\n")[0].type == "note"


def test_a_key_that_stands_twice_counts_with_its_last_value() -> None:
    twice = canonical_json({**_GOOD, **_BODY}).replace(b'"type":"note"', b'"type":"other","type":"note"')
    assert _read(twice + b"\n")[0].type == json.loads(twice)["type"] == "note"


def test_a_huge_number_within_what_python_reads_is_kept() -> None:
    line = canonical_json({**_GOOD, "refs": [], "data": {"x": 10**4000}})
    assert _read(line + b"\n")[0].data == {"x": 10**4000}


# The file under an open record


def test_a_line_that_a_writer_is_cutting_off_is_not_taken_for_a_broken_record(tmp_path: Path) -> None:
    record, reader = _filled(tmp_path), _record(tmp_path)
    whole = record.path.stat().st_size
    with ThreadPoolExecutor(1) as pool:
        with record.exclusive(), record.path.open("ab") as file:
            file.write(b"half a line and the end of another\n" * 2)
            file.flush()
            read = pool.submit(reader.events)
            with pytest.raises(TimeoutError):
                read.result(0.1)
            os.truncate(record.path, whole)
        assert len(read.result(5)) == 4


def test_a_record_that_became_shorter_is_refused(tmp_path: Path) -> None:
    record = _filled(tmp_path)
    os.truncate(record.path, 10)
    with pytest.raises(VerificationFailed, match=r"events\.jsonl has become shorter; it may only grow"):
        record.events()
    with pytest.raises(VerificationFailed, match="has become shorter"):
        record.append("note", data={})


def test_a_record_that_vanished_is_refused(tmp_path: Path) -> None:
    record = _filled(tmp_path)
    record.path.unlink()
    with pytest.raises(VerificationFailed, match=r"events\.jsonl has vanished"):
        record.events()
    with pytest.raises(VerificationFailed, match=r"vanished or was replaced.*Put the old file back"):
        record.append("note", data={})
    assert not record.path.exists()


def test_an_append_to_a_replaced_file_is_refused(tmp_path: Path) -> None:
    record = _filled(tmp_path)
    copy = tmp_path / "copy"
    copy.write_bytes(record.path.read_bytes())
    copy.replace(record.path)
    with pytest.raises(VerificationFailed, match=r"vanished or was replaced.*start the command again"):
        record.append("note", data={})
    assert _record(tmp_path).append("note", data={}).seq == 4


def test_a_foreign_line_added_by_hand_is_refused(tmp_path: Path) -> None:
    record = _filled(tmp_path)
    with record.path.open("ab") as file:
        file.write(_lines(record.path.read_bytes())[1] + b"\n")
    for use in (record.events, _record(tmp_path).events):
        with pytest.raises(VerificationFailed, match="Event 4 is out of order: its line says it is number 1"):
            use()


def test_a_folder_that_cannot_be_made_is_machine_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineTrouble, match=r"can't be opened.*Mend the permissions"):
        _record(tmp_path / "file" / "study").append("note", data={})


@pytest.mark.parametrize("torn", [b"{", b'{"seq":4,"prev', b"\x00" * 4096, b"\xff"], ids=["one", "part", "nul", "ff"])
def test_a_torn_tail_is_no_event_and_the_next_append_mends_and_says_so(tmp_path: Path, torn: bytes) -> None:
    with _filled(tmp_path).path.open("ab") as file:
        file.write(torn)
    record = _record(tmp_path)
    assert len(record.events()) == 4
    record.append("note", data={"number": 4})
    mended, added = _read(record.path.read_bytes())[4:]
    assert (mended.type, added.data) == ("record.repaired", {"number": 4})
    assert mended.data == {"torn_bytes": len(torn), "torn_sha256": sha256_bytes(torn)}


def test_reading_alone_mends_nothing(tmp_path: Path) -> None:
    path = _filled(tmp_path).path
    with path.open("ab") as file:
        file.write(b"torn")
    before = path.read_bytes()
    _record(tmp_path).events()
    assert path.read_bytes() == before


# A disk that refuses


def test_a_full_disk_is_machine_trouble_and_the_chain_stays_valid(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", _FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("events.jsonl can't be written") == 2
    assert done.stdout.count("The study stops before the effect. Make room on the disk") == 2
    assert [event.data["n"] for event in _record(tmp_path).of_type("note")] == [0, 1]


def test_a_failed_flush_adds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    record = _filled(tmp_path, 2)
    before = record.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse)
        with pytest.raises(MachineTrouble, match=r"Input/output error.*then run again"):
            record.append("note", data={"lost": True})
    assert record.path.read_bytes() == before
    assert record.append("note", data={}).seq == 2


# Several writers, and kills


def _start(folder: Path, who: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-c", _APPENDER, str(folder), who, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _numbers(events: list[Event], who: str) -> list[int]:
    return [event.data["number"] for event in events if event.data.get("who") == who]


def test_two_processes_make_one_chain(tmp_path: Path) -> None:
    processes = [_start(tmp_path, who, 100) for who in "ab"]
    reader, seen = _record(tmp_path), 0
    while any(process.poll() is None for process in processes):
        assert len(reader.events()) >= seen
        seen = len(reader.events())
        time.sleep(0.005)
    assert [process.wait() for process in processes] == [0, 0]
    acknowledged = {line for process in processes if process.stdout for line in process.stdout.read().split()}
    events = _read((tmp_path / "events.jsonl").read_bytes())
    assert [_numbers(events, who) for who in "ab"] == [list(range(100))] * 2
    assert acknowledged == {event.digest for event in events}


def test_threads_on_one_record_make_one_chain(tmp_path: Path) -> None:
    record = _record(tmp_path)

    def work(who: str) -> None:
        for number in range(25):
            record.append("note", data={"who": who, "number": number})

    threads = [threading.Thread(target=work, args=(who,)) for who in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = _read(record.path.read_bytes())
    assert [_numbers(events, who) for who in "abcd"] == [list(range(25))] * 4


def test_exclusive_keeps_others_out_until_the_end(tmp_path: Path) -> None:
    record, other = _record(tmp_path), _record(tmp_path)
    thread = threading.Thread(target=lambda: other.append("late", data={}))
    with record.exclusive(), record.exclusive():
        record.append("early", data={})
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        record.append("early", data={})
    thread.join(10)
    assert [event.type for event in record.events()] == ["early", "early", "late"]


def test_exclusive_is_released_after_an_error(tmp_path: Path) -> None:
    record = _record(tmp_path)
    with pytest.raises(RuntimeError, match="inside"), record.exclusive():
        raise RuntimeError("inside")
    assert _record(tmp_path).append("note", data={}).seq == 0


# Kills: two writers of 100 appends each, every fourth append flushed, one of the writers killed at a random moment.


_WRITER = """
import sys, time
from pathlib import Path
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.journal import Journal, Response
from counterproof.provenance.record import Record
folder, who = Path(sys.argv[1]), sys.argv[2]
record = Record(folder, blobs=Blobs(folder / "blobs"))
journal = Journal(record)
for number in range(25):
    event = record.append("note", data={"who": who, "number": number, "padding": "x" * 300}, durable=False)
    print("note", event.digest, flush=True)
    def effect(attempt):
        print("began", number, flush=True)
        time.sleep(0.003)
        return Response(body=f"answer {who} {number}".encode() * 500)
    journal.perform(f"{who}/{number}", effect, kind="model", request=f"ask {who}/{number}".encode() * 2000)
    print("ended", number, flush=True)
    event = record.append("decided", data={"who": who, "number": number})
    print("flushed", event.digest, flush=True)
"""
_READER = """
import sys
from pathlib import Path
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.events import read_chain
from counterproof.provenance.record import Record
folder = Path(sys.argv[1])
record, before, looks = Record(folder, blobs=Blobs(folder / "blobs")), [], 0
while not (folder / "over").exists():
    events = record.events()
    assert [event.digest for event in events[: len(before)]] == before
    for ref in [ref for event in events[len(before):] for ref in event.refs]:
        assert len(record.blobs.get(ref.sha256)) == ref.size
    whole = record.path.read_bytes() if record.path.exists() else b""
    anew = [event.digest for event in read_chain(whole[: whole.rfind(b"\\n") + 1])]
    before, looks = [event.digest for event in events], looks + 1
    assert anew[: len(before)] == before
print(looks, len(before))
"""


def _python(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _told(process: subprocess.Popen[str]) -> list[list[str]]:
    """Return what a writer acknowledged; a last line may be cut."""
    out, error = process.communicate(timeout=120)
    assert process.returncode in (0, -signal.SIGKILL), error
    return [line.split() for line in out.splitlines() if len(line.split()) == 2]


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(12))
def test_a_kill_loses_nothing_acknowledged_and_leaves_open_effects_known_as_open(tmp_path: Path, seed: int) -> None:
    killed, other = _python(_WRITER, tmp_path, "a"), _python(_WRITER, tmp_path, "b")
    assert killed.stdout is not None
    begins = killed.stdout.readline().split()
    time.sleep(random.Random(seed).uniform(0, 0.15))
    os.kill(killed.pid, signal.SIGKILL)
    told = [begins, *_told(killed)]
    survived = _told(other)
    record = _record(tmp_path)
    events = record.events()
    digests = {event.digest for event in events}
    acknowledged = {line[1] for line in told + survived if line[0] in ("note", "flushed")}
    assert acknowledged <= digests
    assert len(survived) == 100
    assert all(len(record.blobs.get(ref.sha256)) == ref.size for event in events for ref in event.refs)
    numbers = [event.data["number"] for event in events if event.data.get("who") == "a" and event.type == "note"]
    assert numbers == list(range(len(numbers)))
    began = {int(line[1]) for line in told if line[0] == "began"}
    ended = {int(line[1]) for line in told if line[0] == "ended"}
    started = {event.data["key"] for event in events if event.type == "effect.started"}
    finished = {event.data["key"] for event in events if event.type == "effect.finished"}
    assert {f"a/{number}" for number in began} <= started
    assert {f"a/{number}" for number in ended} <= finished
    open_ = sorted(started - finished)
    assert len(open_) <= 1
    for key in open_:
        attempts: list[int] = []

        def effect(attempt: int, seen: list[int] = attempts) -> Response:
            seen.append(attempt)
            return Response(body=b"answer")

        Journal(record).perform(key, effect, kind="model", request=f"ask {key}".encode() * 2000)
        assert attempts == [2]
        assert record.of_type("effect.started")[-1].data["after_kill"] is True
    record.append("after", data={})
    assert _read(record.path.read_bytes()) == record.events()


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(3))
def test_a_reader_sees_a_whole_record_whoever_writes_and_is_killed(tmp_path: Path, seed: int) -> None:
    reader = _python(_READER, tmp_path)
    writers = [_python(_WRITER, tmp_path, who) for who in "ab"]
    assert writers[0].stdout is not None
    writers[0].stdout.readline()
    time.sleep(random.Random(seed).uniform(0, 0.1))
    os.kill(writers[0].pid, signal.SIGKILL)
    for writer in writers:
        _told(writer)
    (tmp_path / "over").touch()
    out, error = reader.communicate(timeout=60)
    assert reader.returncode == 0, error
    looks, seen = map(int, out.split())
    assert looks > 3
    assert seen <= len(_record(tmp_path).events())


# What is not flushed


def _count_flushes(patch: pytest.MonkeyPatch) -> list[int]:
    flushed: list[int] = []
    flush = os.fdatasync

    def counted(handle: int) -> None:
        flush(handle)
        flushed.append(os.fstat(handle).st_size)

    patch.setattr(os, "fdatasync", counted)
    return flushed


def test_the_next_durable_append_flushes_what_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = _filled(tmp_path, 1)
    flushed = _count_flushes(monkeypatch)
    for number in range(3):
        record.append("note", data={"number": number}, durable=False)
    assert flushed == []
    assert len(_record(tmp_path).events()) == 4
    record.append("note", data={})
    assert flushed == [record.path.stat().st_size]


def test_a_record_that_is_let_go_of_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = _record(tmp_path)
    record.append("note", data={}, durable=False)
    gc.collect()  # records that other tests let go of
    flushed = _count_flushes(monkeypatch)
    size = record.path.stat().st_size
    del record
    gc.collect()
    assert flushed == [size]


def test_what_a_dead_process_left_is_flushed_before_anything_rests_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _filled(tmp_path).path
    flushed = _count_flushes(monkeypatch)
    with _record(tmp_path).exclusive():
        assert flushed == [path.stat().st_size]


def test_put_gives_a_reference_to_the_stored_bytes(tmp_path: Path) -> None:
    record = _record(tmp_path)
    ref = record.put("program", b"abc", media="text/x-python")
    assert ref == Ref(role="program", sha256=sha256_bytes(b"abc"), size=3, media="text/x-python", side="open")
    assert record.blobs.get(ref.sha256) == b"abc"


def test_put_on_the_secure_side_gives_a_commitment(tmp_path: Path) -> None:
    record = _record(tmp_path)
    ref = record.put("stdout", b"n = 7", media="text/plain", side="secure")
    assert ref == Ref(role="stdout", sha256=record.blobs.commit(b"n = 7"), size=5, media="text/plain", side="secure")
    assert ref.sha256 != sha256_bytes(b"n = 7")
    assert record.blobs.get(ref.sha256) == b"n = 7"
