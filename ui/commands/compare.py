"""`counterproof compare`: models × tasks, and what came of it."""

from __future__ import annotations

from pathlib import Path

import click

from counterproof.ui.common import home_option
from counterproof.ui.output import emit, json_option


@click.command(name="compare")
@click.argument("campaign")
@home_option
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes on this machine; default: its cores.")
@click.option("--scheduler", metavar="ADDRESS", help="Use the workers of this Dask scheduler.")
@click.option(
    "--queue",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Ask a batch system for workers, as this TOML file says (SLURM, PBS, LSF).",
)
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the comparison as an HTML page.")
@click.option("-o", "--bundle", type=click.Path(path_type=Path, dir_okay=False), help="Write the bundle.")
@click.option("--dry-run", is_flag=True, help="List the cells and do none.")
@json_option
def command(
    campaign: str,
    home: Path,
    workers: int | None,
    scheduler: str | None,
    queue: Path | None,
    report: Path | None,
    bundle: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Compare models on tasks whose answers are held out: CAMPAIGN is a file, or one of ours (dream-style).

    Each cell (a model, a task, a language, a way of working, a repeat) is done once, however often the command is
    stopped and started again. Programs run without approval, so the data of tasks are open or simulated; answers are
    read by the scoring alone. Exit code 4 when a cell could not be done: start the command again.
    """
    if sum(option is not None for option in (workers, scheduler, queue)) > 1:
        raise click.UsageError("--workers, --scheduler and --queue exclude each other.")
    from counterproof.ui.comparing import compare  # lazy: distributed and the study graph take more than a second

    value, text = compare(
        campaign,
        home,
        workers=workers,
        scheduler=scheduler or "",
        queue=queue,
        report=report,
        bundle=bundle,
        dry_run=dry_run,
    )
    emit(value, text, as_json=as_json)
