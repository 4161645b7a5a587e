"""What the tests of killed processes look at: what is left running, what a study came to, how often effects began."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

from counterproof.agents.study import OpenStudy
from counterproof.provenance.events import Event, read_chain

_EFFECTS = ("effect.started", "effect.finished", "effect.failed")


def left_running(home: Path) -> list[str]:
    """Return the processes that have the laboratory in their arguments or mounted."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            seen = (process / "cmdline").read_bytes() + (process / "mountinfo").read_bytes()
            if os.fsencode(home) in seen:
                found.append(f"{process.name}: {(process / 'cmdline').read_bytes()[:200]!r}")
        except OSError:
            continue
    return found


def gone(home: Path) -> bool:
    """Wait a little until nothing of a laboratory runs."""
    until = time.monotonic() + 5
    while left_running(home) and time.monotonic() < until:
        time.sleep(0.05)
    return not left_running(home)


def outcome(study: OpenStudy) -> dict[str, str]:
    """Return what a study came to, by digests."""
    (released,), (rendered,) = study.record.of_type("results.released"), study.record.of_type("report.rendered")
    (ended,) = study.record.of_type("study.ended")
    return {
        "released": released.ref("released").sha256,
        "report": rendered.ref("report").sha256,
        "text": rendered.ref("report.md").sha256,
        "ended": ended.data["ended"],
        "commitments": " ".join(sorted(_commitments(study.record.events()))),
    }


def _commitments(events: list[Event]) -> set[str]:
    return {ref.sha256 for event in events for ref in event.refs if ref.side == "secure"}


def unmarked(events: list[Event]) -> list[Event]:
    """Return second starts of an effect that say neither that they follow a kill nor a recorded failure."""
    last: dict[str, Event] = {}
    found = []
    for event in events:
        if event.type not in _EFFECTS:
            continue
        before = last.get(event.data["key"])
        again = event.type == "effect.started" and before is not None
        if again and before is not None and before.type != "effect.failed" and not event.data["after_kill"]:
            found.append(event)
        last[event.data["key"]] = event
    return found


def check_once(study: OpenStudy) -> None:
    """Check that the record is one chain, and that each effect finished once and was not begun again unmarked."""
    events = study.record.events()
    assert list(read_chain(study.record.path.read_bytes())) == events
    finished = Counter(event.data["key"] for event in events if event.type == "effect.finished")
    assert set(finished.values()) == {1}
    assert {event.data["key"] for event in events if event.type == "effect.started"} == set(finished)
    assert unmarked(events) == []
    assert (study.folder / "bundle.zip").exists()
