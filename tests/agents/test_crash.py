"""SIGKILL at random moments of the lung-survival scenario, with all that belongs to it; then it is run again.

A moment is a number of events in the record and a few hundredths of a second after that, both from a seed, so that the
kills spread over the whole study on a machine of any speed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from counterproof.agents.study import OpenStudy, open_study, open_workplace
from counterproof.provenance.record import Event, read_chain

pytestmark = pytest.mark.crash
STUDY = "study-crash"
KILLS, SEED, EVENTS, JITTER_S = 20, 20261120, 36, 0.4
_RUN = """
import sys
from pathlib import Path
from counterproof.agents.runner import Runner
from counterproof.agents.study import open_workplace
from counterproof.sandbox import LocalSandbox, find_environment
from counterproof.scenarios.catalogue import load_scenario
from counterproof.scenarios.replayer import run_scenario, start_scenario
workplace = open_workplace(Path(sys.argv[1]))
runner = Runner(workplace=workplace, sandbox=LocalSandbox(), environment=find_environment(), api_key=lambda _name: "x")
if not workplace.store.studies():
    start_scenario(workplace, load_scenario("lung-survival"), make_id=lambda: sys.argv[2])
print(run_scenario(runner, sys.argv[2]).status)
"""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When the kill falls: after so many events, and so many seconds."""

    events: int
    then_s: float

    def __str__(self) -> str:
        return f"event{self.events}+{self.then_s * 1000:.0f}ms"


def _moments() -> list[Moment]:
    chance = random.Random(SEED)
    return [
        Moment(events=int((at + chance.random()) * EVENTS / KILLS), then_s=chance.uniform(0, JITTER_S))
        for at in range(KILLS)
    ]


def _command(home: Path) -> list[str]:
    return [sys.executable, "-c", _RUN, str(home), STUDY]


def _run_to_the_end(home: Path) -> OpenStudy:
    done = subprocess.run(_command(home), capture_output=True, text=True, timeout=180, check=False)
    assert done.stdout == "done\n", done.stderr[-2000:]
    return open_study(open_workplace(home), STUDY)


def _kill_at(home: Path, moment: Moment) -> bool:
    """Start the scenario and kill it with its whole process group; say whether it was still running."""
    path = home / "studies" / STUDY / "record" / "events.jsonl"
    with subprocess.Popen(_command(home), stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while process.poll() is None and (path.read_bytes().count(b"\n") if path.exists() else 0) < moment.events:
            time.sleep(0.002)
        time.sleep(moment.then_s)
        running = process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
    return running


def _left_running(home: Path) -> list[str]:
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


def _gone(home: Path) -> bool:
    until = time.monotonic() + 5
    while _left_running(home) and time.monotonic() < until:
        time.sleep(0.05)
    return not _left_running(home)


def _digests(study: OpenStudy) -> dict[str, str]:
    (released,), (rendered,) = study.record.of_type("results.released"), study.record.of_type("report.rendered")
    (ended,) = study.record.of_type("study.ended")
    return {
        "released": released.ref("released").sha256,
        "report": rendered.ref("report").sha256,
        "text": rendered.ref("report.md").sha256,
        "ended": ended.data["ended"],
    }


def _unmarked(events: list[Event]) -> list[Event]:
    """Return second starts of an effect that say neither that they follow a kill nor a recorded failure."""
    last: dict[str, Event] = {}
    found = []
    for event in events:
        if event.type not in ("effect.started", "effect.finished", "effect.failed"):
            continue
        before = last.get(event.data["key"])
        again = event.type == "effect.started" and before is not None
        if again and before is not None and before.type != "effect.failed" and not event.data["after_kill"]:
            found.append(event)
        last[event.data["key"]] = event
    return found


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run gives that nobody kills."""
    return _digests(_run_to_the_end(tmp_path_factory.mktemp("undisturbed") / "home"))


@pytest.mark.parametrize("moment", _moments(), ids=str)
def test_a_killed_study_ends_as_if_nothing_had_been(
    tmp_path: Path, undisturbed: dict[str, str], moment: Moment
) -> None:
    home = tmp_path / "home"
    running = _kill_at(home, moment)
    assert _gone(home), _left_running(home)
    study = _run_to_the_end(home)
    events = study.record.events()
    print(f"seed {SEED}, {moment}, running {running}, {len(events)} events")
    assert read_chain(study.record.path.read_bytes()) == events
    assert _digests(study) == undisturbed
    finished = Counter(event.data["key"] for event in events if event.type == "effect.finished")
    assert set(finished.values()) == {1}
    assert {event.data["key"] for event in events if event.type == "effect.started"} == set(finished)
    assert _unmarked(events) == []
    assert (study.folder / "bundle.zip").exists()
    assert _left_running(home) == []


def test_the_look_for_processes_sees_a_running_program(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with subprocess.Popen(_command(home), stdout=subprocess.DEVNULL, start_new_session=True) as process:
        seen = 0
        while process.poll() is None and seen < 2:
            seen = max(seen, len(_left_running(home)))
        os.killpg(process.pid, signal.SIGKILL)
    assert seen >= 2
    assert _gone(home)


def test_a_study_that_is_killed_again_and_again_ends(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    home, chance = tmp_path / "home", random.Random(SEED)
    for events in (3, 15, 22, 31):
        _kill_at(home, Moment(events=events, then_s=chance.uniform(0, JITTER_S)))
    study = _run_to_the_end(home)
    assert _digests(study) == undisturbed
    assert _unmarked(study.record.events()) == []
    assert _gone(home)
