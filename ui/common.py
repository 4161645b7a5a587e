"""What commands share that run or read studies: the store's option, and opening the installation."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from counterproof.agents.runner import Runner
from counterproof.agents.study import Workplace, open_workplace
from counterproof.provenance.errors import DecisionRequired
from counterproof.provenance.store import Status
from counterproof.provenance.tracing import start_tracing
from counterproof.sandbox import Environment, WarmSandbox, find_environment
from counterproof.ui import environment

F = TypeVar("F", bound=Callable[..., Any])


def home_option(command: F) -> F:
    """Add `--home`."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        default=environment.default_home,
        show_default="COUNTERPROOF_HOME or ~/.local/share/counterproof",
        help="Folder of the store.",
    )(command)


def progress() -> Callable[[str], None]:
    """Return a function that writes a line of progress with the seconds since now to standard error."""
    began = time.monotonic()
    return lambda line: click.echo(f"[{time.monotonic() - began:6.1f} s] {line}", err=True)


def workplace(home: Path) -> Workplace:
    """Open the installation."""
    return open_workplace(home)


def analysis_environment() -> Environment:
    """Return the analysis environment of this machine."""
    return find_environment()


def sandbox() -> WarmSandbox:
    """Return the sandbox of this machine."""
    return WarmSandbox(search_path=environment.search_path())


def runner(place: Workplace, *, say: Callable[[str], None]) -> Runner:
    """Return what runs studies on this machine."""
    return Runner(
        workplace=place,
        sandbox=sandbox(),
        environment=analysis_environment(),
        api_key=environment.api_key,
        progress=say,
    )


@contextmanager
def traced(place: Workplace, study: str) -> Iterator[None]:
    """Keep the spans of a study while the block runs."""
    with start_tracing(place.store.study_folder(study) / "telemetry" / "spans.otlp.jsonl", study=study):
        yield


def end_with(status: Status, place: Workplace, study: str) -> None:
    """End the command as the study's status asks for.

    Raises:
        DecisionRequired: the study waits for a person.
    """
    if status is Status.WAITING:
        checkpoint = place.store.study(study)["detail"]
        raise DecisionRequired(
            f"Checkpoint {checkpoint} waits for a decision.",
            advice=f"Look: `counterproof show {checkpoint}`. Then: `counterproof decide {checkpoint} approve --as …`.",
        )
    if status is not Status.DONE:
        sys.exit(1 if status is Status.STOPPED else 0)
