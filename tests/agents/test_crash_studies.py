"""A hundred SIGKILLs over whole studies with each database: what they come to is what an undisturbed study comes to.

Each case kills ten times, at moments from its seed: so many events in the record and a little after that. Where a study
ends before its kills are used up, the rest falls on the next one.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from counterproof.sandbox import Environment, LocalSandbox

from ..endpoint import Endpoint
from ..lab import Lab, script
from ..postgres import Server
from .crashes import check_once, gone, left_running, outcome
from .forge import Forge, Task, forge

pytestmark = pytest.mark.crash
STUDY = "study-crash"
SEED, CASES, KILLS, EVENTS, JITTER_S = 20261127, 10, 10, 34, 0.12


@pytest.fixture(scope="module")
def started() -> Iterator[Forge]:
    with forge() as made:
        yield made


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint({role: [*replies] * 2000 for role, replies in script().items()}) as served:
        yield served


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Makes laboratories with one study each, and runs them in processes that can be killed."""

    folder: Path
    forge: Forge
    endpoint: Endpoint
    sandbox: LocalSandbox
    environment: Environment
    server: Server | None

    def make(self, number: int) -> Lab:
        """Make a laboratory with a study; all studies have one name, and so the same salts."""
        home = self.folder / f"lab{number}" / "home"
        home.parent.mkdir()
        database = self.server.new_database() if self.server else ""
        lab = Lab(home=home, sandbox=self.sandbox, environment=self.environment, database=database)
        lab.new(make_id=lambda: STUDY)
        return lab

    def task(self, lab: Lab) -> Task:
        """Return what runs the study of a laboratory."""
        return Task(home=str(lab.home), database=lab.database, study=STUDY, endpoint=self.endpoint.base_url)

    def finish(self, lab: Lab) -> None:
        """Run the study to its end."""
        self.forge.start(self.task(lab))
        assert self.forge.ended() == 0

    def kill(self, lab: Lab, *, events: int, then_s: float) -> bool:
        """Run the study and kill it after so many events and seconds; False when it had ended before."""
        record = lab.home / "studies" / STUDY / "record" / "events.jsonl"
        process = self.forge.start(self.task(lab))
        until = time.monotonic() + 60
        while _is_alive(process) and record.read_bytes().count(b"\n") < events and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(then_s)
        if _is_alive(process):
            os.killpg(process, signal.SIGKILL)
        killed = self.forge.ended() == -signal.SIGKILL
        assert gone(lab.home), left_running(lab.home)
        return killed


def _is_alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def bench(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    started: Forge,
    endpoint: Endpoint,
    sandbox: LocalSandbox,
    environment: Environment,
) -> Bench:
    server = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    folder = tmp_path_factory.mktemp(request.param)
    return Bench(
        folder=folder, forge=started, endpoint=endpoint, sandbox=sandbox, environment=environment, server=server
    )


@pytest.fixture(scope="module")
def undisturbed(bench: Bench) -> dict[str, str]:
    """What a study comes to that nobody kills."""
    lab = bench.make(0)
    bench.finish(lab)
    return outcome(lab.study(STUDY))


@pytest.mark.parametrize("case", range(CASES))
def test_studies_that_are_killed_ten_times_end_as_if_nothing_had_been(
    bench: Bench, undisturbed: dict[str, str], case: int
) -> None:
    chance, left = random.Random(SEED + case), KILLS
    for number in count(100 * (case + 1)):
        lab = bench.make(number)
        for events in sorted(chance.sample(range(1, EVENTS), min(left, 6))):
            left -= bench.kill(lab, events=events, then_s=chance.uniform(0, JITTER_S))
        bench.finish(lab)
        assert outcome(lab.study(STUDY)) == undisturbed
        check_once(lab.study(STUDY))
        if left == 0:
            break
    assert left == 0
