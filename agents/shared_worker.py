"""The worker on several machines: `procrastinate` on the shared PostgreSQL hands the studies out, one lock for each.

The word for a study (`Store.ask_run`) stands in the store; each worker turns words into jobs and runs jobs. A job is
no more than "look at this study": it may be lost, come twice, or come late, and the study is run once all the same,
because the word stands until a run begins and the lease lets one process in. A job whose worker died is cleared away
when its heartbeat is old; the word for its study is left anew by the sweep, and another worker goes on.

Importing this module needs the extra `shared`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

import procrastinate
import psycopg
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status as JobStatus

from counterproof.agents.runner import Runner
from counterproof.agents.worker import SWEEP_S, Hand, Traced, make_hand, untraced
from counterproof.provenance.errors import MachineTrouble

QUEUE = "studies"
TASK = "counterproof.run_study"
_SETUP_LOCK = 0x636F756E746A6F
_PATIENCE_S = 60
_RETRY_S = 5


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often a worker looks.

    Attributes:
        poll_s: for words and jobs.
        sweep_s: for studies that were left behind.
        heartbeat_s: how often it says that it lives.
        dead_after_s: how old the last heartbeat of a worker is before its job is given to another.
    """

    poll_s: float = 0.5
    sweep_s: float = SWEEP_S
    heartbeat_s: float = 10.0
    dead_after_s: float = 30.0


def work_shared(
    runner: Runner,
    *,
    once: bool = False,
    stop: threading.Event,
    traced: Traced = untraced,
    pace: Pace | None = None,
) -> None:
    """Run studies that ask for it until `stop` is set; any number of workers may do so on any number of machines.

    A stop takes effect before the next step of the study that runs; another worker does the rest.

    Args:
        runner: runs one study; its store is on PostgreSQL.
        once: run what asks for it now, then return.
        stop: ends the worker.
        traced: is entered around each run.
        pace: how often to look.

    Raises:
        MachineTrouble: the server can't be used, and `once` is set; without `once` the worker waits and tries again.
    """
    own = pace or Pace()
    hand = make_hand(runner, stop=stop, traced=traced, sweep_s=own.sweep_s)
    while not stop.is_set():
        try:
            make_queue(runner.workplace.store.url)
            asyncio.run(_serve(hand, own, once=once))
            return
        except (ConnectorException, psycopg.Error, MachineTrouble) as error:
            trouble = error if isinstance(error, MachineTrouble) else _trouble(error)
            if once:
                raise trouble from error
            runner.progress(f"worker: {trouble}")
            stop.wait(_RETRY_S)


def make_queue(url: str) -> None:
    """Make the tables of the queue where they are missing, one process at a time.

    Raises:
        MachineTrouble: another process has been at it for a minute.
    """
    app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=url, min_size=1, max_size=1))
    until = time.monotonic() + _PATIENCE_S
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection, app.open():
        while not _first(connection, "SELECT to_regclass('procrastinate_jobs') IS NOT NULL"):
            if _first(connection, "SELECT pg_try_advisory_lock(%s)", _SETUP_LOCK):
                try:
                    if not _first(connection, "SELECT to_regclass('procrastinate_jobs') IS NOT NULL"):
                        app.schema_manager.apply_schema()
                finally:
                    _first(connection, "SELECT pg_advisory_unlock(%s)", _SETUP_LOCK)
            elif time.monotonic() > until:
                raise MachineTrouble(
                    f"Another process has been making the tables of the queue for {_PATIENCE_S} s.",
                    advice="Look for it in pg_stat_activity; then start the worker again.",
                )
            else:
                time.sleep(0.05)


async def _serve(hand: Hand, pace: Pace, *, once: bool) -> None:
    connector = procrastinate.PsycopgConnector(conninfo=hand.store.url, min_size=1, max_size=4)
    app = procrastinate.App(connector=connector)

    @app.task(name=TASK, queue=QUEUE)
    def run_study(study: str) -> None:
        # A job may be older than the run that followed its word.
        if not hand.stop.is_set() and hand.store.study(study)["run_asked"]:
            hand.run(study)

    async with app.open_async():
        await _hand_out(app, hand, pace)
        running = asyncio.create_task(
            app.run_worker_async(
                queues=[QUEUE],
                concurrency=1,
                wait=not once,
                fetch_job_polling_interval=pace.poll_s,
                update_heartbeat_interval=pace.heartbeat_s,
                stalled_worker_timeout=pace.dead_after_s,
                delete_jobs="always",
                install_signal_handlers=False,
            )
        )
        try:
            while not running.done() and not hand.stop.is_set():
                await asyncio.wait([running], timeout=pace.poll_s)
                if not once and not hand.stop.is_set():
                    await _hand_out(app, hand, pace)
        finally:
            # The worker stops fetching, and waits for the study that runs: it ends at its next step.
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def _hand_out(app: procrastinate.App, hand: Hand, pace: Pace) -> None:
    """Clear jobs of dead workers away, and make a job for each word."""
    for dead in await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=pace.dead_after_s):
        await app.job_manager.finish_job(dead, status=JobStatus.FAILED, delete_job=True)
    for study in await asyncio.to_thread(_free_words, hand):
        with suppress(AlreadyEnqueued):
            await app.configure_task(TASK, queue=QUEUE, lock=study, queueing_lock=study).defer_async(study=study)


def _free_words(hand: Hand) -> list[str]:
    hand.sweep()
    return [study for study in hand.store.asked() if hand.store.is_free(study)]


def _first(connection: psycopg.Connection[tuple[object, ...]], query: str, *values: object) -> object:
    row = connection.execute(query.encode(), values).fetchone()
    return None if row is None else row[0]


def _trouble(error: Exception) -> MachineTrouble:
    return MachineTrouble(
        f"The queue on PostgreSQL can't be used: {error}.", advice="The worker loses nothing by it and tries again."
    )
