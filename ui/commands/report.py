"""`counterproof report`: the report of a study, or its plan, as a page, for Word, or in Markdown."""

from __future__ import annotations

import json
from pathlib import Path

import click

from counterproof.agents.study import OpenStudy, open_study
from counterproof.provenance.errors import UsageError
from counterproof.provenance.numbers import to_markdown
from counterproof.tools.plan import Plan, readable_plan
from counterproof.tools.report import flow_diagram
from counterproof.tools.report.formats import to_docx, to_html
from counterproof.tools.results import Flow
from counterproof.ui.common import check_target, home_option, workplace
from counterproof.ui.output import emit, json_option

_FORMS = (".html", ".docx", ".md")


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
    if ending not in _FORMS:
        raise click.UsageError(f"{output} ends in {ending!r}. Allowed: {', '.join(_FORMS)}.")
    if output.exists() and not force:
        raise click.UsageError(f"{output} exists already. Choose another name, or replace it with --force.")
    opened = open_study(workplace(home), study)
    check_target(output)
    title, markdown, figures = _plan(opened) if of_plan else _report(opened)
    match ending:
        case ".html":
            content = to_html(markdown, title=title, figures=figures).encode()
        case ".docx":
            content = to_docx(markdown, title=title)
        case _:
            content = markdown.encode()
    output.write_bytes(content)
    emit({"file": str(output)}, str(output), as_json=as_json)


def _plan(study: OpenStudy) -> tuple[str, str, tuple[str, ...]]:
    events = study.record.of_type("plan.locked") or study.record.of_type("plan.drafted")
    if not events:
        raise UsageError(f"Study {study.id} has no plan yet.", advice=f"Go on with it: counterproof run {study.id}")
    plan = Plan.model_validate_json(study.record.blobs.get(events[-1].ref("plan").sha256))
    return plan.title, readable_plan(plan), ()


def _report(study: OpenStudy) -> tuple[str, str, tuple[str, ...]]:
    events = study.record.of_type("report.rendered")
    if not events:
        raise UsageError(
            f"Study {study.id} has no report.",
            advice=f"`counterproof show {study.id}` says how far it came; --plan writes its plan.",
        )
    document = json.loads(study.record.blobs.get(events[-1].ref("report").sha256))
    released = json.loads(study.record.blobs.get(document["released"]))
    flow = released["flow"]
    figures = (flow_diagram(Flow.model_validate(flow)),) if flow else ()
    return document["title"], to_markdown(document), figures
