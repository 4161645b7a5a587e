"""Printing results, for a program or for a person, so that no text can repaint the terminal.

What a model, a data file, a bundle or a person wrote may hold control characters. For a person they are shown as "�";
in JSON they are escaped, which changes no value.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from typing import Any, TextIO, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Return text without control and direction characters; line ends and tabs stay."""
    return _CONTROL.sub("�", text)


def json_text(value: Any) -> str:
    """Return a value as JSON in which control and direction characters are escaped."""
    return escaped(json.dumps(value, indent=1, ensure_ascii=False))


def escaped(document: str) -> str:
    r"""Return a JSON document with raw control and direction characters as `\uXXXX`: the same value, safe to print."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", document)


def json_option(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def emit(value: Any, text: str, *, as_json: bool) -> None:
    """Print a result."""
    write(json_text(value) if as_json else plain(text))


def write(content: str | bytes, *, newline: bool = True) -> None:
    """Write to standard output."""
    _echo(content, newline=newline, to_stderr=False)


def say(line: str) -> None:
    """Write prose to standard error."""
    _echo(plain(line), newline=True, to_stderr=True)


def _echo(content: str | bytes, *, newline: bool, to_stderr: bool) -> None:
    """Write; a reader who has seen enough (`| head -1`) changes neither what the command does nor how it ends."""
    try:
        click.echo(content, nl=newline, err=to_stderr)
    except BrokenPipeError:
        discard(sys.stderr if to_stderr else sys.stdout)


def discard(stream: TextIO) -> None:
    """Send what else is written to a stream nowhere, so that Python's last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
