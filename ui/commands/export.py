"""`counterproof export`: write the bundle."""

from __future__ import annotations

from pathlib import Path

import click

from counterproof.agents.bundling import make_bundle
from counterproof.agents.study import open_study
from counterproof.provenance.digests import sha256_file
from counterproof.provenance.labels import review_label
from counterproof.provenance.timestamps import Authority
from counterproof.provenance.withheld import Profile
from counterproof.ui.commands.statement import open_items, statement_of
from counterproof.ui.common import check_target, home_option, progress, workplace
from counterproof.ui.gates import exporting_side
from counterproof.ui.output import emit, json_option, say


@click.command(name="export")
@click.argument("study")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The zip file.")
@click.option("--force", is_flag=True, help="Replace the file when it exists.")
@click.option("--redacted", is_flag=True, help="Leave out messages, program outputs, notes, twin, data and spans.")
@click.option("--timestamp", metavar="URL", help="Ask this RFC 3161 authority for a time stamp.")
@click.option(
    "--timestamp-ca",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Certificates (PEM) of that authority; the stamp is checked, and they go into the bundle.",
)
@home_option
@json_option
def command(
    study: str,
    output: Path,
    force: bool,
    redacted: bool,
    timestamp: str | None,
    timestamp_ca: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Write the bundle of STUDY, however it ended.

    The data files are in it only if the study was made with --share-data; what was not released never is. The answers
    to the transparency statement are those of the record. A time stamp is of the manifest, and the authority sees its
    digest only; with one, two exports differ.
    """
    if timestamp_ca is not None and timestamp is None:
        raise click.UsageError("--timestamp-ca is for --timestamp URL.")
    if output.exists() and not force:
        raise click.UsageError(f"{output} exists already. Choose another name, or replace it with --force.")
    place = workplace(home)
    opened = open_study(place, study)
    check_target(output)
    profile: Profile = "redacted" if redacted else "full"
    ca = timestamp_ca.read_bytes() if timestamp_ca is not None else b""
    authority = Authority(url=timestamp, certificates=ca) if timestamp is not None else None
    side = exporting_side(home, opened)
    make_bundle(place, opened, output, profile=profile, authority=authority, progress=progress(), side=side)
    label = review_label(opened.record.events())
    digest = sha256_file(output)
    if opened.settings.purpose == "analysis" and (waiting := open_items(statement_of(opened))):
        say(f"The transparency statement has {len(waiting)} items that nobody answered: counterproof statement {study}")
    say(f"Check it: counterproof verify {output}")
    found = {"file": str(output), "sha256": digest, "review": label, "profile": profile}
    emit(found, f"{output} ({label}{', redacted' if redacted else ''})", as_json=as_json)
