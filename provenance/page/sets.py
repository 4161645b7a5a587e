"""A synthetic set: what people asked for, what was released, how it was measured, and who rated it.

Only what was released is shown: before that, the set and what was measured on it are on the secure side.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from counterproof.provenance.events import Event
from counterproof.provenance.page.documents import readable, scalar, table, words
from counterproof.provenance.page.overview import badge, event_links
from counterproof.provenance.transparency.bodies import as_dict, as_list
from counterproof.provenance.transparency.markup import Children, Html, blob_link, el, join
from counterproof.provenance.transparency.story import Ruling, Story

_TONES = {"pass": "good", "flag": "warn", "fail": "bad"}
_NOTHING = "No set was released, or this copy leaves it out."


def released(story: Story) -> Html:
    """Return what was released, for what, with which limits, and its files."""
    subject, card = _body(story, "subject"), _body(story, "file:card.json")
    if not subject:
        return el("p", _NOTHING, cls="soft")
    (event,) = story.of_type("set.released")[-1:]
    made = as_dict(as_dict(card.get("provenance")).get("maker"))
    facts: list[tuple[str, Children]] = [
        ("May be used for", el("span", scalar(subject.get("may")), cls="said")),
        ("Not for", el("span", scalar(subject.get("may_not")), cls="said")),
        ("Rows or texts", scalar(subject.get("rows"))),
        ("Made by", readable(made) if made else "–"),
        ("Released", ["by ", el("code", str(event.data.get("checkpoint"))), ", ", event_links([event.seq])]),
    ]
    return join(
        el("p", el("strong", "Synthetic, never real. "), "No finding about people can rest on it.", cls="notice warn"),
        el("dl", [[el("dt", name), el("dd", value)] for name, value in facts]),
        el("h3", "Files"),
        table(["file", "bytes", "sha256"], _files(story, event), numbers=(1,)),
        el("h3", "Limits"),
        el("ul", [el("li", scalar(limit)) for limit in as_list(subject.get("limits"))] or el("li", "none was named")),
        el("h3", "What was found in it"),
        readable(as_list(subject.get("findings"))),
    )


def specification(story: Story) -> Html:
    """Return the specification that was approved last; one that was edited as the reviewer left it."""
    approved = [one for one in story.decided if (one.kind, one.decision) == ("specification", "approve")]
    if not approved:
        return el("p", "No specification was approved.", cls="soft")
    last = approved[-1]
    document = _approved(story, last)
    return join(
        el("p", "Approved at ", el("code", last.checkpoint), ", ", event_links(last.events), cls="soft"),
        readable(document) if document else el("p", "This copy leaves it out.", cls="soft"),
    )


def measures(story: Story) -> Html:
    """Return each number of the evaluation card, between what is worthless and what is real."""
    card = _body(story, "file:card.json")
    found = [
        (section, measure)
        for section, part in card.items()
        for measure in map(as_dict, as_list(part))
        if as_dict(measure.get("definition"))
    ]
    if not found:
        return el("p", _NOTHING, cls="soft")
    columns = ["measure", "value", "floor", "ceiling", "better is", "verdict"]
    return join(
        el("p", "Floor: shuffled or worthless data. Ceiling: other real rows. Formulas and sources: ", _report(story)),
        table(columns, [_measure(section, measure) for section, measure in found], numbers=(1, 2, 3)),
    )


def ratings(story: Story) -> Html:
    """Return how people rated the set without knowing which items are real, and how far they agreed."""
    judged = story.of_type("set.judged")[-1:]
    lines = _lines(story, judged[0].ref("ratings").sha256) if judged else []
    if not lines:
        return el("p", "Nobody rated it, or this copy leaves the ratings out.", cls="soft")
    guesses = Counter((str(line.get("rater")), str(line.get("guess"))) for line in lines)
    raters = list(dict.fromkeys(rater for rater, _ in guesses))
    taken = ((rater, guesses[rater, "real"], guesses[rater, "synthetic"]) for rater in raters)
    rows: list[list[Html | str | int]] = [[rater, real + made, real, made] for rater, real, made in taken]
    subject = _body(story, "subject")
    said, agreed = (as_dict(as_dict(subject.get(part)).get("facts")) for part in ("human", "agreement"))
    return join(
        el("p", "Not signed; names are as the raters gave them. ", event_links([judged[0].seq]), cls="soft"),
        table(["rater", "items", "took for real", "took for synthetic"], rows, numbers=(1, 2, 3)),
        join(el("h3", "What they said"), readable(said)) if said else None,
        join(el("h3", "How far they agreed"), _agreement(agreed)) if agreed else None,
    )


def _agreement(facts: dict[str, Any]) -> Html:
    rows: list[list[Html | str | int]] = []
    for name, found in facts.items():
        value, *interval = as_list(found) or [found]
        of = name.removesuffix(" (value, 95 % interval)")
        rows.append([of, _number(value), " to ".join(map(_number, interval)) or "–"])
    return table(["coefficient", "value", "95 % interval"], rows, numbers=(1,))


def _body(story: Story, role: str) -> dict[str, Any]:
    """Return a document of the set that was released; empty where there is none."""
    for event in story.of_type("set.released")[-1:]:
        for ref in event.refs:
            if ref.role == role and story.bodies.has(ref.sha256):
                return as_dict(story.bodies.json(ref.sha256))
    return {}


def _approved(story: Story, ruling: Ruling) -> dict[str, Any]:
    if not story.bodies.has(ruling.subject):
        return {}
    return as_dict(as_dict(story.bodies.json(ruling.subject)).get("editable"))


def _files(story: Story, event: Event) -> list[list[Html | str | int]]:
    files = [(ref.role.removeprefix("file:"), ref) for ref in event.refs if ref.role.startswith("file:")]
    return [[name, f"{ref.size:,}", blob_link(ref.sha256, there=story.bodies.has(ref.sha256))] for name, ref in files]


def _report(story: Story) -> Html:
    there = bool(_body(story, "file:card.json"))
    return el("a", "set/report.html", href="set/report.html") if there else el("code", "set/report.html")


def _measure(section: str, measure: dict[str, Any]) -> list[Html | str | int]:
    definition, verdict = as_dict(measure["definition"]), str(measure.get("verdict"))
    why = str(measure.get("reason") or "")
    return [
        join(scalar(definition.get("title")), el("br"), el("span", words(section), cls="soft")),
        *(_number(measure.get(name)) for name in ("value", "floor", "ceiling")),
        str(definition.get("direction", "")).removesuffix(" is better"),
        join(badge(verdict, _TONES.get(verdict, "")), f" {why}" if why else None),
    ]


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) and not isinstance(value, bool) else "–"


def _lines(story: Story, digest: str) -> list[dict[str, Any]]:
    data = story.bodies.get(digest) or b""
    return [as_dict(json.loads(line)) for line in data.splitlines()]
