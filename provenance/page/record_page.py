"""The record page: one file that shows a study to people, from the unpacked bundle or from anywhere.

Everything on it comes from the events and their open bodies; nothing from the secure side is read. Text that others
wrote is shown and never interpreted. The page needs no script: a small one unfolds everything, and its policy allows no
other. The same record gives the same bytes.

It does not cover verification: `counterproof verify` does, and the page says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.resources import files

from counterproof.provenance.events import Event
from counterproof.provenance.page import overview, sets
from counterproof.provenance.page.calls import calls, costs
from counterproof.provenance.page.decisions import decisions, plan
from counterproof.provenance.page.programs import checks, programs, runs
from counterproof.provenance.page.results import figures, flow, report, results
from counterproof.provenance.page.timeline import timeline
from counterproof.provenance.page.trace import waterfall
from counterproof.provenance.page.twins import twins
from counterproof.provenance.permissions import purpose_of
from counterproof.provenance.transparency.bodies import Reader
from counterproof.provenance.transparency.markup import Html, document, el, join
from counterproof.provenance.transparency.render_html import read_style
from counterproof.provenance.transparency.story import Story, read_story

_Part = tuple[str, str, Html]
"""Anchor, title and content."""
_SCRIPT = """
"use strict";
const all = () => document.querySelectorAll("details");
const button = document.getElementById("unfold");
button.hidden = false;
button.addEventListener("click", () => {
  const open = button.dataset.open !== "yes";
  all().forEach((one) => { one.open = open; });
  button.dataset.open = open ? "yes" : "no";
  button.textContent = open ? "Fold all" : "Unfold all";
});
"""


def make_page(
    events: Sequence[Event],
    blobs: Reader,
    *,
    spans: bytes = b"",
    steps: Sequence[overview.CheckedStep] = (),
    withheld: Collection[str] = (),
) -> bytes:
    """Return `record.html`. Its links to bodies are relative: it lies beside the folder `record/`.

    Args:
        events: the whole record, its chain checked.
        blobs: where the bodies are; what is on the secure side is not read.
        spans: the content of `spans.otlp.jsonl`; may be empty.
        steps: the steps of a verification, where one was made before.
        withheld: digests of open bodies that this copy leaves out.

    Raises:
        UsageError: it is not the record of a study.
        VerificationFailed: a body is missing or changed.
    """
    return render(read_story(events, blobs, withheld=withheld), spans=spans, steps=steps)


def render(story: Story, *, spans: bytes = b"", steps: Sequence[overview.CheckedStep] = ()) -> bytes:
    """Return the page of a story that was read already."""
    parts = [
        *(_of_analysis(story) if purpose_of(story.created) == "analysis" else _of_set(story)),
        ("model", "What the model saw", calls(story)),
        ("costs", "Tokens", costs(story)),
        ("timeline", "Timeline", timeline(story)),
        ("trace", "Trace", waterfall(spans)),
        ("withheld", "Withheld", overview.withheld(story)),
        ("verification", "Verification", overview.checked(story, steps)),
    ]
    body = join(
        overview.head(story),
        _menu([(name, title) for name, title, _ in parts]),
        el("main", [el("section", el("h2", title), part, id=name) for name, title, part in parts]),
    )
    return document(title=f"{story.title}: record", body=body, style=_style(), script=_SCRIPT)


def _of_analysis(story: Story) -> list[_Part]:
    return [
        ("results", "Results", results(story)),
        ("flow", "Participants", flow(story)),
        ("figures", "Figures and tables", figures(story)),
        ("report", "Report", report(story)),
        ("decisions", "Decisions", decisions(story)),
        ("plan", "Plan", plan(story)),
        ("programs", "Programs", programs(story)),
        ("runs", "Runs", runs(story)),
        ("twins", "Synthetic twins", twins(story)),
        ("checks", "Checks", checks(story)),
    ]


def _of_set(story: Story) -> list[_Part]:
    return [
        ("set", "The set", sets.released(story)),
        ("measures", "Measures", sets.measures(story)),
        ("ratings", "Ratings", sets.ratings(story)),
        ("decisions", "Decisions", decisions(story)),
        ("specification", "Specification", sets.specification(story)),
        ("twins", "Synthetic twins", twins(story)),
    ]


def _menu(parts: Sequence[tuple[str, str]]) -> Html:
    links = [el("a", title, href=f"#{name}") for name, title in parts]
    return el(
        "nav",
        links,
        el("button", "Unfold all", id="unfold", type="button", hidden=True),
        aria_label="Parts of this page",
    )


def _style() -> str:
    own = files("counterproof.provenance.page").joinpath("record.css").read_text(encoding="utf-8")
    return f"{read_style('page.css')}\n{own}"
