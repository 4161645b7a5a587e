"""The report of a study, or its plan, as a page, for Word, or in Markdown; the same from a command and on a page."""

from __future__ import annotations

import json
from dataclasses import dataclass

from counterproof.agents.study import OpenStudy
from counterproof.provenance.errors import UsageError
from counterproof.provenance.numbers import to_markdown
from counterproof.tools.plan import Plan, readable_plan
from counterproof.tools.report import flow_diagram
from counterproof.tools.report.formats import to_docx, to_html
from counterproof.tools.results import Flow
from counterproof.ui.quoting import visible

FORMS = (".html", ".docx", ".md")


@dataclass(frozen=True, kw_only=True)
class Document:
    """A report or a plan: its title, its text in Markdown, and figures as SVG."""

    title: str
    markdown: str
    figures: tuple[str, ...] = ()


def plan_document(study: OpenStudy) -> Document:
    """Return the locked plan, or its last draft.

    Raises:
        UsageError: there is none yet.
    """
    events = study.record.of_type("plan.locked") or study.record.of_type("plan.drafted")
    if not events:
        raise UsageError(f"Study {study.id} has no plan yet.", advice=f"Go on with it: counterproof run {study.id}")
    plan = Plan.model_validate_json(study.record.blobs.get(events[-1].ref("plan").sha256))
    return Document(title=plan.title, markdown=readable_plan(plan))


def report_document(study: OpenStudy) -> Document:
    """Return the report, with the diagram of participants.

    Raises:
        UsageError: there is none.
    """
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
    return Document(title=document["title"], markdown=to_markdown(document), figures=figures)


def as_file(document: Document, ending: str) -> bytes:
    """Return the content of a file with this ending, one of `FORMS`; no character in it steers a screen."""
    markdown = visible(document.markdown, longest=len(document.markdown))
    match ending:
        case ".html":
            return to_html(markdown, title=visible(document.title), figures=document.figures).encode()
        case ".docx":
            return to_docx(markdown, title=visible(document.title))
        case _:
            return markdown.encode()
