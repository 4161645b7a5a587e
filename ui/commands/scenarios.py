"""`counterproof scenarios`: studies kept as tests."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from counterproof.scenarios.catalogue import load_scenario, scenario_names
from counterproof.scenarios.recorder import record_scenario, write_turns
from counterproof.ui.common import progress, workplace
from counterproof.ui.output import emit, json_option, say
from counterproof.ui.running import runner


@click.group(name="scenarios")
def command() -> None:
    """List and record scenarios."""


@command.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the scenarios."""
    found = [load_scenario(name) for name in scenario_names()]
    rows = [{"name": one.name, "title": one.title, "origin": one.turns.origin, "by": one.turns.by} for one in found]
    text = "\n".join(f"{row['name']}  {row['title']}  (turns {row['origin']} by {row['by']})" for row in rows)
    emit(rows, text, as_json=as_json)


@command.command()
@click.argument("name")
def record(name: str) -> None:
    """Write the turns of scenario NAME anew from its authored answers; review the difference before committing it."""
    scenario = load_scenario(name)
    with tempfile.TemporaryDirectory(prefix="counterproof-record-") as home:
        turns = record_scenario(runner(workplace(Path(home)), say=progress()), scenario)
    write_turns(scenario.folder / "turns.jsonl", turns)
    say(f"{len(turns)} turns of origin {scenario.turns.origin!r} written.")
