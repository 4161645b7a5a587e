"""Who decided what, on which bytes, and the plan that came of it."""

from __future__ import annotations

from counterproof.provenance.events import Event
from counterproof.provenance.page.documents import readable
from counterproof.provenance.page.overview import badge, event_links, when
from counterproof.provenance.reviewers import REPLAY_LABEL
from counterproof.provenance.transparency.markup import Children, Html, blob_link, el, join
from counterproof.provenance.transparency.story import Ruling, Story

_TONES = {"approve": "good", "edit": "warn", "reject": "bad", "replan": "bad", "withdraw": "bad"}
_ORDER = ("title", "question", "design", "estimand", "methods", "results")


def decisions(story: Story) -> Html:
    """Return every checkpoint with what was decided."""
    if not story.rulings:
        return el("p", "No checkpoint was put up.", cls="soft")
    return join([_ruling(story, ruling) for ruling in story.rulings])


def plan(story: Story) -> Html:
    """Return the locked plan, or say that there is none."""
    locked = story.of_type("plan.locked")
    if not locked or not story.plan:
        return el("p", "No plan was locked, or this copy leaves it out.", cls="soft")
    digest = locked[-1].ref("plan").sha256
    named = {name: story.plan[name] for name in _ORDER if name in story.plan}
    rest = {name: value for name, value in story.plan.items() if name not in named}
    return join(
        [_earlier(story, number, event) for number, event in enumerate(locked[:-1], start=1)],
        el(
            "p", "Locked ", when(locked[-1].ts), " UTC, ", blob_link(digest, there=story.bodies.has(digest)), cls="soft"
        ),
        readable({**named, **rest}),
    )


def _earlier(story: Story, number: int, locked: Event) -> Html:
    """Return a version of the plan that another one replaced, and where the reason for that stands."""
    digest = locked.ref("plan").sha256
    back = [one for one in story.decided if one.decision == "replan" and one.opened > locked.seq]
    why = el("a", back[0].checkpoint, href=f"#{anchor(back[0].checkpoint)}") if back else "no decision"
    link = blob_link(digest, there=story.bodies.has(digest))
    return el(
        "p", f"Version {number}: locked ", when(locked.ts), " UTC, ", link, ", sent back at ", why, ".", cls="soft"
    )


def _affiliation(ruling: Ruling) -> Children:
    if not ruling.ror:
        return ruling.affiliation or "not said"
    return [f"{ruling.affiliation}, ", el("a", f"ror.org/{ruling.ror}", href=f"https://ror.org/{ruling.ror}")]


def _ruling(story: Story, ruling: Ruling) -> Html:
    decided = ruling.seq is not None
    label = badge(REPLAY_LABEL, "warn") if ruling.replayed else None
    orcid = el("a", ruling.orcid, href=f"https://orcid.org/{ruling.orcid}") if ruling.orcid else "no ORCID iD"
    rows: list[tuple[str, Children]] = [
        ("Put up", [when(ruling.opened_at), " UTC, ", event_links([ruling.opened])]),
        ("On these bytes", _bytes(story, ruling)),
    ]
    if decided:
        rows += [
            ("By", [el("strong", ruling.name), f", {ruling.role}, ", orcid]),
            ("Affiliation", _affiliation(ruling)),
            ("Reason", el("span", ruling.comment, cls="said")),
            ("Meaning of the signature", ruling.meaning),
            (
                "Signed",
                [
                    f"{when(ruling.decided_at)} UTC, after ",
                    _waited(ruling.waited_s),
                    ", ",
                    event_links(ruling.events[1:]),
                ],
            ),
            ("Key", el("code", ruling.fingerprint)),
        ]
        if ruling.edited:
            rows.append(("New content", blob_link(ruling.edited, there=story.bodies.has(ruling.edited))))
    verdict = (
        badge(ruling.decision, "" if ruling.replayed else _TONES.get(ruling.decision, ""))
        if decided
        else badge("not decided", "warn")
    )
    return el(
        "section",
        el(
            "h3",
            f"{ruling.kind.capitalize()} ",
            el("span", ruling.checkpoint, cls="soft small"),
            " ",
            verdict,
            " ",
            label,
        ),
        el("dl", [[el("dt", name), el("dd", value)] for name, value in rows]),
        cls="ruling card " + ("scripted" if ruling.replayed else ruling.decision or "open"),
        id=anchor(ruling.checkpoint),
    )


def _bytes(story: Story, ruling: Ruling) -> Children:
    there = story.bodies.has(ruling.subject)
    opened = story.opened.get(ruling.subject, "")
    if opened:
        signed = " (opened at the release; what was signed is its commitment "
        return [blob_link(opened, there=story.bodies.has(opened)), signed, el("code", ruling.subject[:12]), "…)"]
    note = "" if there else " (on the secure side: shown to the reviewer, not in this bundle)"
    return [blob_link(ruling.subject, there=there), note]


def _waited(seconds: float | None) -> str:
    if seconds is None:
        return "an unknown time"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def anchor(checkpoint: str) -> str:
    """Return the anchor of a checkpoint; whatever its id holds, the anchor is plain."""
    return "checkpoint-" + "".join(
        sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in checkpoint
    )
