"""`counterproof report`: the report of a study, or its plan, as a page, for Word, or in Markdown."""

from __future__ import annotations

from pathlib import Path

import click

from counterproof.agents.study import open_study
from counterproof.ui.common import check_target, home_option, workplace
from counterproof.ui.output import emit, json_option
from counterproof.ui.reports import FORMS, as_file, plan_document, report_document


@click.command(name="report")
@click.argument("study")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file.")
@click.option("--plan", "of_plan", is_flag=True, help="The locked plan, or its last draft, in place of the report.")
@click.option("--force", is_flag=True, help="Replace the file when it exists.")
@home_option
@json_option
def command(study: str, output: Path, of_plan: bool, force: bool, home: Path, as_json: bool) -> None:
    """Write the report of STUDY as .html, .docx or .md, by the ending of the file.

    The text and every number are those of the record; what is signed and verified is the report in the bundle.
    """
    ending = output.suffix.lower()
    if ending not in FORMS:
        raise click.UsageError(f"{output} ends in {ending!r}. Allowed: {', '.join(FORMS)}.")
    if output.exists() and not force:
        raise click.UsageError(f"{output} exists already. Choose another name, or replace it with --force.")
    opened = open_study(workplace(home), study)
    check_target(output)
    document = plan_document(opened) if of_plan else report_document(opened)
    output.write_bytes(as_file(document, ending))
    emit({"file": str(output)}, str(output), as_json=as_json)
