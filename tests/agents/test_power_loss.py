"""Events that are appended without a flush: a machine that loses power loses them, and the same step writes them again.

A power cut is played: at the first durable append after such an event the run is torn down before it writes, and the
record is cut back to what was flushed, which is what the disk may hold then; its log is as it was.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.events import Event, read_chain
from counterproof.provenance.record import Record
from counterproof.provenance.store import Status

from ..endpoint import Endpoint
from ..lab import Lab, script

pytestmark = pytest.mark.crash
APPROVED: tuple[DecisionKind, ...] = ("approve",) * 4


class _PowerCut(BaseException):
    """Ends the run like a kill: nothing that handles errors may take it for one."""


class _Disk:
    """Knows how much of each file was flushed, and cuts the power after an unflushed event of one type."""

    def __init__(self, patch: pytest.MonkeyPatch, type_: str) -> None:
        self.flushed: dict[int, int] = {}
        self.cut = False
        self.log = b""
        self._type = type_
        self._waiting = False
        self._flush, self._append = os.fdatasync, Record.append
        patch.setattr(os, "fdatasync", self._fdatasync)
        patch.setattr(Record, "append", lambda record, *given, **named: self._appended(record, *given, **named))

    def _fdatasync(self, handle: int) -> None:
        self._flush(handle)
        if not self.cut:  # a record that is let go of is flushed; after the cut nobody does that
            found = os.fstat(handle)
            self.flushed[found.st_ino] = found.st_size

    def _appended(self, record: Record, type_: str, **named: Any) -> Event:
        if self._waiting and named.get("durable", True):
            self.cut = True
            self.log = (record.folder / "ahead.log").read_bytes()
            raise _PowerCut
        self._waiting |= type_ == self._type and not named.get("durable", True)
        return self._append(record, type_, **named)


def _without_places(events: list[Event]) -> list[tuple[str, dict[str, Any], tuple[Any, ...]]]:
    return [(event.type, event.data, event.refs) for event in events]


@pytest.mark.parametrize("type_", ["plan.drafted", "program.written", "checks.finished"])
def test_what_was_not_flushed_is_written_again_by_the_same_step(lab: Lab, type_: str) -> None:
    study = lab.new()
    record = lab.study(study).record.path
    with Endpoint(script()) as endpoint:
        with pytest.MonkeyPatch.context() as patch:
            disk = _Disk(patch, type_)
            with pytest.raises(_PowerCut):
                lab.run(study, endpoint.base_url, *APPROVED)
        assert disk.cut
        before = list(read_chain(record.read_bytes()))
        os.truncate(record, disk.flushed[record.stat().st_ino])
        (record.parent / "ahead.log").write_bytes(disk.log)
        kept = [event for event in lab.study(study).record.events() if event.type != "record.restored"]
        lost = before[len(kept) :]
        assert [event.type for event in lost] == [type_]
        assert lab.run(study, endpoint.base_url, *APPROVED[len(_decided(kept)) :]) is Status.DONE
        assert len(endpoint.roles) == len(set(endpoint.roles)) == 4  # nobody was asked twice
    events = list(read_chain(record.read_bytes()))
    again = [event for event in events[len(kept) :] if event.type == type_]
    assert _without_places(lost) == _without_places(again)[: len(lost)]
    assert (record.parent.parent / "bundle.zip").exists()


def _decided(events: list[Event]) -> list[Event]:
    return [event for event in events if event.type == "decision.recorded"]
