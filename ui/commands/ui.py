"""`counterproof ui`: start the pages."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from counterproof.ui.common import home_option
from counterproof.ui.web import start


@click.command(name="ui")
@click.option(
    "--port", default=8501, show_default=True, type=click.IntRange(1, 65535), help="Port of 127.0.0.1 to serve on."
)
@click.option("--example/--no-example", default=True, help="Whether a store without studies gets an example study.")
@home_option
def command(port: int, example: bool, home: Path) -> None:
    """Start the pages on this machine (127.0.0.1 only), for reading and deciding; run a worker beside them.

    In a store without studies they open on an example, whose decisions are scripted.
    """
    sys.exit(start(home, port, example=example))
