"""Printing results, for a program or for a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def emit(value: Any, text: str, *, as_json: bool) -> None:
    """Print a result."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False) if as_json else text)
