"""`counterproof run`: go on with a study."""

from __future__ import annotations

from pathlib import Path

import click

from counterproof.agents.study import open_study
from counterproof.scenarios.replayer import run_scenario
from counterproof.ui.common import end_with, home_option, progress, traced, workplace
from counterproof.ui.output import emit, json_option
from counterproof.ui.running import runner


@click.command(name="run")
@click.argument("study")
@home_option
@json_option
def command(study: str, home: Path, as_json: bool) -> None:
    """Go on with STUDY to the next checkpoint or the end.

    Exit code 3 means that a person must decide. Whatever stopped a study (a kill, an endpoint, a full disk), the same
    command goes on from there; finished model calls and executions are not repeated.
    """
    place = workplace(home)
    opened = open_study(place, study)
    with traced(place, study):
        ready = runner(place, say=progress())
        status = run_scenario(ready, study).status if opened.settings.scenario else ready.run(study)
    row = place.store.study(study)
    text = f"{study}: {status}" + (f", {row['detail']}" if row["detail"] else "")
    emit({"study": study, "status": status, "detail": row["detail"]}, text, as_json=as_json)
    end_with(status, place, study)
