"""The host's reader of what comes out of the sandbox, fed with what an attacker might write."""

from __future__ import annotations

import contextlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterproof.sandbox import Limits
from counterproof.sandbox._frames import BrokenFrames, Frames

pytestmark = pytest.mark.abuse


def _frame(kind: bytes, payload: bytes | dict[str, object] = b"") -> bytes:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return kind + struct.pack(">I", len(data)) + data


_ENDING = {"wait_status": 0, "cpu_s": 0.1, "max_rss_kib": 1, "full": {}}
_STARTED = _frame(b"H") + _frame(b"S", _ENDING)


def _file(name: object, size: object = 1) -> bytes:
    return _frame(b"F", {"name": name, "size": size})


def test_frames_in_any_portions_give_the_files() -> None:
    frames = Frames(limits=Limits())
    for byte in _STARTED + _file("results.json", 2) + _frame(b"D", b"{") + _frame(b"D", b"}") + _frame(b"E"):
        frames.feed(bytes([byte]))
    assert [(item.name, item.data) for item in frames.artifacts()] == [("results.json", b"{}")]
    assert frames.finished


@pytest.mark.parametrize(
    "data",
    [
        b"Z\0\0\0\0",
        b"F\xff\xff\xff\xff",
        _frame(b"S", _ENDING),
        _STARTED + _frame(b"S", _ENDING),
        _STARTED + _file("../results.json"),
        _STARTED + _file("/etc/passwd"),
        _STARTED + _file("tables/../../x.csv"),
        _STARTED + _file("tables/x.pkl"),
        _STARTED + _file("results.json\n"),
        _STARTED + _file(["results.json"]),
        _STARTED + _file("results.json", -1),
        _STARTED + _file("results.json", 1.5),
        _STARTED + _file("results.json", 1 << 60),
        _STARTED + _file("results.json", 1) + _frame(b"D", b"ab"),
        _STARTED + _file("results.json", 2) + _frame(b"E"),
        _STARTED + _file("flow.json", 0) + _file("flow.json", 0),
        _STARTED + _frame(b"D", b"x"),
        _STARTED + _frame(b"F", b"[1]"),
        _STARTED + _frame(b"F", b"{"),
        _STARTED + _frame(b"F", b"[" * 900),
        _STARTED + _frame(b"E") + _frame(b"E"),
        _frame(b"H") + _frame(b"S", {**_ENDING, "wait_status": -1}),
        _frame(b"H") + _frame(b"S", {**_ENDING, "cpu_s": "1"}),
    ],
    ids=lambda data: repr(data[-40:]),
)
def test_broken_frames_are_refused(data: bytes) -> None:
    with pytest.raises(BrokenFrames):
        Frames(limits=Limits()).feed(data)


def test_too_many_files_are_refused() -> None:
    frames = Frames(limits=Limits(artifact_files=1))
    with pytest.raises(BrokenFrames, match="too many"):
        frames.feed(_STARTED + _file("flow.json", 0) + _file("results.json", 0))


def test_names_of_rejected_files_are_made_harmless() -> None:
    frames = Frames(limits=Limits())
    frames.feed(_STARTED + _frame(b"R", {"name": "\x1b[31m\u202e", "reason": "x" * 900}))
    assert frames.rejected[0].name == "\\x1b[31m\\u202e"
    assert len(frames.rejected[0].reason) == 160


@given(st.binary(max_size=200))
def test_random_bytes_never_give_a_file(data: bytes) -> None:
    frames = Frames(limits=Limits())
    with contextlib.suppress(BrokenFrames):
        frames.feed(data)
    assert frames.artifacts() == ()
