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
@home_option
def command(port: int, home: Path) -> None:
    """Start the pages on this machine (127.0.0.1 only), for reading and deciding; run a worker beside them."""
    sys.exit(start(home, port))
