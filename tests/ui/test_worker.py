"""The worker runs what asks for it, notes errors, leaves alone what is not its own, and loses nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.study import Workplace, open_study, open_workplace
from counterproof.agents.worker import work
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import Status
from counterproof.scenarios.catalogue import load_scenario
from counterproof.scenarios.recorder import authored_answer
from counterproof.scenarios.server import TurnServer
from tests.ui.sites import WORKER, Site, add_scenario, add_study, make_runner


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return open_workplace(tmp_path / "home")


def _once(workplace: Workplace, **other: Any) -> list[str]:
    said: list[str] = []
    work(make_runner(workplace, progress=said.append, **other), once=True, stop=threading.Event())
    return said


def _stands(workplace: Workplace, study: str) -> tuple[str, bool]:
    row = workplace.store.study(study)
    return row["status"], bool(row["run_asked"])


def test_worker_runs_a_study_that_asks_to_its_next_checkpoint(workplace: Workplace, endpoint: str) -> None:
    asked, other = add_study(workplace, endpoint), add_study(workplace, endpoint)
    workplace.store.ask_run(asked)
    _once(workplace)
    assert _stands(workplace, asked) == (Status.WAITING, False)
    assert _stands(workplace, other) == (Status.READY, False)
    assert workplace.store.waiting()[0]["id"] == f"{asked}.plan.1"


def test_worker_keeps_the_spans_of_the_study_that_it_runs(workplace: Workplace, endpoint: str) -> None:
    around: list[str] = []

    @contextmanager
    def traced(study: str) -> Iterator[None]:
        around.append(f"{study} begins")
        yield
        around.append(f"{study} ends")

    study = add_study(workplace, endpoint)
    workplace.store.ask_run(study)
    work(make_runner(workplace), once=True, stop=threading.Event(), traced=traced)
    assert around == [f"{study} begins", f"{study} ends"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UsageError("The key is missing.", advice="Set it."), "The key is missing. Set it."),
        (MachineTrouble("The endpoint is down."), "The endpoint is down."),
        (KeyError("value 4711"), "A fault of Counterproof: KeyError."),
    ],
    ids=["usage", "machine", "foreign"],
)
def test_worker_notes_an_error_and_goes_on_with_the_next(
    workplace: Workplace, endpoint: str, error: Exception, reason: str
) -> None:
    bad, good = add_study(workplace, endpoint), add_study(workplace, endpoint)
    calls = []

    def api_key(_name: str) -> str:
        calls.append(1)
        if len(calls) == 1:
            raise error
        return "none"

    workplace.store.ask_run(bad)
    workplace.store.ask_run(good)
    _once(workplace, api_key=api_key)
    assert (_stands(workplace, bad), workplace.store.study(bad)["detail"]) == ((Status.STOPPED, False), reason)
    assert _stands(workplace, good) == (Status.WAITING, False)


def test_worker_notes_a_broken_record(workplace: Workplace, endpoint: str) -> None:
    study = add_study(workplace, endpoint)
    path = workplace.store.study_folder(study) / "record" / "events.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"seq":0', b'"seq":7'))
    workplace.store.ask_run(study)
    _once(workplace)
    assert _stands(workplace, study) == (Status.STOPPED, False)
    assert "out of order" in workplace.store.study(study)["detail"]


def test_worker_leaves_a_study_alone_that_is_run_elsewhere(workplace: Workplace, endpoint: str) -> None:
    held, free = add_study(workplace, endpoint), add_study(workplace, endpoint)
    workplace.store.ask_run(held)
    workplace.store.ask_run(free)
    with workplace.store.lease(held):
        said = _once(workplace)
    assert _stands(workplace, held) == (Status.READY, True)
    assert _stands(workplace, free) == (Status.WAITING, False)
    assert any(f"{held} is left for later" in line for line in said)
    _once(workplace)
    assert _stands(workplace, held) == (Status.WAITING, False)


def test_worker_never_runs_a_scenario(workplace: Workplace) -> None:
    study = add_scenario(workplace)
    workplace.store.ask_run(study)
    said = _once(workplace)
    assert _stands(workplace, study) == (Status.READY, False)
    assert any("is a scenario" in line for line in said)


def test_worker_picks_up_what_a_dead_process_left_running(workplace: Workplace, endpoint: str) -> None:
    dead, alive = add_study(workplace, endpoint), add_study(workplace, endpoint)
    for study in (dead, alive):
        workplace.store.set_status(study, Status.RUNNING)
    with workplace.store.lease(alive):
        _once(workplace)
    assert _stands(workplace, dead) == (Status.WAITING, False)
    assert _stands(workplace, alive) == (Status.RUNNING, False)


def test_worker_picks_up_a_decision_whose_word_was_lost(site_at: Callable[[str], Site]) -> None:
    site = site_at(CheckpointKind.SIGNOFF)
    site.decide()
    _once(site.workplace)
    assert _stands(site.workplace, site.study) == (Status.DONE, False)


def test_worker_stops_between_two_steps_and_the_next_one_goes_on(workplace: Workplace, endpoint: str) -> None:
    study, stop = add_study(workplace, endpoint), threading.Event()

    def progress(line: str) -> None:
        if line.startswith("plan: asking"):
            stop.set()

    workplace.store.ask_run(study)
    work(make_runner(workplace, progress=progress), stop=stop)
    assert _stands(workplace, study) == (Status.RUNNING, True)
    _once(workplace)
    assert _stands(workplace, study) == (Status.WAITING, False)
    calls = open_study(workplace, study).record.of_type("effect.started")
    assert [event.data["attempt"] for event in calls] == [1]


def test_worker_waits_for_word_and_ends_when_told(workplace: Workplace, endpoint: str) -> None:
    study, stop = add_study(workplace, endpoint), threading.Event()
    thread = threading.Thread(target=work, args=(make_runner(workplace),), kwargs={"stop": stop, "poll_s": 0.05})
    thread.start()
    time.sleep(0.2)
    workplace.store.ask_run(study)
    _until(lambda: _stands(workplace, study) == (Status.WAITING, False))
    stop.set()
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_worker_says_when_the_store_cannot_be_used(workplace: Workplace) -> None:
    with sqlite3.connect(workplace.store.home / "store.sqlite") as database:
        database.execute("DROP TABLE checkpoints")
    with pytest.raises(MachineTrouble, match="store"):
        _once(workplace)


@pytest.mark.crash
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_worker_process_that_is_ended_inside_a_model_call_loses_nothing(
    workplace: Workplace, number: signal.Signals
) -> None:
    asked, scenario = threading.Event(), load_scenario("lung-survival")

    def source(request: dict[str, Any]) -> dict[str, Any]:
        asked.set()
        time.sleep(0.5)
        return authored_answer(scenario, request)

    with TurnServer([], source=source) as server:
        study = add_study(workplace, server.base_url)
        workplace.store.ask_run(study)
        first = _process(workplace.store.home)
        assert asked.wait(30)
        os.kill(first.pid, number)
        assert first.wait(30) == (-9 if number is signal.SIGKILL else 0)
        second = _process(workplace.store.home)
        _until(lambda: _stands(workplace, study) == (Status.WAITING, False))
        second.terminate()
        assert second.wait(30) == 0
    effects = open_study(workplace, study).record.of_type("effect.finished")
    assert [event.data["key"] for event in effects] == ["plan/1/1"]


def _process(home: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER, str(home)], stderr=subprocess.DEVNULL)


def _until(holds: Callable[[], bool], *, wait_s: float = 30) -> None:
    end = time.monotonic() + wait_s
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
