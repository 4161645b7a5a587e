"""`ro-crate-preview.html`: the small page that RO-Crate readers open first, with links to everything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from counterproof.provenance.events import Event
from counterproof.provenance.interop.steps import STEPS
from counterproof.provenance.interop.workflow_crate import ENGINE, HOST, TOOLS
from counterproof.provenance.labels import REVIEWED, review_label
from counterproof.provenance.page.documents import table
from counterproof.provenance.page.overview import when
from counterproof.provenance.permissions import Purpose, purpose_of
from counterproof.provenance.transparency.evidence import counted
from counterproof.provenance.transparency.markup import Html, document, el, join
from counterproof.provenance.transparency.render_html import read_style

_FIRST = {
    "record.html": "The record for people: results, decisions, programs, what the model saw",
    "report.md": "The report",
    "set/report.html": "The evaluation card of the synthetic set, to read",
    "set/summary.md": "What the set can be used for, and what not, on one page",
    "transparency/statement.html": "The transparency statement",
    "README.md": "How to check this bundle",
}
_OF_ONE_PURPOSE: dict[str, Purpose] = {TOOLS["sandbox"]: "analysis", TOOLS["maker"]: "synthesis"}
_TOOLS = {
    ENGINE: ("Counterproof", "takes the steps of a study in their order, keeps the record, and waits for people."),
    TOOLS["sandbox"]: (
        "Counterproof sandbox",
        "runs programs without a network, with the files that they may read and no others, under limits; what held in "
        "a run stands in its event.",
    ),
    TOOLS["maker"]: (
        "Counterproof maker",
        "makes synthetic rows from the real ones, where those are; which it was and what it was told stands in the "
        "approved specification.",
    ),
    TOOLS["checkpoint"]: (
        "Counterproof checkpoint",
        "shows a person the exact bytes that are to be decided on, and keeps the signed decision.",
    ),
    HOST: (
        "Whoever runs this installation",
        "holds the service key that sealed this bundle; its public half is in keys/service_signers. Nothing else is "
        "known of them here.",
    ),
}


def make_preview(events: Sequence[Event], files: Mapping[str, int]) -> bytes:
    """Return the preview.

    Args:
        events: the whole record.
        files: size of each file of the payload by name.
    """
    created, label = events[0].data, review_label(events)
    purpose = purpose_of(created)
    tools = [(at, said) for at, said in _TOOLS.items() if _OF_ONE_PURPOSE.get(at, purpose) == purpose]
    ended = [str(event.data["ended"]) for event in events if event.type == "study.ended"]
    first = [name for name in _FIRST if name in files]
    rest = [name for name in sorted(files) if not name.startswith("record/blobs/") and name not in first]
    bodies = sum(name.startswith("record/blobs/") for name in files)
    tone = "good" if label == REVIEWED else "warn"
    body = join(
        el("p", "Counterproof bundle", cls="kind"),
        el("h1", str(created["title"])),
        el(
            "p",
            el("span", label, cls=f"badge {tone}"),
            " ",
            el("span", (ended or ["not ended"])[-1].replace("_", " "), cls="badge"),
        ),
        el("p", str(created["question"]), cls="said"),
        el("ul", [el("li", _link(name), f": {_FIRST[name]}") for name in first]),
        el("h2", "Files"),
        el("ul", [el("li", _link(name), el("span", f" {files[name]:,} bytes", cls="soft")) for name in rest]),
        el("p", f"And {counted(bodies, 'body', 'bodies')} under record/blobs/, named by their digests.", cls="soft"),
        el("h2", "What did the work"),
        el("ul", [el("li", el("strong", name), f" {does}", id=at.strip("#")) for at, (name, does) in tools]),
        el("h3", "The way of a study", id="workflow"),
        table(["step", "what happens", "by"], [[step.name, step.does, step.tool] for step in STEPS[purpose]]),
        el(
            "p",
            f"Record from {when(events[0].ts)} to {when(events[-1].ts)} UTC; head ",
            el("code", events[-1].digest),
            cls="soft",
        ),
    )
    return document(title=f"{created['title']}: bundle", body=body, style=read_style("page.css"))


def _link(name: str) -> Html:
    """Return a link to a file of the crate; a name that is no plain path is shown and not linked."""
    address = quote(name, safe="/")
    plain = (
        not name.startswith(("/", "."))
        and "//" not in name
        and ".." not in name.split("/")
        and name.endswith(name.strip("/"))
    )
    return el("a", name, href=address) if plain else el("code", name)
