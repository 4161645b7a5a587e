"""The worker: takes the studies that asked to go on, and runs each to its next checkpoint or its end.

Whoever decides on a page leaves word in the store; the worker, a process of its own, does the rest. One study after
the other; an error in one is noted there and doesn't end the worker. A study that another process is running is left
alone and tried again later. Scenarios are run by the replayer, never here.

A worker may be killed at any moment, and no click is lost: the word stands until a run begins, and now and then each
worker looks for studies that a dead process left in the middle and for decisions that nobody followed. Finished effects
are read from the record.

It does not cover two studies at the same time: start a second worker for that. On PostgreSQL, where workers are on
several machines, studies are handed out by `shared_worker`.
"""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from counterproof.agents.runner import Runner
from counterproof.agents.study import open_study
from counterproof.provenance.errors import CounterproofError, MachineTrouble
from counterproof.provenance.leases import LeaseLost
from counterproof.provenance.store import Status, Store

SWEEP_S = 5.0
"""How often a worker looks for studies that were left behind."""
Traced = Callable[[str], AbstractContextManager[None]]


class _StopAsked(BaseException):
    """Ends a run between two steps, like a kill; no error, so nothing that handles errors may take it for one."""


def untraced(_study: str) -> AbstractContextManager[None]:
    """Keep no spans."""
    return nullcontext()


def work(
    runner: Runner,
    *,
    once: bool = False,
    poll_s: float = 0.5,
    sweep_s: float = SWEEP_S,
    stop: threading.Event,
    traced: Traced = untraced,
) -> None:
    """Run studies that ask for it until `stop` is set.

    A stop takes effect before the next step of the study that runs; that step and all later ones are done by whoever
    runs the study next.

    Args:
        runner: runs one study; its `progress` is told what happens.
        once: run what asks for it now, then return.
        poll_s: how long to wait before looking again.
        sweep_s: how often to look for studies that were left behind.
        stop: ends the worker.
        traced: is entered around each run; keeps the spans of that study (only `ui` starts the SDK).

    Raises:
        MachineTrouble: the store can't be used, and `once` is set; without `once` the worker waits and tries again.
    """
    hand = make_hand(runner, stop=stop, traced=traced, sweep_s=sweep_s)
    while not stop.is_set():
        try:
            hand.sweep()
            hand.run_all()
        except MachineTrouble as error:
            if once:
                raise
            runner.progress(f"worker: {error}")
        if once:
            return
        stop.wait(poll_s)


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set. Only the main thread of a process may call this."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop


def make_hand(runner: Runner, *, stop: threading.Event, traced: Traced, sweep_s: float = SWEEP_S) -> Hand:
    """Return what runs single studies for a worker, and stops between two steps when it is told to."""
    stoppable = replace(runner, progress=_until(stop, runner.progress))
    return Hand(runner=stoppable, say=runner.progress, stop=stop, traced=traced, sweep_s=sweep_s)


@dataclass(kw_only=True)
class Hand:
    """Runs single studies for a worker.

    Attributes:
        runner: runs one study, until `stop` is set.
        say: is told what happens.
        stop: ends the worker.
        traced: is entered around each run.
        sweep_s: how often to look for studies that were left behind.
    """

    runner: Runner
    say: Callable[[str], None]
    stop: threading.Event
    traced: Traced
    sweep_s: float
    _said: set[str] = field(default_factory=set)
    """Studies of which was said that they are left alone; said once."""
    _scenarios: set[str] = field(default_factory=set)
    _swept: float = float("-inf")

    @property
    def store(self) -> Store:
        """The store whose studies are run."""
        return self.runner.workplace.store

    def sweep(self) -> None:
        """Now and then, leave word for studies that were left behind: by a dead process, or after a decision."""
        if time.monotonic() - self._swept < self.sweep_s:
            return
        for study in self.store.left_behind():
            if study not in self._scenarios:
                self.say(f"worker: picking up {study}")
                self.store.ask_run(study)
        self._swept = time.monotonic()

    def run_all(self) -> None:
        """Run each study that asks for it, once; the word for one that another process runs stands."""
        tried: set[str] = set()
        while not self.stop.is_set():
            study = next((study for study in self.store.asked() if study not in tried), None)
            if study is None:
                return
            tried.add(study)
            self.run(study)

    def run(self, study: str) -> None:
        """Run one study; whatever stops it is noted and said."""
        try:
            if open_study(self.runner.workplace, study).settings.mode == "scenario":
                self._scenarios.add(study)
                self.store.drop_ask(study)
                self.say(f"worker: {study} is a scenario and is left to `counterproof demo` and `replay`")
                return
            with self.traced(study):
                status = self.runner.run(study)
            self.say(f"worker: {study} is {status}")
        except _StopAsked:
            self.store.ask_run(study)
            self.say(f"worker: {study} was stopped between two steps; it goes on when a worker runs again")
        except LeaseLost as error:
            self.say(f"worker: {study}: {error}")
        except MachineTrouble as error:
            if not self._is_noted(study):
                self._leave_alone(study, error)
                return
            self.say(f"worker: {study} stopped: {error}")
        except CounterproofError as error:
            self.say(f"worker: {study} stopped: {error}")
            self._note(study, str(error))
        except Exception as error:
            # The text of a foreign error may hold values; it goes to the worker's own output only.
            self.say(f"worker: {study} stopped:\n{traceback.format_exc()}")
            self._note(study, f"Unexpected {type(error).__name__}; the worker's output has the details.")
        self._said.discard(study)

    def _leave_alone(self, study: str, error: MachineTrouble) -> None:
        if study not in self._said:
            self._said.add(study)
            self.say(f"worker: {study} is left for later: {error}")

    def _is_noted(self, study: str) -> bool:
        row = self.store.study(study)
        return Status(row["status"]) is Status.STOPPED and not row["run_asked"]

    def _note(self, study: str, reason: str) -> None:
        """Write down why a study stopped, unless another process runs it, which then says where it stands."""
        if self._is_noted(study):
            return
        try:
            with self.store.lease(study) as lease:
                self.store.begin_run(study, lease=lease)
                self.store.set_status(study, Status.STOPPED, reason[:2000], lease=lease)
        except MachineTrouble as error:
            self._leave_alone(study, error)


def _until(stop: threading.Event, progress: Callable[[str], None]) -> Callable[[str], None]:
    """Return a `progress` that ends the run at the first step after `stop` was set."""

    def step(line: str) -> None:
        if stop.is_set():
            raise _StopAsked
        progress(line)

    return step
