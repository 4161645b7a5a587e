"""`counterproof worker`: run the studies that the pages ask for."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from counterproof.agents.worker import work
from counterproof.ui.common import home_option, progress, runner, workplace


@click.command(name="worker")
@click.option("--once", is_flag=True, help="Run what is asked for now, then end.")
@home_option
def command(once: bool, home: Path) -> None:
    """Run the studies that the pages ask for, one after the other, until it is stopped (Ctrl-C or SIGTERM).

    A killed worker loses nothing: the next one goes on.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    work(runner(workplace(home), say=progress()), once=once, stop=stop)
