"""`ro-crate-preview.html`: the small page that RO-Crate readers open first, with links to everything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from counterproof.provenance.page.overview import when
from counterproof.provenance.record import Event
from counterproof.provenance.transparency.evidence import counted
from counterproof.provenance.transparency.markup import Html, document, el, join
from counterproof.provenance.transparency.render_html import read_style
from counterproof.provenance.transparency.story import REVIEWED, label_of

_FIRST = {
    "record.html": "The record for people: results, decisions, programs, what the model saw",
    "report.md": "The report",
    "transparency/statement.html": "The transparency statement",
    "README.md": "How to check this bundle",
}


def make_preview(events: Sequence[Event], files: Mapping[str, int]) -> bytes:
    """Return the preview.

    Args:
        events: the whole record.
        files: size of each file of the payload by name.
    """
    created, label = events[0].data, label_of(events)
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
