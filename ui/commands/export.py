"""`counterproof export`: write the bundle."""

from __future__ import annotations

from pathlib import Path

import click

from counterproof.agents.runner import make_bundle
from counterproof.agents.study import open_study
from counterproof.provenance.bundle import review_label
from counterproof.provenance.digests import sha256_file
from counterproof.ui.common import check_target, home_option, workplace
from counterproof.ui.output import emit, json_option, say


@click.command(name="export")
@click.argument("study")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The zip file.")
@click.option("--force", is_flag=True, help="Replace the file when it exists.")
@home_option
@json_option
def command(study: str, output: Path, force: bool, home: Path, as_json: bool) -> None:
    """Write the bundle of STUDY, however it ended.

    The data files are in it only if the study was made with --share-data; what was not released never is.
    """
    if output.exists() and not force:
        raise click.UsageError(f"{output} exists already. Choose another name, or replace it with --force.")
    place = workplace(home)
    opened = open_study(place, study)
    check_target(output)
    make_bundle(place, opened, output)
    label = review_label(opened.record.events())
    digest = sha256_file(output)
    say(f"Check it: counterproof verify {output}")
    emit({"file": str(output), "sha256": digest, "review": label}, f"{output} ({label})", as_json=as_json)
