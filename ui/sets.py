"""Reading what the checkpoints of a synthetic set show: its specification, a sample of it, and its release."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from counterproof.tools.synth.report.summary import plain_number
from counterproof.tools.synth.specification import SetSpecification, readable_specification
from counterproof.ui.subjects import Listing, Row, SetPart

WHAT_CODE_FOUND = "What code found, on the way and in the set"
_NOTHING = "Nothing. That does not mean that there is nothing."


def is_of_a_set(subject: dict[str, Any]) -> bool:
    """Say whether the subject of a release is that of a synthetic set."""
    return "specification" in subject


def specification_part(subject: dict[str, Any]) -> SetPart:
    """Return what a specification shows."""
    data = [{"file": row["name"], "bytes": f"{row['size']:,}", "sha256": row["sha256"]} for row in subject["data"]]
    named = [
        {"column": row["column"], "why": row["reason"], "said": row["said"]} for row in subject.get("identifiers", [])
    ]
    opens = "An approval opens these real data to the maker, once." if subject["order"] else "No real data are opened."
    listings = [
        *_reasons(subject),
        Listing(title="Made from", rows=tuple(data)),
        *_maker(subject),
        Listing(title="Columns that may identify a person: made up", rows=tuple(named), empty="None was found."),
    ]
    told = readable_specification(SetSpecification.model_validate(subject["editable"]))
    return SetPart(notice=opens, markdown=told, listings=tuple(listings), items=())


def sample_part(subject: dict[str, Any]) -> SetPart:
    """Return what a sample shows."""
    session = subject["session"]
    notice = f"Made in round {subject['round']}: {subject['items']} items, {len(subject['shown'])} of them here. "
    notice += f"A rating session of {session['items']} items is on the page Synthetic, as {session['set']}"
    notice += f"; {session['raters']} people must have rated all of them." if session["raters"] else "."
    listings = [*_reasons(subject), _findings(subject), _files(subject)]
    images = tuple(base64.b64decode(png) for png in subject["images"])
    return SetPart(notice=notice, markdown="", listings=tuple(listings), items=tuple(subject["shown"]), images=images)


def set_release_part(subject: dict[str, Any]) -> SetPart:
    """Return what the release of a set shows."""
    facts = [
        {"what": what, "found": fact_text(value)}
        for section in ("human", "agreement")
        for what, value in subject[section]["facts"].items()
    ]
    said = f"{subject['human']['status']}. {subject['human']['reason']}".strip()
    limits = [{"limit": limit} for limit in subject["limits"]]
    listings = [
        Listing(title="What people said", rows=tuple(facts), empty=said),
        _findings(subject),
        Listing(title="What the card can't say", rows=tuple(limits)),
        _files(subject),
    ]
    markdown = f"May be used for: {subject['may']}\n\nNot for: {subject['may_not']}"
    notice = (
        f"{subject['rows']:,} rows or texts, rated by {subject['raters']} people. It is released whole or not at all."
    )
    return SetPart(notice=notice, markdown=markdown, listings=tuple(listings), items=())


def set_text(part: SetPart) -> list[str]:
    """Return what a checkpoint of a set shows, for a terminal."""
    lines = [part.notice, "", *part.markdown.splitlines()]
    for listing in part.listings:
        lines += ["", f"{listing.title}:"]
        lines += ["- " + "; ".join(row.values()) for row in listing.rows] or [f"- {listing.empty or 'none'}"]
    for number, item in enumerate(part.items, start=1):
        lines += ["", f"== item {number}", "", *item.splitlines()]
        lines += ["", "(its image is on the page)"] if part.images[number - 1] else []
    return lines


def set_hints(subject: dict[str, Any]) -> Iterator[str]:
    """Return what makes a sample or the release of a set risky, in a few words."""
    if subject.get("reasons"):
        yield "rejected before"
    if subject["flagged"]:
        yield f"{len(subject['flagged'])} numbers of the card don't keep their limits"
    found = sum(row["kind"] != "card" for row in subject["findings"])
    if found:
        yield f"{found} findings of code"


def fact_text(value: object) -> str:
    """Return one fact of a card's section as text."""
    if isinstance(value, list | tuple):
        return ", ".join(map(fact_text, value))
    return plain_number(value) if isinstance(value, float) else "–" if value is None else str(value)


def _reasons(subject: dict[str, Any]) -> list[Listing]:
    rows = tuple({"reason": reason} for reason in subject["reasons"])
    return [Listing(title="The sample before was rejected", rows=rows)] if rows else []


def _maker(subject: dict[str, Any]) -> list[Listing]:
    """Return what a maker takes of the policy's epsilon, and what a model that writes rows is told."""
    limits, editable, found = subject["limits"], subject["editable"], list[Listing]()
    if editable["epsilon"]:
        row = {
            "epsilon": f"{editable['epsilon']:g}",
            "taken by earlier sets of this study": f"{limits['spent']:g}",
            "the policy allows": f"{limits['epsilon']:g}",
        }
        found.append(Listing(title="Differential privacy", rows=(row,)))
    if subject["model"] and subject["order"]:
        sees = "columns, with levels and ranges as in the profile, and what `about` says"
        if editable["examples"]:
            sees += f"; and {editable['examples']} real rows, which are open to it"
        found.append(Listing(title="A model writes the rows", rows=({"model": subject["model"], "is told": sees},)))
    return found


def _findings(subject: dict[str, Any]) -> Listing:
    rows: list[Row] = [{"what": row["kind"], "where": row["item"], "found": row["text"]} for row in subject["findings"]]
    return Listing(title=WHAT_CODE_FOUND, rows=tuple(rows), empty=_NOTHING)


def _files(subject: dict[str, Any]) -> Listing:
    rows = tuple({"file": name, "commitment": commitment} for name, commitment in subject["files"].items())
    return Listing(title="Its files", rows=rows)
