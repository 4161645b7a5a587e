"""What was released: every number with its way back, the figures, the participants, and the report.

Only released files are shown, and only as far as their bytes are what their names say.
"""

from __future__ import annotations

from typing import Any

from counterproof.provenance.checkpoints import PROPOSED
from counterproof.provenance.commitments import commits_to
from counterproof.provenance.events import Event
from counterproof.provenance.page.decisions import anchor
from counterproof.provenance.page.documents import table
from counterproof.provenance.page.overview import event_links
from counterproof.provenance.page.programs import program_anchor
from counterproof.provenance.transparency.bodies import as_dict, as_list
from counterproof.provenance.transparency.markup import Children, Html, blob_link, data_uri, el, join
from counterproof.provenance.transparency.story import Story

_PNG = b"\x89PNG\r\n\x1a\n"
_FIGURE_MAX = 5_000_000
_TABLE_MAX = 20_000


def results(story: Story) -> Html:
    """Return the released numbers with the way that they came."""
    if not story.released:
        return el("p", "Nothing was released.", cls="soft")
    planned = {str(as_dict(result).get("id")): as_dict(result) for result in as_list(story.plan.get("results"))}
    found = [as_dict(result) for result in as_list(story.released.get("results"))]
    rows = [_row(result, planned, at) for at, result in enumerate(found)]
    held = [str(item) for item in as_list(story.released.get("suppressed"))]
    missing = [name for name in planned if name not in {str(result.get("id")) for result in found}]
    columns = ["result", "value", "interval", "p", "n", "method, population", "planned"]
    return join(
        table(columns, rows, numbers=(1, 4)),
        *[
            el(
                "p",
                f"Warning of a library, {row.get('program')} program: {row.get('kind')}: {row.get('text')}",
                cls="soft",
            )
            for row in map(as_dict, as_list(story.released.get("warnings")))
        ],
        el("p", f"Held back by the output checker: {', '.join(held) or 'nothing'}.", cls="soft"),
        el("p", f"Planned and not released: {', '.join(missing) or 'nothing'}.", cls="soft"),
        el("h3", "Where every number above comes from", id="way"),
        _way(story),
    )


def flow(story: Story) -> Html:
    """Return the participants, from assessed to analysed."""
    given = as_dict(story.released.get("flow"))
    if not given:
        return el("p", "The participant flow was not released.", cls="soft")
    excluded = [
        el("li", el("strong", row.get("n", 0)), " ", str(row.get("reason", "")))
        for row in map(as_dict, as_list(given.get("excluded")))
    ]
    return el(
        "div",
        el("div", el("strong", f"{given.get('assessed')}"), " assessed", cls="box"),
        el("div", "Excluded", el("ul", excluded or el("li", "nobody")), cls="box side"),
        el("div", el("strong", f"{given.get('analysed')}"), " analysed", cls="box"),
        cls="flow card",
    )


def figures(story: Story) -> Html:
    """Return the released figures and tables."""
    shown: list[Children] = []
    for event in story.of_type("results.released")[-1:]:
        for ref in event.refs:
            if ref.role.startswith("output:"):
                name = ref.role.removeprefix("output:")
                shown.append(
                    _file(name, story.bodies.get(ref.sha256), blob_link(ref.sha256, there=story.bodies.has(ref.sha256)))
                )
    return join(shown) if shown else el("p", "No file was released.", cls="soft")


def report(story: Story) -> Html:
    """Return the report's text; each number of a result is a link to it."""
    if not story.report:
        return el("p", "The study ended without a report.", cls="soft")
    anchors = {
        str(as_dict(row).get("id")): f"#result-{at}" for at, row in enumerate(as_list(story.released.get("results")))
    }
    return join([_section(as_dict(section), anchors) for section in as_list(story.report.get("sections"))])


def _section(section: dict[str, Any], anchors: dict[str, str]) -> Html:
    parts: list[Children] = []
    for part in map(as_dict, as_list(section.get("parts"))):
        name = str(part.get("ref", "")).partition(".")[0]
        where = anchors.get(name) or {"plan": "#plan", "flow": "#flow"}.get(name, "")
        text = str(part.get("text", ""))
        parts.append(
            el("a", text, cls="num", href=where, title=str(part.get("ref")))
            if part.get("kind") == "number" and where
            else text
        )
    return el("section", el("h3", str(section.get("name", "")).capitalize()), el("p", parts, cls="said"), cls="prose")


def _row(result: dict[str, Any], planned: dict[str, dict[str, Any]], at: int) -> list[Html | str | int]:
    name = str(result.get("id"))
    low, high, p_value = result.get("ci_low"), result.get("ci_high"), result.get("p_value")
    level = f"{result['ci_level'] * 100:g}%: " if result.get("ci_level") else ""
    primary = "primary" if planned.get(name, {}).get("primary") else "planned"
    return [
        el("span", str(result.get("label")), el("br"), el("code", name, cls="soft"), id=f"result-{at}"),
        join(el("strong", f"{result.get('value', 0):.6g}"), f" {result.get('unit')}"),
        "–" if low is None or high is None else f"{level}{low:.4g} to {high:.4g}",
        "–" if p_value is None else f"{p_value:.3g}",
        int(result.get("n", 0)),
        join(str(result.get("method")), el("br"), el("span", str(result.get("population")), cls="soft")),
        primary if name in planned else "exploratory",
    ]


def _way(story: Story) -> Html:
    """Return number → result → execution → program → approval → plan → data."""
    released: list[Event] = story.of_type("results.released")
    run = next((run for run in story.runs if run.outcome == story.released.get("execution")), None)
    document = released[-1].ref("released").sha256
    steps: list[Children] = [
        [
            "A number of the report names a result of ",
            blob_link(document, there=story.bodies.has(document)),
            " (released, ",
            event_links([released[-1].seq]),
            ")",
        ]
    ]
    checkpoint = str(story.released.get("checkpoint", ""))
    put_up = _put_up(story, released[-1], checkpoint)
    steps.append(["let go at ", el("a", checkpoint, href=f"#{anchor(checkpoint)}"), ", where ", put_up])
    if run is None:
        return join(_chain(steps), el("p", "The record has no execution that gave these results.", cls="notice bad"))
    program = program_anchor(story, run.program)
    steps.append(["read from results.json of the execution ", el("code", run.key), " (", event_links(run.events), ")"])
    steps.append(["of the program ", el("a", run.program, href=program) if program else el("code", run.program)])
    approval = el("a", run.approval, href=f"#{anchor(run.approval)}") if run.approval else el("strong", "no approval")
    steps.append(["that was opened to the data by ", approval])
    locked = story.of_type("plan.locked")
    if locked:
        digest = locked[-1].ref("plan").sha256
        steps.append(
            ["under ", el("a", "the locked plan", href="#plan"), " ", blob_link(digest, there=story.bodies.has(digest))]
        )
    steps.append(
        [
            "on ",
            [
                [", " if at else "", name, " ", el("code", digest)]
                for at, (name, digest) in enumerate(run.inputs.items())
            ],
        ]
    )
    return _chain(steps)


def _put_up(story: Story, released: Event, checkpoint: str) -> Children:
    """Say whether the document that was let go is the one that was put up, and signed over."""
    opened = [event for event in story.of_type("checkpoint.opened") if event.data.get("id") == checkpoint]
    named = [ref.sha256 for event in opened for ref in event.refs if ref.role == PROPOSED]
    body = story.bodies.get(released.ref("released").sha256)
    salt = str(released.data.get("salt", ""))
    if body is None or len(named) != 1 or not commits_to(named[0], salt, body):
        return el("strong", "something else was put up")
    return ["just this was put up (", event_links([opened[0].seq]), "), as the commitment ", el("code", named[0])]


def _chain(steps: list[Children]) -> Html:
    return el("ol", [el("li", step) for step in steps], cls="way")


def _file(name: str, data: bytes | None, link: Html) -> Html:
    caption = el("figcaption", name, " ", link, cls="soft small")
    if data is None:
        return el("figure", el("p", "This copy withholds it.", cls="soft"), caption)
    if name.endswith(".png") and data.startswith(_PNG) and len(data) <= _FIGURE_MAX:
        return el("figure", el("img", src=data_uri("image/png", data), alt=name), caption, cls="card")
    if name.endswith(".svg") and len(data) <= _FIGURE_MAX:
        return el("figure", el("img", src=data_uri("image/svg+xml", data), alt=name), caption, cls="card")
    if name.endswith(".csv") and len(data) <= _TABLE_MAX:
        text = data.decode("utf-8", errors="replace")
        return el("figure", el("pre", el("code", text), cls="code plain", tabindex=0), caption, cls="card")
    return el("figure", el("p", f"{len(data):,} bytes; open it from the bundle.", cls="soft"), caption)
