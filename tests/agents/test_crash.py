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
from dataclasses import dataclass
from pathlib import Path

import pytest

from counterproof.agents.study import OpenStudy, open_study, open_workplace

from .crashes import check_once, gone, left_running, outcome, unmarked

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


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run gives that nobody kills."""
    return outcome(_run_to_the_end(tmp_path_factory.mktemp("undisturbed") / "home"))


@pytest.mark.parametrize("moment", _moments(), ids=str)
def test_a_killed_study_ends_as_if_nothing_had_been(
    tmp_path: Path, undisturbed: dict[str, str], moment: Moment
) -> None:
    home = tmp_path / "home"
    running = _kill_at(home, moment)
    assert gone(home), left_running(home)
    study = _run_to_the_end(home)
    print(f"seed {SEED}, {moment}, running {running}, {len(study.record.events())} events")
    assert outcome(study) == undisturbed
    check_once(study)
    assert left_running(home) == []


def test_the_look_for_processes_sees_a_running_program(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with subprocess.Popen(_command(home), stdout=subprocess.DEVNULL, start_new_session=True) as process:
        seen = 0
        while process.poll() is None and seen < 2:
            seen = max(seen, len(left_running(home)))
        os.killpg(process.pid, signal.SIGKILL)
    assert seen >= 2
    assert gone(home)


def test_a_study_that_is_killed_again_and_again_ends(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    home, chance = tmp_path / "home", random.Random(SEED)
    for events in (3, 15, 22, 31):
        _kill_at(home, Moment(events=events, then_s=chance.uniform(0, JITTER_S)))
    study = _run_to_the_end(home)
    assert outcome(study) == undisturbed
    assert unmarked(study.record.events()) == []
    assert gone(home)
