"""Two workers on one PostgreSQL: studies are shared out, a worker that dies loses nothing, and all finish once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from counterproof.provenance.events import Event
from counterproof.provenance.store import Status
from counterproof.sandbox import Environment, LocalSandbox

from ..endpoint import Endpoint
from ..lab import Lab, script
from .crashes import check_once, gone, left_running
from .forge import ROOT

pytestmark = [pytest.mark.postgres, pytest.mark.crash]
STUDIES, KILL_AFTER, PATIENCE_S = 200, 70, 900


@pytest.fixture
def lab(tmp_path: Path, database: str, sandbox: LocalSandbox, environment: Environment) -> Lab:
    return Lab(home=tmp_path / "home", database=database, sandbox=sandbox, environment=environment)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint({role: [*replies] * 1000 for role, replies in script().items()}) as served:
        yield served


@contextmanager
def _worker(lab: Lab, log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, *arguments]
    environment = {**os.environ, "COUNTERPROOF_STORE": lab.database}
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def _approving(lab: Lab, endpoint: Endpoint) -> list[str]:
    return ["-m", "tests.agents.approving_worker", str(lab.home), lab.database, endpoint.base_url]


def _until(holds: Callable[[], bool], *, wait_s: float) -> None:
    end = time.monotonic() + wait_s
    while not holds():
        assert time.monotonic() < end, f"waited {wait_s} s"
        time.sleep(0.1)


def _count(lab: Lab, status: Status) -> int:
    return sum(row["status"] == status for row in lab.workplace.store.studies())


def _jobs(lab: Lab) -> int:
    with psycopg.connect(lab.database) as connection:
        row = connection.execute("SELECT count(*) FROM procrastinate_jobs").fetchone()
    assert row is not None
    return int(row[0])


def _starts(lab: Lab, study: str) -> list[Event]:
    return [event for event in lab.events(study, "effect.started") if event.data["kind"] == "model"]


def _numbers(lab: Lab, study: str) -> tuple[tuple[str, float], ...]:
    """Return the released numbers of a study; the document around them names what is of that study alone."""
    (event,) = lab.events(study, "results.released")
    released = json.loads(lab.text(event.ref("released").sha256, study))
    return tuple((result["id"], result["value"]) for result in released["results"])


@pytest.mark.slow
def test_two_hundred_studies_finish_once_though_a_worker_is_killed(
    lab: Lab, endpoint: Endpoint, tmp_path: Path
) -> None:
    studies = [lab.new() for _ in range(STUDIES)]
    for study in studies:
        lab.workplace.store.ask_run(study)
    logs = [tmp_path / f"worker{number}.log" for number in range(3)]
    with ExitStack() as workers:
        first, second = (workers.enter_context(_worker(lab, log, *_approving(lab, endpoint))) for log in logs[:2])
        _until(lambda: _count(lab, Status.DONE) >= KILL_AFTER, wait_s=PATIENCE_S)
        os.killpg(first.pid, signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
        assert second.poll() is None
        workers.enter_context(_worker(lab, logs[2], *_approving(lab, endpoint)))
        _until(lambda: _count(lab, Status.DONE) == STUDIES, wait_s=PATIENCE_S)
        _until(lambda: _jobs(lab) == 0, wait_s=30)
    for study in studies:
        check_once(lab.study(study))
    assert len({_numbers(lab, study) for study in studies}) == 1
    again = [event for study in studies for event in lab.events(study, "effect.started") if event.data["attempt"] > 1]
    assert len(again) <= 2  # what the killed worker was inside of: at most a study's two programs
    assert len(endpoint.roles) <= sum(len(_starts(lab, study)) for study in studies)
    # A study that asked twice is looked at twice and found at its end; what it did, it did once (`check_once`).
    done = [set(re.findall(r"(\S+) is done", log.read_text())) for log in logs]
    assert len(set().union(*done)) in (STUDIES, STUDIES - 1)  # it may have been killed between the end and saying so
    assert all(done)
    assert gone(lab.home), left_running(lab.home)


def test_the_command_shares_studies_with_other_machines_and_ends_between_two_steps(
    lab: Lab, endpoint: Endpoint, tmp_path: Path
) -> None:
    studies = [lab.new(model={"base_url": endpoint.base_url}) for _ in range(4)]
    for study in studies:
        lab.workplace.store.ask_run(study)
    command = ["-m", "counterproof.ui", "worker", "--home", str(lab.home)]
    logs = [tmp_path / f"worker{number}.log" for number in range(2)]
    with ExitStack() as workers:
        both = [workers.enter_context(_worker(lab, log, *command)) for log in logs]
        _until(lambda: _count(lab, Status.WAITING) == 4, wait_s=120)
        for study in studies:
            lab.decide(study, "approve")
            lab.workplace.store.ask_run(study)
        _until(lambda: [row["kind"] for row in lab.workplace.store.waiting()] == ["code"] * 4, wait_s=120)
        for process in both:
            process.terminate()
        assert [process.wait(60) for process in both] == [0, 0]
    for study in studies:
        assert [event.data["attempt"] for event in _starts(lab, study)] == [1, 1, 1]
