"""The journal: an effect happens once, and what did not go that way can be read in the record."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import MachineTrouble, ToolFailed, VerificationFailed
from counterproof.provenance.events import Event
from counterproof.provenance.journal import (
    Cassette,
    Drift,
    EffectFailed,
    EffectKind,
    Journal,
    Response,
    finished_effects,
    readable_diff,
)
from counterproof.provenance.record import Record

_KILLED = """
import os, signal, sys
from pathlib import Path
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.journal import Journal, Response
from counterproof.provenance.events import Event
from counterproof.provenance.record import Record

folder = Path(sys.argv[1])

def effect(attempt):
    os.kill(os.getpid(), signal.SIGKILL)

Journal(Record(folder, blobs=Blobs(folder / "blobs"))).perform("a", effect, kind="model", request=b"ask")
"""


class _Effect:
    """Counts how often it happens, and answers with the number of the attempt."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.attempts: list[int] = []
        self._error = error

    def __call__(self, attempt: int) -> Response:
        self.attempts.append(attempt)
        if self._error is not None:
            raise self._error
        return Response(body=f"answer {attempt}".encode(), data={"duration_s": 0.5})


def _record(folder: Path) -> Record:
    return Record(folder, blobs=Blobs(folder / "blobs", secret=lambda: bytes(32)))


def _story(record: Record) -> list[tuple[str, int]]:
    return [(event.type.removeprefix("effect."), event.data["attempt"]) for event in record.events()]


def _cassette(folder: Path, kind: EffectKind = "model") -> Cassette:
    record = _record(folder)
    Journal(record).perform("a", _Effect(), kind=kind, request=b'{"ask":"one"}')
    return Cassette(record.events(), record.blobs)


def test_an_effect_is_written_down_before_and_after(tmp_path: Path) -> None:
    record = _record(tmp_path)
    seen: list[list[tuple[str, int]]] = []

    def effect(attempt: int) -> Response:
        seen.append(_story(record))
        return Response(body=b"answer")

    done = Journal(record).perform("a", effect, kind="model", request=b"ask")
    assert (done.body, done.recorded) == (b"answer", False)
    assert seen == [[("started", 1)]]
    assert _story(record) == [("started", 1), ("finished", 1)]


def test_the_record_holds_request_response_and_facts(tmp_path: Path) -> None:
    record = _record(tmp_path)
    extra = record.put("stdout", b"log")

    def effect(attempt: int) -> Response:
        return Response(body=b"answer", data={"duration_s": 0.5}, refs=(extra,), side="secure")

    Journal(record).perform("a", effect, kind="execution", request=b"ask", data={"program": "ab"})
    started, finished = record.events()
    assert started.data["program"] == "ab"
    assert started.data["source"] == "live"
    assert finished.data == {"key": "a", "kind": "execution", "attempt": 1, "duration_s": 0.5}
    assert [ref.role for ref in finished.refs] == ["request", "response", "stdout"]
    assert [ref.side for ref in finished.refs] == ["open", "secure", "open"]
    assert [record.blobs.get(ref.sha256) for ref in finished.refs] == [b"ask", b"answer", b"log"]


@pytest.mark.parametrize(("kind", "actor"), [("model", ("agent", "model")), ("execution", ("system", "counterproof"))])
def test_who_finished_it(tmp_path: Path, kind: EffectKind, actor: tuple[str, str]) -> None:
    record = _record(tmp_path)
    Journal(record).perform("a", _Effect(), kind=kind, request=b"ask")
    started, finished = record.events()
    assert (started.actor.kind, started.actor.id) == ("system", "counterproof")
    assert (finished.actor.kind, finished.actor.id) == actor


def test_facts_never_hide_which_effect_it_was(tmp_path: Path) -> None:
    record = _record(tmp_path)
    false = {"key": "other", "attempt": 9, "kind": "none", "source": "cassette"}

    def effect(attempt: int) -> Response:
        return Response(body=b"answer", data=false)

    Journal(record).perform("a", effect, kind="model", request=b"ask", data=false)
    for event in record.events():
        assert (event.data["key"], event.data["attempt"], event.data["kind"]) == ("a", 1, "model")
    assert record.events()[0].data["source"] == "live"


def test_a_finished_effect_does_not_happen_again(tmp_path: Path) -> None:
    effect = _Effect()
    Journal(_record(tmp_path)).perform("a", effect, kind="model", request=b"ask")
    record = _record(tmp_path)
    again = Journal(record).perform("a", effect, kind="model", request=b"ask")
    assert (again.body, again.recorded, effect.attempts) == (b"answer 1", True, [1])
    assert _story(record) == [("started", 1), ("finished", 1)]


def test_other_keys_are_other_effects(tmp_path: Path) -> None:
    record, effect = _record(tmp_path), _Effect()
    for key in ("a", "b", "a/1"):
        Journal(record).perform(key, effect, kind="model", request=b"ask")
    assert effect.attempts == [1, 1, 1]
    assert list(finished_effects(record.events())) == ["a", "b", "a/1"]


def test_another_request_under_a_known_key_is_drift(tmp_path: Path) -> None:
    record, effect = _record(tmp_path), _Effect()
    Journal(record).perform("a", effect, kind="model", request=b'{"ask":"one"}')
    with pytest.raises(Drift, match=r"step 'a' asks (?s:.*)-.*one(?s:.*)\+.*two(?s:.*)Start a new study"):
        Journal(record).perform("a", effect, kind="model", request=b'{"ask":"two"}')
    assert effect.attempts == [1]
    assert _story(record) == [("started", 1), ("finished", 1)]


def test_a_changed_answer_on_disk_is_no_answer(tmp_path: Path) -> None:
    record, effect = _record(tmp_path), _Effect()
    Journal(record).perform("a", effect, kind="model", request=b"ask")
    path = record.blobs.path(record.events()[1].ref("response").sha256)
    path.chmod(0o600)
    path.write_bytes(b"another")
    with pytest.raises(VerificationFailed, match=r"has been changed.*Restore it"):
        Journal(record).perform("a", effect, kind="model", request=b"ask")
    assert effect.attempts == [1]


@pytest.mark.crash
def test_a_kill_inside_makes_a_second_attempt_that_says_so(tmp_path: Path) -> None:
    for _ in range(2):
        done = subprocess.run([sys.executable, "-P", "-c", _KILLED, str(tmp_path)], check=False)
        assert done.returncode == -9
    record, effect = _record(tmp_path), _Effect()
    answer = Journal(record).perform("a", effect, kind="model", request=b"ask")
    assert (answer.body, answer.recorded, effect.attempts) == (b"answer 3", False, [3])
    assert _story(record) == [("started", 1), ("started", 2), ("started", 3), ("finished", 3)]
    assert [event.data["after_kill"] for event in record.of_type("effect.started")] == [False, True, True]


def test_a_failed_effect_is_recorded_and_tried_again(tmp_path: Path) -> None:
    record = _record(tmp_path)
    broken = _Effect(error=MachineTrouble("The endpoint is down.", advice="Start it."))
    for _ in range(2):
        with pytest.raises(MachineTrouble, match=r"The endpoint is down\. Start it\."):
            Journal(record).perform("a", broken, kind="model", request=b"ask")
    Journal(record).perform("a", _Effect(), kind="model", request=b"ask")
    assert _story(record) == [(word, n) for n in (1, 2) for word in ("started", "failed")] + [
        ("started", 3),
        ("finished", 3),
    ]
    assert [event.data["after_kill"] for event in record.of_type("effect.started")] == [False, False, False]
    assert record.of_type("effect.failed")[0].data["error"] == "The endpoint is down."


@pytest.mark.parametrize("body", [b"", b"<html>502</html>"], ids=["nothing", "html"])
def test_what_came_back_from_a_failed_effect_is_kept(tmp_path: Path, body: bytes) -> None:
    record = _record(tmp_path)
    error = EffectFailed("HTTP 502.", response=body, data={"status": 502, "key": "other"}, advice="Try later.")
    with pytest.raises(EffectFailed, match=r"HTTP 502\. Try later\."):
        Journal(record).perform("a", _Effect(error=error), kind="model", request=b"ask")
    failed = record.of_type("effect.failed")[0]
    assert failed.data == {"key": "a", "kind": "model", "attempt": 1, "error": "HTTP 502.", "status": 502}
    kept = {ref.role: record.blobs.get(ref.sha256) for ref in failed.refs}
    assert kept == ({"request": b"ask", "response": body} if body else {"request": b"ask"})


def test_a_long_error_is_cut_in_the_record(tmp_path: Path) -> None:
    record = _record(tmp_path)
    with pytest.raises(ToolFailed, match=r"x{5000}"):
        Journal(record).perform("a", _Effect(error=ToolFailed("x" * 5000)), kind="model", request=b"ask")
    assert len(record.of_type("effect.failed")[0].data["error"]) == 2000


def test_a_disk_that_refuses_stops_before_the_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    record, effect = _record(tmp_path), _Effect()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse)
        with pytest.raises(MachineTrouble, match=r"record events\.jsonl can't be written: .*No space left.*Make room"):
            Journal(record).perform("a", effect, kind="model", request=b"ask")
    assert effect.attempts == []
    assert record.events() == []


def test_what_another_process_did_meanwhile_is_known(tmp_path: Path) -> None:
    first, second = Journal(_record(tmp_path)), Journal(_record(tmp_path))
    first.perform("a", _Effect(), kind="model", request=b"ask")
    again = _Effect()
    assert second.perform("a", again, kind="model", request=b"ask").recorded
    assert again.attempts == []


def test_each_event_is_looked_at_once_however_many_effects_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = _record(tmp_path)
    looked: list[int] = []
    since = Record.since

    def counted(self: Record, seq: int) -> list[Event]:
        found = since(self, seq)
        looked.extend(event.seq for event in found)
        return found

    monkeypatch.setattr(Record, "since", counted)
    monkeypatch.setattr(Record, "events", None)
    monkeypatch.setattr(Record, "of_type", None)
    journal = Journal(record)
    for number in range(20):
        journal.perform(f"a/{number}", _Effect(), kind="model", request=b"ask")
        journal.perform(f"a/{number}", _Effect(), kind="model", request=b"ask")
    assert looked == list(range(40))


def test_a_call_flushes_twice_each_event_with_its_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = _record(tmp_path)
    flushed: list[str] = []
    record.append("note", data={})
    flush = os.fdatasync

    def counted(handle: int) -> None:
        flush(handle)
        flushed.append(Path(f"/proc/self/fd/{handle}").resolve().name)

    monkeypatch.setattr(os, "fdatasync", counted)
    Journal(record).perform("a", _Effect(), kind="model", request=b"ask")
    assert flushed == ["ahead.log", "ahead.log"]


# Replay


def test_a_cassette_answers_model_calls(tmp_path: Path) -> None:
    record, effect = _record(tmp_path / "new"), _Effect()
    journal = Journal(record, cassette=_cassette(tmp_path / "old"))
    answer = journal.perform("a", effect, kind="model", request=b'{"ask":"one"}')
    assert (answer.body, answer.recorded, effect.attempts) == (b"answer 1", False, [])
    assert record.events()[0].data["source"] == "cassette"
    assert journal.replaying
    assert not Journal(record).replaying


def test_what_a_cassette_answered_is_recorded_once(tmp_path: Path) -> None:
    record, cassette = _record(tmp_path / "new"), _cassette(tmp_path / "old")
    answers = [
        Journal(record, cassette=cassette).perform("a", _Effect(), kind="model", request=b'{"ask":"one"}')
        for _ in range(2)
    ]
    assert [answer.recorded for answer in answers] == [False, True]
    assert _story(record) == [("started", 1), ("finished", 1)]


def test_a_cassette_never_answers_executions(tmp_path: Path) -> None:
    record, effect = _record(tmp_path / "new"), _Effect()
    journal = Journal(record, cassette=_cassette(tmp_path / "old", kind="execution"))
    journal.perform("a", effect, kind="execution", request=b'{"ask":"one"}')
    assert effect.attempts == [1]
    assert record.events()[0].data["source"] == "live"


@pytest.mark.parametrize(
    ("key", "request_", "text"),
    [
        ("a", b'{"ask":"two"}', r"step 'a' asks for something else(?s:.*)-.*one(?s:.*)\+.*two(?s:.*)old version"),
        ("b", b'{"ask":"one"}', r"model call 'b', which the record does not have.*replay it with that one"),
    ],
    ids=["request", "key"],
)
def test_a_cassette_that_does_not_fit_is_drift(tmp_path: Path, key: str, request_: bytes, text: str) -> None:
    record, effect = _record(tmp_path / "new"), _Effect()
    journal = Journal(record, cassette=_cassette(tmp_path / "old"))
    with pytest.raises(Drift, match=text):
        journal.perform(key, effect, kind="model", request=request_)
    assert effect.attempts == []
    assert _story(record) == [("started", 1), ("failed", 1)]


def test_a_cassette_answers_no_model_call_with_an_execution(tmp_path: Path) -> None:
    journal = Journal(_record(tmp_path / "new"), cassette=_cassette(tmp_path / "old", kind="execution"))
    with pytest.raises(Drift, match="model call 'a', which the record does not have"):
        journal.perform("a", _Effect(), kind="model", request=b'{"ask":"one"}')


# The difference that a person reads


@pytest.mark.parametrize(
    ("recorded", "asked", "lines"),
    [
        (b'{"b":1,"a":"x\\ny"}', b'{"a":"x\\nz","b":1}', ['-y",', '+z",']),
        (b"plain", b"other", ["-plain", "+other"]),
        (b"\xff", b"{}", ["-\ufffd", "+{}"]),
    ],
    ids=["json", "text", "binary"],
)
def test_readable_diff_shows_the_lines_that_differ(recorded: bytes, asked: bytes, lines: list[str]) -> None:
    shown = readable_diff(recorded, asked).splitlines()
    assert [line for line in shown[2:] if line[0] in "+-"] == lines


def test_readable_diff_is_short() -> None:
    many, others = (canonical_json([f"{word} {n}" for n in range(500)]) for word in ("old", "new"))
    assert len(readable_diff(many, others).splitlines()) == 80


@given(st.binary(), st.binary())
def test_readable_diff_takes_any_bytes(recorded: bytes, asked: bytes) -> None:
    readable_diff(recorded, asked)
    assert readable_diff(recorded, recorded) == ""


def test_what_was_noted_comes_from_the_own_record_and_else_from_the_cassette(tmp_path: Path) -> None:
    other, own = _record(tmp_path / "other"), _record(tmp_path / "own")
    for record, text in ((other, b"theirs"), (own, b"mine")):
        for number in (1, 2) if record is other else (2,):
            record.append("said", data={"number": number}, refs=[record.put("text", text)])
    journal = Journal(own, cassette=Cassette(other.events(), other.blobs))
    assert journal.noted("said", {"number": 2}) == {"text": b"mine"}
    assert journal.noted("said", {"number": 1}) == {"text": b"theirs"}
    assert journal.noted("said", {"number": 3}) is None
    assert Journal(own).noted("said", {"number": 1}) is None
