"""`counterproof demo`: a whole study on real data."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click

from counterproof.ui.gates import open_gate
from counterproof.ui.output import emit, json_option


@click.command(name="demo")
@click.option(
    "-o",
    "--output",
    default="counterproof-demo.zip",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The bundle; replaced when it exists.",
)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the study in this store; default: a temporary one.",
)
@json_option
def command(output: Path, home: Path | None, as_json: bool) -> None:
    """Run a whole study on real data: question, plan, programs, four checkpoints, report, verified bundle.

    The model turns were written by hand and the decisions are scripted: no model is called and nobody reviews. The
    bundle says so.
    """
    folder = home or Path(tempfile.mkdtemp(prefix="counterproof-demo-"))
    try:
        gate = open_gate(folder, warm=True)
        from counterproof.ui.demonstration import demonstrate  # lazy: takes long, and the sandbox warms up meanwhile

        value, text = demonstrate(output, folder, gate=gate)
        emit(value, text, as_json=as_json)
    finally:
        if home is None:
            shutil.rmtree(folder, ignore_errors=True)
