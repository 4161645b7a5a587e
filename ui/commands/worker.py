"""`counterproof worker`: run the studies that the pages ask for."""

from __future__ import annotations

from pathlib import Path

import click

from counterproof.agents.worker import stop_on_signals, work
from counterproof.ui.common import home_option, progress, traced, workplace
from counterproof.ui.running import runner


@click.command(name="worker")
@click.option("--once", is_flag=True, help="Run what is asked for now, then end.")
@home_option
def command(once: bool, home: Path) -> None:
    """Run the studies that the pages ask for, one after the other, until it is stopped (Ctrl-C or SIGTERM).

    It stops before the next step of the study that runs. A killed worker loses nothing: the next one goes on. With
    COUNTERPROOF_STORE set to a PostgreSQL database, any number of workers on any number of machines share the work.
    """
    place = workplace(home)
    ready = runner(place, say=progress())
    stop = stop_on_signals()
    if place.store.shared:
        from counterproof.agents.shared_worker import work_shared  # extra: shared

        work_shared(ready, once=once, stop=stop, traced=lambda study: traced(place, study))
    else:
        work(ready, once=once, stop=stop, traced=lambda study: traced(place, study))
