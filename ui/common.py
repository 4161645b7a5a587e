"""What commands share: the store's option, opening the installation, progress, and how a command ends.

Nothing here imports the study graph or a model client, which takes more than a second: `running` does.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import click
from opentelemetry.sdk.trace import SpanProcessor

from counterproof.agents.study import BODY_KEYS, Workplace, open_study, open_workplace
from counterproof.provenance.errors import DecisionRequired, MachineTrouble, UsageError
from counterproof.provenance.otlp_endpoint import OtlpEndpoint, read_endpoint
from counterproof.provenance.store import ENDED, Status
from counterproof.provenance.tracing import start_tracing
from counterproof.ui import environment
from counterproof.ui.output import say
from counterproof.ui.vaults import open_body_keys, open_vault

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
    return lambda line: say(f"[{time.monotonic() - began:6.1f} s] {line}")


def workplace(home: Path) -> Workplace:
    """Open the installation, on the database that the environment names."""
    vault = open_vault(home / "vault")
    keys = open_body_keys(home / BODY_KEYS)
    database, bodies = environment.database(), environment.bodies()
    return open_workplace(home, vault=vault, body_keys=keys, database=database, bodies=bodies)


def check_target(path: Path) -> None:
    """Find out before a long run whether its file can be written at the end; makes the folder.

    Raises:
        UsageError: it is a folder.
        MachineTrouble: its folder can't be written.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", advice="Name a file with -o.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise MachineTrouble(
            f"The file {path} can't be written: {error.strerror}.", advice="Name another with -o; nothing was changed."
        ) from error


@contextmanager
def traced(place: Workplace, study: str) -> Iterator[None]:
    """Keep the spans of a study while the block runs, and send them where the environment asks for it."""
    endpoint = read_endpoint(environment.otlp_variables())
    outlet = _outlet(endpoint) if endpoint else None
    try:
        file = place.store.study_folder(study) / "telemetry" / "spans.otlp.jsonl"
        with start_tracing(file, study=study, outlet=outlet) as degraded:
            if degraded and Status(place.store.study(study)["status"]) not in ENDED:
                open_study(place, study).record.append("tracing.degraded", data={"reason": degraded})
            yield
    finally:
        if outlet is not None:
            outlet.force_flush()


@cache
def _outlet(endpoint: OtlpEndpoint) -> SpanProcessor:
    from counterproof.provenance.otlp import Outlet  # lazy: the exporter takes 60 ms and is rarely asked for

    return Outlet(endpoint, tell=say)


def end_with(status: Status, place: Workplace, study: str) -> None:
    """End the command as the study's status asks for.

    Raises:
        DecisionRequired: the study waits for a person, at a checkpoint or because its budget is spent.
    """
    if status is Status.WAITING:
        checkpoint = place.store.study(study)["detail"]
        raise DecisionRequired(
            f"Checkpoint {checkpoint} waits for a decision.",
            advice=f"Look: `counterproof show {checkpoint}`. Then: `counterproof decide {checkpoint} approve --as …`.",
        )
    if status is Status.OVER_BUDGET:
        raise DecisionRequired(str(place.store.study(study)["detail"]))
    if status is not Status.DONE:
        sys.exit(1 if status is Status.STOPPED else 0)
