"""A killed campaign goes on where it was, a killed worker costs one retry, and endpoints are not flooded."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from counterproof.agents.compare import CampaignRun, run_campaign
from counterproof.agents.compare.clusters import local_workers
from counterproof.agents.compare.engine import Seat
from counterproof.agents.compare.pace import Pace
from counterproof.agents.compare.spending import spent_so_far
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.journal import Journal, Response
from counterproof.provenance.record import Record
from counterproof.sandbox import WarmSandbox
from counterproof.scenarios.scripted import ModelServer
from counterproof.ui import environment

from ..opened import opened_by
from .tiny import Small, make_campaign, make_task, plan_small

pytestmark = [pytest.mark.campaign, pytest.mark.crash]

ROOT = Path(__file__).parents[2]


def _finished(small: Small) -> Counter[str]:
    """Return how often each effect of each cell was finished."""
    return Counter(
        f"{cell.key}/{event.data['key']}"
        for cell in small.planned.cells
        for event in small.place.cell(cell.key).record.of_type("effect.finished")
    )


def test_a_campaign_killed_at_any_moment_does_nothing_twice(tmp_path: Path, server: ModelServer) -> None:
    path = make_campaign(tmp_path, ["good", "broken", "prose", "careless"])
    command = [sys.executable, "-m", "tests.compare.doing", str(path), str(tmp_path / "home"), server.base_url]
    chance, ended = random.Random(8), -1
    for kill in (True, True, False):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        if kill:
            while server.asked.total() < 1:  # the first request shows that it is at work
                time.sleep(0.01)
            time.sleep(chance.uniform(0.0, 0.8))
            process.kill()
        process.communicate()
        ended = process.wait()
    assert ended == 0
    small = plan_small(path, tmp_path / "home", sandbox=WarmSandbox(), endpoint=server.base_url)
    assert len(CampaignRun.of_finished(small.place, small.planned.cells).done) == 4
    counted = _finished(small)
    assert len(counted) >= 4 + 3 + 1 + 1
    assert set(counted.values()) == {1}
    again = sum(
        event.data["after_kill"]
        for cell in small.planned.cells
        for event in small.place.cell(cell.key).record.of_type("effect.started")
    )
    assert again <= 2, "each kill costs one effect at most"
    assert server.asked.total() <= 4 + 2


def test_a_worker_killed_inside_a_cell_costs_one_retry(tmp_path: Path, server: ModelServer) -> None:
    make_task(tmp_path / "tiny", wall_s=5)
    path = make_campaign(tmp_path, ["slow", "prose", "good"])
    small = plan_small(path, tmp_path / "home", sandbox=WarmSandbox(), endpoint=server.base_url)
    seat = Seat(
        place=small.place,
        tasks=small.planned.loaded.tasks,
        endpoints=dict.fromkeys(small.planned.loaded.campaign.models, server.base_url),
        limits={},
        api_key=environment.api_key,
        search_path=environment.search_path,
        ready=environment.clean,
    )
    slow = small.place.cell(small.cell("slow").key)
    killed: list[int] = []

    def kill() -> None:
        """Kill the worker once the program that never ends has begun."""
        while not any(event.data["kind"] == "trial" for event in slow.record.of_type("effect.started")):
            time.sleep(0.05)
        for worker in _holders(slow.folder / "lock"):
            os.kill(worker, signal.SIGKILL)
            killed.append(worker)

    thread = threading.Thread(target=kill)
    thread.start()
    with local_workers(1) as client:
        run = run_campaign(small.planned.cells, seat, client)
    thread.join()
    assert len(killed) == 1
    assert not run.troubles
    assert {done.result.name: done.result.category for done in run.done.values()} == {
        "slow": "timeout",
        "prose": "no_code",
        "good": "completed",
    }
    attempts = {done.result.name: done.spent.attempts for done in run.done.values()}
    assert attempts == {"slow": 2, "prose": 1, "good": 1}


def test_a_kill_is_one_more_attempt_however_much_ran_side_by_side(tmp_path: Path, server: ModelServer) -> None:
    path = make_campaign(tmp_path, ["good"])
    small = plan_small(path, tmp_path / "home", sandbox=WarmSandbox(), endpoint=server.base_url)
    record = Record(tmp_path / "record", blobs=Blobs(tmp_path / "blobs"))

    def begin(*keys: str, cut_off: Sequence[str] = ()) -> int:
        """Do effects in a new process, as it were, which dies in some of them; return the attempts afterwards."""
        journal = Journal(record)
        for key in keys:
            effect = _dies if key in cut_off else _does
            with suppress(_Killed):
                journal.perform(key, effect, kind="execution", request=b"run")
        return spent_so_far(small.cell("good"), record).attempts

    assert begin("dry run", "primary", "replication", "checks", cut_off=["primary", "replication", "checks"]) == 1
    assert begin("dry run", "primary", cut_off=["primary"]) == 2
    assert begin("primary", "checks", "replication", cut_off=["replication"]) == 3
    assert begin("replication", "report", cut_off=["report"]) == 4
    assert begin("report") == 5


class _Killed(BaseException):
    """The process ends here."""


def _dies(attempt: int) -> Response:
    raise _Killed


def _does(attempt: int) -> Response:
    return Response(body=b"answer", data={"usage": {"wall_s": 0.1}})


def _holders(path: Path) -> list[int]:
    """Return the processes that have a file open."""
    processes = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [pid for pid in processes if path in opened_by(pid)]


def test_requests_at_the_same_time_are_limited_and_a_dead_worker_gives_its_slot_back(tmp_path: Path) -> None:
    pace = Pace(tmp_path, concurrent=2, per_minute=None)
    inside, most, lock = 0, 0, threading.Lock()

    def ask() -> None:
        nonlocal inside, most
        with pace.request():
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.05)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2
    code = f"""
import sys, time
from pathlib import Path
from counterproof.agents.compare.pace import Pace
with Pace(Path({str(tmp_path)!r}), concurrent=2, per_minute=None).request():
    print("in", flush=True)
    time.sleep(60)
"""
    holders = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)]
    for holder in holders:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"in\n"
    for holder in holders:
        holder.kill()
        holder.communicate()
    began = time.monotonic()
    ask()
    assert time.monotonic() - began < 5


def test_requests_a_minute_are_limited(tmp_path: Path) -> None:
    pace, began = Pace(tmp_path, concurrent=None, per_minute=600), time.monotonic()
    for _ in range(6):
        with pace.request():
            pass
    assert 0.45 < time.monotonic() - began < 5
