"""The worker: takes the studies that asked to go on, and runs each to its next checkpoint or its end.

Whoever decides on a page leaves word in the store; the worker, a process of its own, does the rest. One study after
the other; an error in one is noted there and doesn't end the worker. A study that another process is running is left
alone and tried again later. Scenarios are run by the replayer, never here.

A worker may be killed at any moment: at its start it picks up the studies that a dead process left in the middle, and
those that were decided while nobody took the word. Finished effects are read from the record.

It does not cover several machines, nor two studies at the same time: start a second worker for that.
"""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from counterproof.agents.runner import Runner
from counterproof.agents.study import open_study
from counterproof.provenance.errors import CounterproofError, MachineTrouble
from counterproof.provenance.store import Status, Store


class _StopAsked(BaseException):
    """Ends a run between two steps, like a kill; no error, so nothing that handles errors may take it for one."""


def work(
    runner: Runner,
    *,
    once: bool = False,
    poll_s: float = 0.5,
    stop: threading.Event,
    traced: Callable[[str], AbstractContextManager[None]] = lambda _study: nullcontext(),
) -> None:
    """Run studies that ask for it until `stop` is set.

    A stop takes effect before the next step of the study that runs; that step and all later ones are done by whoever
    runs the study next.

    Args:
        runner: runs one study; its `progress` is told what happens.
        once: run what asks for it now, then return.
        poll_s: how long to wait before looking again.
        stop: ends the worker.
        traced: is entered around each run; keeps the spans of that study (only `ui` starts the SDK).

    Raises:
        MachineTrouble: the store can't be used, and `once` is set; without `once` the worker waits and tries again.
    """
    stoppable = replace(runner, progress=_until(stop, runner.progress))
    worker = _Worker(runner=stoppable, say=runner.progress, stop=stop, traced=traced)
    begun = False
    while not stop.is_set():
        try:
            if not begun:
                worker.pick_up()
                begun = True
            worker.run_all()
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


@dataclass(frozen=True, kw_only=True)
class _Worker:
    runner: Runner
    say: Callable[[str], None]
    stop: threading.Event
    traced: Callable[[str], AbstractContextManager[None]]
    left_alone: set[str] = field(default_factory=set)
    """Studies of which was said that another process runs them; said once."""

    @property
    def _store(self) -> Store:
        return self.runner.workplace.store

    def pick_up(self) -> None:
        """Leave word for studies that a dead process left running, or that were decided and not run since."""
        waiting = {row["study"] for row in self._store.waiting()}
        for row in self._store.studies():
            dead = row["status"] == Status.RUNNING and self._is_free(row["id"])
            if dead or (row["status"] == Status.WAITING and row["id"] not in waiting):
                self.say(f"worker: picking up {row['id']}")
                self._store.ask_run(row["id"])

    def run_all(self) -> None:
        """Run each study that asks for it; leave new word for those that another process runs now."""
        busy = []
        try:
            while not self.stop.is_set() and (study := self._store.take_run()) is not None:
                if study in busy:
                    break
                if not self._run(study):
                    busy.append(study)
        finally:
            for study in busy:
                self._store.ask_run(study)

    def _run(self, study: str) -> bool:
        """Run one study; False when it was left alone."""
        try:
            if open_study(self.runner.workplace, study).settings.mode == "scenario":
                self.say(f"worker: {study} is a scenario and is left to `counterproof demo` and `replay`")
                return True
            with self.traced(study):
                status = self.runner.run(study)
            self.say(f"worker: {study} is {status}")
        except _StopAsked:
            self._store.ask_run(study)
            self.say(f"worker: {study} was stopped between two steps; it goes on when a worker runs again")
        except MachineTrouble as error:
            if not self._is_noted(study):
                return self._leave_alone(study, error)
            self.say(f"worker: {study} stopped: {error}")
        except CounterproofError as error:
            self.say(f"worker: {study} stopped: {error}")
            return self._is_noted(study) or self._note(study, str(error))
        except Exception as error:
            # The text of a foreign error may hold values; it goes to the worker's own output only.
            self.say(f"worker: {study} stopped:\n{traceback.format_exc()}")
            return self._is_noted(study) or self._note(
                study, f"Unexpected {type(error).__name__}; the worker's output has the details."
            )
        self.left_alone.discard(study)
        return True

    def _leave_alone(self, study: str, error: MachineTrouble) -> bool:
        if study not in self.left_alone:
            self.left_alone.add(study)
            self.say(f"worker: {study} is left for later: {error}")
        return False

    def _is_noted(self, study: str) -> bool:
        return Status(self._store.study(study)["status"]) is Status.STOPPED

    def _note(self, study: str, reason: str) -> bool:
        """Write down why a study stopped; False when another process runs it, which then says where it stands."""
        try:
            with self._store.lease(study):
                self._store.set_status(study, Status.STOPPED, reason[:2000])
        except MachineTrouble:
            return False
        return True

    def _is_free(self, study: str) -> bool:
        try:
            with self._store.lease(study):
                return True
        except MachineTrouble:
            return False


def _until(stop: threading.Event, progress: Callable[[str], None]) -> Callable[[str], None]:
    """Return a `progress` that ends the run at the first step after `stop` was set."""

    def step(line: str) -> None:
        if stop.is_set():
            raise _StopAsked
        progress(line)

    return step
