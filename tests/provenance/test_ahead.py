"""The log beside a record: one flush for an event and its bodies, and nothing lost where the power goes."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterproof.provenance import ahead, record
from counterproof.provenance.blobs import Blobs, write_all
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import MachineTrouble, VerificationFailed
from counterproof.provenance.events import Event, read_chain
from counterproof.provenance.record import Body, Record

_KEY = bytes(range(32))


def _record(folder: Path, *, key: bool = False, shared: bool = False) -> Record:
    blobs = Blobs(folder / "blobs", secret=lambda: _KEY, key=(lambda: _KEY) if key else None)
    return Record(folder, blobs=blobs, shared=shared)


def _log(folder: Path) -> Path:
    return folder / "ahead.log"


def _files(folder: Path) -> list[Path]:
    return [path for path in (folder / "blobs").rglob("*") if path.is_file()]


def _append(kept: Record, number: int, **options: Any) -> Event:
    data = f"body {number} ".encode() * 200
    return kept.append("note", data={"number": number}, refs=[Body(role="request", data=data, **options)])


def _body(kept: Record, event: Event) -> bytes:
    return kept.blobs.get(event.refs[0].sha256)


def _power_lost(folder: Path) -> None:
    """Make the log one of another run of the machine."""
    data = _log(folder).read_bytes()
    first, _, rest = data.partition(b"\n")
    name, _boot, *others = first.split()
    _log(folder).write_bytes(b" ".join((name, b"another-boot", *others)) + b"\n" + rest)


@pytest.mark.parametrize("options", [{}, {"sealed": True}, {"side": "secure"}], ids=["open", "sealed", "secure"])
def test_a_body_is_read_the_same_before_and_after_it_is_a_file(tmp_path: Path, options: dict[str, Any]) -> None:
    kept = _record(tmp_path, key=True)
    events = [_append(kept, number, **options) for number in range(3)]
    assert _files(tmp_path) == []
    for reader in (kept, _record(tmp_path)):
        assert reader.events() == events
    bodies = [f"body {number} ".encode() * 200 for number in range(3)]
    assert [_body(kept, event) for event in events] == bodies
    assert [_body(_record(tmp_path, key=True), event) for event in events] == bodies
    assert (b"body 1 body 1" in _log(tmp_path).read_bytes()) is not bool(options)
    for event in events:
        digest = event.refs[0].sha256
        assert kept.blobs.has(digest)
        if not options.get("side"):
            assert kept.blobs.size(digest) == len(bodies[0])
            kept.blobs.check(digest)
    assert _files(tmp_path) == []
    del kept
    gc.collect()
    assert _log(tmp_path).read_bytes() == b""
    assert len(_files(tmp_path)) == 3
    assert [_body(_record(tmp_path, key=True), event) for event in events] == bodies


def test_a_program_gets_the_file_of_a_body_that_waits(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    event = _append(kept, 1)
    assert kept.blobs.path(event.refs[0].sha256).read_bytes() == b"body 1 " * 200


def test_what_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    kept.put("request", b"body 1 " * 200)
    event = _append(kept, 1)
    assert not _log(tmp_path).exists()
    assert _body(kept, event) == b"body 1 " * 200


def test_a_large_body_is_a_file_at_once(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    event = kept.append("note", data={}, refs=[Body(role="request", data=bytes(ahead.LARGE + 1))])
    assert len(_files(tmp_path)) == 1
    assert not _log(tmp_path).exists()
    assert _body(kept, event) == bytes(ahead.LARGE + 1)


def test_where_machines_share_a_folder_there_is_no_log(tmp_path: Path) -> None:
    kept = _record(tmp_path, shared=True)
    event = _append(kept, 1)
    assert len(_files(tmp_path)) == 1
    assert not _log(tmp_path).exists()
    assert _body(kept, event) == b"body 1 " * 200


def test_nobody_else_may_read_the_log(tmp_path: Path) -> None:
    _append(_record(tmp_path), 1)
    assert _log(tmp_path).stat().st_mode & 0o777 == 0o600


def test_a_long_log_is_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_FULL", 10_000)
    kept = _record(tmp_path)
    events = [_append(kept, number) for number in range(23)]
    assert 0 < len(_files(tmp_path)) < 23
    assert _log(tmp_path).stat().st_size <= ahead._STEP
    assert [_body(kept, event)[:7].strip() for event in events] == [f"body {at}".encode()[:7] for at in range(23)]


def test_two_writers_and_a_reader_see_each_others_bodies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_FULL", 12_000)
    one, two, reader = _record(tmp_path), _record(tmp_path), _record(tmp_path)
    for number in range(40):
        event = _append((one, two)[number // 3 % 2], number)
        assert reader.events()[-1] == event
        for kept in (one, two, reader):
            assert _body(kept, event) == f"body {number} ".encode() * 200
        if number == 20:
            del two
            gc.collect()
            two = _record(tmp_path)
    assert [event.data["number"] for event in reader.events()] == list(range(40))


def test_writers_in_turn_look_at_each_entry_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, entries = list[int](), ahead._entries

    def counted(data: bytes, start: int) -> Iterator[Any]:
        for placed in entries(data, start):
            seen.append(placed.head.at)
            yield placed

    monkeypatch.setattr(ahead, "_entries", counted)
    writers = [_record(tmp_path), _record(tmp_path)]
    for number in range(40):
        _append(writers[number % 2], number)
    assert len(seen) == 39


# A writer that is killed between the log and the record


def _killed_while_appending(folder: Path, number: int, *, written: int) -> None:
    """Append in a process that dies when so many bytes of the line are in the record."""
    child = os.fork()
    if not child:

        def die(handle: int, data: bytes) -> None:
            os.write(handle, data[:written])
            os.kill(os.getpid(), signal.SIGKILL)

        record.write_all = die  # type: ignore[assignment, attr-defined]  # in this process alone
        _append(_record(folder), number)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


@pytest.mark.parametrize("written", [0, 1, 100])
def test_the_next_writer_ends_what_a_killed_one_began(tmp_path: Path, written: int) -> None:
    kept = _record(tmp_path)
    _append(kept, 0)
    _killed_while_appending(tmp_path, 1, written=written)
    after = _record(tmp_path)
    _append(after, 2)
    assert [event.data.get("number") for event in after.events()] == [0, 1, 2]
    assert [event.type for event in after.events()] == ["note"] * 3
    assert [_body(after, event)[:6] for event in after.events()] == [b"body 0", b"body 1", b"body 2"]


def test_a_writer_that_was_open_already_ends_it_too(tmp_path: Path) -> None:
    kept, other = _record(tmp_path), _record(tmp_path)
    _append(kept, 0)
    other.append("note", data={"number": 1})
    _killed_while_appending(tmp_path, 2, written=3)
    other.append("note", data={"number": 3})
    assert [event.data.get("number") for event in _record(tmp_path).events()] == [0, 1, 2, 3]


# A disk that refuses


@pytest.mark.parametrize("place", ["log", "record"])
@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "ctrl-c"])
def test_an_append_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, fault: BaseException
) -> None:
    def refuse(*_given: object) -> None:
        raise fault

    kept = _record(tmp_path)
    for number in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(*((os, "fdatasync") if place == "log" else (record, "write_all")), refuse)
            with pytest.raises((MachineTrouble, KeyboardInterrupt), match=r"No space left.*Make room|^$"):
                _append(kept, 10 + number)
        _append(kept, number)
    events = kept.events()
    assert [event.data["number"] for event in events] == [0, 1]
    _power_lost(tmp_path)
    kept.path.write_bytes(kept.path.read_bytes()[:50])
    assert [event.data.get("number") for event in _record(tmp_path).events()][:2] == [0, 1]


def test_a_later_failure_takes_nothing_back_that_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _record(tmp_path)
    event = _append(kept, 0)

    def refuse(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record, "write_all", refuse)
    with pytest.raises(MachineTrouble):
        kept.append("note", data={})
    assert _body(_record(tmp_path), event) == b"body 0 " * 200


def test_a_log_that_cannot_be_made_is_machine_trouble(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    kept.append("note", data={"number": 0})
    _log(tmp_path).mkdir()
    with pytest.raises(MachineTrouble, match="can't be written"):
        _append(kept, 1)
    _log(tmp_path).rmdir()
    _append(kept, 1)
    assert [event.data["number"] for event in _record(tmp_path).events()] == [0, 1]


# Power that goes: the record may lack anything since its last flush


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(st.sampled_from("bln"), min_size=1, max_size=8), data=st.data())
def test_a_loss_of_power_takes_nothing_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, plan: list[str], data: st.DataObject
) -> None:
    """Of appends with a body (b), flushed without (n), and late (l): the record keeps what was flushed itself."""
    folder = tmp_path_factory.mktemp("power")
    kept, safe, acknowledged = _record(folder), 0, 0
    for number, kind in enumerate(plan):
        if kind == "b":
            _append(kept, number)
        else:
            kept.append("note", data={"number": number}, durable=kind == "n")
        length = kept.path.stat().st_size
        safe = length if kind == "n" else safe
        acknowledged = number + 1 if kind in "bn" else acknowledged
    if not _log(folder).exists():
        return
    whole = kept.path.read_bytes()
    _power_lost(folder)
    cut = data.draw(st.integers(safe, len(whole)), label="cut")
    tail = data.draw(st.sampled_from([b"", bytes(len(whole) - cut)]), label="tail")
    kept.path.write_bytes(whole[:cut] + tail)
    after = _record(folder)
    events = after.events()
    assert [event.data["number"] for event in events if event.type == "note"][:acknowledged] == list(
        range(acknowledged)
    )
    assert {event.type for event in events} <= {"note", "record.restored", "record.repaired"}
    for event in events:
        for ref in event.refs:
            assert len(after.blobs.get(ref.sha256)) == ref.size
    assert _log(folder).read_bytes() == b""
    assert list(read_chain(after.path.read_bytes())) == events
    _append(after, 99)
    assert _record(folder).events()[-1].data == {"number": 99}


@pytest.mark.parametrize("same_run", [True, False], ids=["disk came back", "machine started anew"])
def test_a_loss_of_power_is_told(tmp_path: Path, *, same_run: bool) -> None:
    kept = _record(tmp_path)
    events = [_append(kept, number) for number in range(3)]
    if not same_run:
        _power_lost(tmp_path)
    kept.path.write_bytes(kept.path.read_bytes().splitlines(keepends=True)[0])
    after = _record(tmp_path).events()
    assert after[:3] == events
    assert (after[3].type, after[3].data) == ("record.restored", {"events": 2})


def test_a_copy_of_the_folder_lacks_nothing_and_says_nothing(tmp_path: Path) -> None:
    kept = _record(tmp_path / "one")
    events = [_append(kept, number) for number in range(3)]
    (tmp_path / "one").rename(tmp_path / "two")
    (tmp_path / "one").mkdir()
    for name in ("events.jsonl", "ahead.log"):
        (tmp_path / "one" / name).write_bytes((tmp_path / "two" / name).read_bytes())
    copied = _record(tmp_path / "one")
    assert copied.events() == events
    assert len(_files(tmp_path / "one")) == 3


@pytest.mark.parametrize("torn", range(0, 1600, 97))
def test_an_entry_that_is_not_whole_ends_the_log(tmp_path: Path, torn: int) -> None:
    kept = _record(tmp_path)
    first = _append(kept, 0)
    length = kept.path.stat().st_size
    data = _log(tmp_path).read_bytes()
    begin = len(data.rstrip(b"\0"))
    _append(kept, 1)
    whole = _log(tmp_path).read_bytes().rstrip(b"\0")
    _log(tmp_path).write_bytes(whole[: begin + torn])
    _power_lost(tmp_path)
    kept.path.write_bytes(kept.path.read_bytes()[:length])
    after = _record(tmp_path)
    assert after.events() == [first]
    assert _body(after, first) == b"body 0 " * 200


@pytest.mark.parametrize("same_run", [True, False])
@pytest.mark.parametrize("change", ["altered", "swapped", "dropped"])
def test_a_changed_record_is_refused_and_not_mended_from_the_log(
    tmp_path: Path, change: str, *, same_run: bool
) -> None:
    kept = _record(tmp_path)
    for number in range(3):
        _append(kept, number)
    kept.append("note", data={"number": 3})
    lines = kept.path.read_bytes().splitlines(keepends=True)
    changed = {
        "altered": [lines[0], lines[1].replace(b'"number":1', b'"number":7'), *lines[2:]],
        "swapped": [lines[0], lines[2], lines[1], lines[3]],
        "dropped": [lines[0], *lines[2:]],
    }[change]
    kept.path.write_bytes(b"".join(changed))
    if not same_run:
        _power_lost(tmp_path)
    log = _log(tmp_path).read_bytes()
    for _look in range(2):
        with pytest.raises(VerificationFailed, match=r"Event [12] .*(doesn't follow|out of order)"):
            _record(tmp_path).events()
        with pytest.raises(VerificationFailed, match=r"Event [12] .*(doesn't follow|out of order)"):
            _record(tmp_path).append("note", data={})
    assert kept.path.read_bytes() == b"".join(changed)
    assert _log(tmp_path).read_bytes() == log


def test_what_could_not_be_put_back_is_put_back_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _record(tmp_path)
    events = [_append(kept, number) for number in range(3)]
    _power_lost(tmp_path)
    kept.path.write_bytes(kept.path.read_bytes().splitlines(keepends=True)[0])

    def refuse(*_given: object) -> int:
        raise OSError(28, "No space left on device")

    after = _record(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Record, "_restored", refuse)
        for use in (after.events, partial(after.append, "note", data={})):
            with pytest.raises(MachineTrouble, match="No space left"):
                use()
    after.append("note", data={"number": 3})
    assert after.events()[:3] == events
    assert [event.type for event in after.events()] == ["note"] * 3 + ["record.restored", "note"]


def test_after_a_refused_append_the_next_bodies_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, reader = _record(tmp_path), _record(tmp_path)
    _append(kept, 0)
    refused = Body(role="request", data=b"refused" * 300)
    digest = sha256_bytes(refused.data)

    def looked_for(*_given: object) -> None:
        assert reader.blobs.has(digest)
        assert kept.blobs.has(digest)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(record, "write_all", looked_for)
        with pytest.raises(MachineTrouble):
            kept.append("note", data={}, refs=[refused])
    event = _append(kept, 1)
    for one in (kept, reader):
        assert not one.blobs.has(digest)
        assert not one.blobs.path(digest).exists()
        assert _body(one, event) == b"body 1 " * 200
    again = kept.append("note", data={}, refs=[refused])
    assert _body(reader, again) == refused.data


def test_after_a_loss_of_power_a_damaged_body_costs_that_body_alone(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    events = [_append(kept, number) for number in range(3)]
    _log(tmp_path).write_bytes(_log(tmp_path).read_bytes().replace(b"body 1 body", b"body 7 body"))
    _power_lost(tmp_path)
    kept.path.write_bytes(kept.path.read_bytes().splitlines(keepends=True)[0])
    after = _record(tmp_path)
    events.append(_append(after, 3))
    assert after.events()[:3] == events[:3]
    for reader in (after, _record(tmp_path)):
        assert [_body(reader, event)[:6] for event in events[::2]] == [b"body 0", b"body 2"]
        assert _body(reader, events[3])[:6] == b"body 3"
        with pytest.raises(VerificationFailed, match="is missing"):
            _body(reader, events[1])
    assert _log(tmp_path).stat().st_size > 0


def test_a_damaged_body_costs_that_body_alone(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    events = [_append(kept, number) for number in range(4)]
    _log(tmp_path).write_bytes(_log(tmp_path).read_bytes().replace(b"body 1 body", b"body 7 body"))

    def look() -> None:
        for event in (events[0], *events[2:]):
            assert _body(_record(tmp_path), event).startswith(b"body")
        with pytest.raises(VerificationFailed, match="is missing"):
            _body(_record(tmp_path), events[1])

    look()
    del kept
    gc.collect()
    assert len(_files(tmp_path)) == 3
    assert _log(tmp_path).stat().st_size > 0, "what is left of it stays"
    look()


def test_an_entry_that_was_read_while_it_was_written_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, reader = _record(tmp_path), _record(tmp_path)
    events = [_append(kept, number) for number in range(3)]
    read = os.pread

    def torn(handle: int, size: int, at: int) -> bytes:
        return read(handle, size, at).replace(b"body 1 body", bytes(11))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", torn)
        assert [reader.blobs.has(event.refs[0].sha256) for event in events] == [True, False, True]
    assert [_body(reader, event)[:6] for event in events] == [b"body 0", b"body 1", b"body 2"]


def test_a_log_that_cannot_be_read_is_named_and_no_body_is_called_missing(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    event = _append(kept, 0)
    _log(tmp_path).unlink()
    _log(tmp_path).mkdir()
    for use in (lambda: _body(kept, event), _record(tmp_path).events):
        with pytest.raises(MachineTrouble, match=r"The log ahead.log beside the record can't be read: .*directory"):
            use()


def test_a_log_that_others_emptied_and_filled_again_is_emptied(tmp_path: Path) -> None:
    one, two = _record(tmp_path), _record(tmp_path)
    events = [_append(one, number) for number in range(3)]
    _append(two, 3)
    del two
    gc.collect()
    events.append(_append(three := _record(tmp_path), 4))
    del one
    gc.collect()
    assert _log(tmp_path).read_bytes() == b""
    assert [three.blobs.path(event.refs[0].sha256).is_file() for event in events] == [True] * 4
    assert len(_files(tmp_path)) == 5


def test_a_record_that_rests_is_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _record(tmp_path)
    events = [_append(kept, number) for number in range(3)]
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", lambda *_given: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        kept.rest()
    assert _log(tmp_path).stat().st_size > 0
    assert [_body(kept, event)[:6] for event in events] == [b"body 0", b"body 1", b"body 2"]
    _record(tmp_path).rest()  # that of the next process: this one was killed
    assert _log(tmp_path).read_bytes() == b""
    kept.rest()
    assert len(_files(tmp_path)) == 3
    events.append(_append(kept, 3))
    assert [_body(_record(tmp_path), event)[:6] for event in events] == [b"body 0", b"body 1", b"body 2", b"body 3"]


def test_a_folder_that_was_removed_does_not_come_back_with_the_bodies(tmp_path: Path) -> None:
    kept = _record(tmp_path / "study")
    _append(kept, 0)
    shutil.rmtree(tmp_path / "study")
    del kept
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_what_ends_the_process_leaves_a_record_alone_that_a_thread_uses(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    _append(kept, 0)
    assert kept._handle is not None
    inside, go_on, appended = threading.Event(), threading.Event(), list[Event]()

    def use() -> None:
        with kept.exclusive():
            inside.set()
            go_on.wait()
            appended.append(_append(kept, 1))

    thread = threading.Thread(target=use)
    thread.start()
    inside.wait()
    try:
        record._let_go(kept._lock, kept._handle, kept.path, kept._ahead)
        assert _log(tmp_path).stat().st_size > 0
    finally:
        go_on.set()
        thread.join()
    assert _body(_record(tmp_path), appended[0]) == b"body 1 " * 200


@pytest.mark.parametrize("before", ["refused", "another's"])
def test_what_others_wrote_or_was_cut_off_is_on_the_disk_before_the_next_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    kept, other = _record(tmp_path), _record(tmp_path)
    _append(kept, 0)
    flushed, fsync, fdatasync = list[str](), os.fsync, os.fdatasync

    def note(flush: Callable[[int], None], handle: int) -> None:
        flush(handle)
        flushed.append(Path(f"/proc/self/fd/{handle}").readlink().name)

    def refuse(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    if before == "refused":
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", refuse)
            with pytest.raises(MachineTrouble):
                kept.append("note", data={"number": 1})
    else:
        other.append("note", data={"number": 1}, refs=[other.put("program", b"program")], durable=False)
    monkeypatch.setattr(os, "fsync", partial(note, fsync))
    monkeypatch.setattr(os, "fdatasync", partial(note, fdatasync))
    _append(kept, 2)
    assert flushed == ["events.jsonl", "ahead.log"]
    _append(kept, 3)
    assert flushed[2:] == ["ahead.log"]


def test_a_last_line_that_was_changed_and_still_follows_is_refused_where_the_log_knows_it(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    events = [_append(kept, number) for number in range(2)]
    _power_lost(tmp_path)
    whole, log = kept.path.read_bytes(), _log(tmp_path).read_bytes()
    kept.path.write_bytes(whole.replace(b'"number":1', b'"number":7'))
    for use in (_record(tmp_path).events, lambda: _record(tmp_path).append("note", data={})):
        with pytest.raises(
            VerificationFailed, match=r"events.jsonl was changed at byte \d+ or later: its log says other"
        ):
            use()
    assert _log(tmp_path).read_bytes() == log
    kept.path.write_bytes(whole)
    assert _record(tmp_path).events() == events
    assert _log(tmp_path).read_bytes() == b""


@pytest.mark.parametrize("tail", [b"", b"\0" * 700, b"other bytes", b"x" * 3000])
def test_a_torn_end_of_whatever_bytes_is_made_good_from_the_log(tmp_path: Path, tail: bytes) -> None:
    kept = _record(tmp_path)
    events = [_append(kept, number) for number in range(2)]
    _power_lost(tmp_path)
    kept.path.write_bytes(kept.path.read_bytes().splitlines(keepends=True)[0] + tail)
    after = _record(tmp_path)
    assert after.events()[:2] == events
    assert _body(after, events[1]) == b"body 1 " * 200
    assert list(read_chain(kept.path.read_bytes())) == after.events()


def test_a_flush_that_was_refused_once_keeps_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _record(tmp_path)
    _append(kept, 0)

    def refuse(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(ahead, "lay", lambda *_given: None)
        patch.setattr(ahead, "is_laid", lambda *_given: True)
        patch.setattr(os, "fdatasync", refuse)
        kept.rest()
    kept.rest()
    del kept
    gc.collect()
    assert _log(tmp_path).stat().st_size > 0
    _record(tmp_path).rest()  # another process: the disk takes it
    assert _log(tmp_path).stat().st_size == 0


def test_who_may_not_read_the_log_reads_what_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _record(tmp_path)
    events = [_append(kept, 0)]
    kept.rest()
    may_not = PermissionError(13, "Permission denied")
    opened = Path.open

    def refused(path: Path, *given: Any, **named: Any) -> Any:
        if path.name == "ahead.log":
            raise may_not
        return opened(path, *given, **named)

    monkeypatch.setattr(Path, "open", refused)
    assert _body(_record(tmp_path), events[0]) == b"body 0 " * 200
    events.append(_append(kept, 1))
    reader = _record(tmp_path)
    assert reader.events() == events
    assert _body(reader, events[0]) == b"body 0 " * 200
    with pytest.raises(MachineTrouble, match=r"can't be read: .*Permission denied"):
        _body(reader, events[1])


def test_a_disk_with_room_for_the_entry_alone_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, data: bytes) -> None:
        if not any(data):
            raise OSError(28, "No space left on device")
        write_all(handle, data)

    monkeypatch.setattr(ahead, "write_all", full)
    kept = _record(tmp_path)
    events = [_append(kept, number) for number in range(3)]
    assert [_body(_record(tmp_path), event)[:6] for event in events] == [b"body 0", b"body 1", b"body 2"]


def test_an_empty_body_is_a_body(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    event = kept.append("note", data={}, refs=[Body(role="request", data=b"")])
    assert kept.blobs.has(event.refs[0].sha256)
    assert _body(_record(tmp_path), event) == b""


def test_a_log_that_was_removed_costs_nothing(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    first = _append(kept, 0)
    _log(tmp_path).unlink()
    second = _append(kept, 1)
    assert [_body(_record(tmp_path), event)[:6] for event in (first, second)] == [b"body 0", b"body 1"]


def test_a_fork_that_lives_on_keeps_nobody_out(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    _append(kept, 0)
    child = os.fork()
    if not child:
        signal.pause()
    try:
        del kept
        gc.collect()
        with (tmp_path / "events.jsonl").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_reader_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _record(tmp_path)
    events = [_append(kept, number) for number in range(2)]
    _power_lost(tmp_path)
    monkeypatch.setattr(record, "_PATIENCE_S", 0.05)
    with kept.path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        reader = _record(tmp_path)
        assert reader.events() == events
        assert _log(tmp_path).stat().st_size > 0
    reader.events()
    assert _log(tmp_path).stat().st_size == 0


def test_many_small_bodies_do_not_wait_for_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_MANY", 5)
    kept = _record(tmp_path)
    for number in range(7):
        _append(kept, number)
    assert len(_files(tmp_path)) == 5


def test_where_bodies_cannot_become_files_the_log_does_not_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_FULL", 3_000)
    (tmp_path / "blobs").write_text("in the way")
    kept = _record(tmp_path)
    with pytest.raises(MachineTrouble, match="can't be written"):
        list(map(partial(_append, kept), range(40)))
    assert 2 < len(kept.events()) < 20


def test_a_changed_body_in_the_log_is_no_body(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    event = _append(kept, 1)
    _log(tmp_path).write_bytes(_log(tmp_path).read_bytes().replace(b"body 1 body", b"body 7 body"))
    for reader in (kept, _record(tmp_path)):
        with pytest.raises(VerificationFailed, match=f"Blob {event.refs[0].sha256}"):
            _body(reader, event)


def test_who_may_only_read_reads_what_stands_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _record(tmp_path)
    events = [_append(kept, number) for number in range(2)]
    _power_lost(tmp_path)

    def refuse(_self: Record) -> int:
        raise MachineTrouble("may not") from PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Record, "_open", refuse)
    reader = _record(tmp_path)
    assert reader.events() == events
    assert _body(reader, events[0]) == b"body 0 " * 200


@pytest.mark.parametrize(
    "rest",
    [b"{}\n", b'{"at":-1}\n', b"\xff\xfe\n", b'{"at":0,"lines":[9999,"00"],"bodies":[]}\n', b"[" * 5000 + b"\n"],
)
def test_rubbish_in_a_log_is_passed_over(tmp_path: Path, rest: bytes) -> None:
    kept = _record(tmp_path)
    event = _append(kept, 1)
    data = _log(tmp_path).read_bytes().rstrip(b"\0")
    _log(tmp_path).write_bytes(data + rest)
    after = _record(tmp_path)
    assert _body(after, event) == b"body 1 " * 200
    later = _append(after, 2)
    assert _body(_record(tmp_path), later) == b"body 2 " * 200
    assert _record(tmp_path).events() == [event, later]


def test_no_name_in_a_log_is_a_path(tmp_path: Path) -> None:
    kept = _record(tmp_path)
    _append(kept, 1)
    digest = sha256_bytes(b"body 1 " * 200).encode()
    _log(tmp_path).write_bytes(_log(tmp_path).read_bytes().replace(digest, b"../../../" + digest[9:]))
    _power_lost(tmp_path)
    _record(tmp_path).events()
    assert _files(tmp_path) == []
