"""The head of the record page: what this is, how it ended, what was checked, what is not shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from counterproof.provenance.errors import CounterproofError
from counterproof.provenance.labels import REVIEWED, mode_notice
from counterproof.provenance.page.documents import table
from counterproof.provenance.permissions import purpose_of
from counterproof.provenance.reviewers import REPLAY_LABEL
from counterproof.provenance.transparency.counts import Counts, count
from counterproof.provenance.transparency.evidence import Finding, Lacking, NotApplicable
from counterproof.provenance.transparency.evidence_oversight import binding, lineage, order_of_steps
from counterproof.provenance.transparency.markup import Children, Html, blob_link, el, join
from counterproof.provenance.transparency.story import Story

_ENDED = {
    "done": "Done: the report was signed off.",
    "released": "Done: the set was released.",
    "cannot_conclude": "Can't conclude: the study ended without an answer.",
    "rejected": "Rejected by a reviewer.",
    "withdrawn": "Withdrawn.",
}
_GOES_ON = "It goes on, or its end is unknown."
_TONES = {"ok": "good", "failed": "bad", "not applicable": "", "cannot be checked here": "warn"}


class CheckedStep(Protocol):
    """One step of a verification; `verify.Step` is one."""

    @property
    def number(self) -> int:
        """Its number."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def outcome(self) -> str:
        """`ok`, `failed`, `not applicable` or `cannot be checked here`."""
        ...

    @property
    def evidence(self) -> tuple[str, ...]:
        """What was found."""
        ...


def head(story: Story) -> Html:
    """Return title, label and outcome."""
    tone = "good" if story.label == REVIEWED else "warn"
    notice = None
    if story.replayed:
        text = "The decisions of this study are scripted: no person looked at it. It is a test or a demonstration."
        notice = el("p", el("strong", f"{REPLAY_LABEL.capitalize()}. "), text, cls="notice warn")
    elif mode_notice(story.events[0]):
        notice = el("p", el("strong", mode_notice(story.events[0])), cls="notice warn")
    return el(
        "header",
        el("p", "Record of a study", cls="kind"),
        el("h1", story.title),
        el("p", el("span", story.label, cls=f"badge {tone}"), " ", _ended(story), cls="badges"),
        notice,
        el("p", story.question, cls="said question"),
        _facts(story),
    )


def _ended(story: Story) -> Html:
    if not story.ended:
        return el("span", "not ended", cls="badge warn")
    tone = "good" if story.ended == "done" else "bad"
    return el("span", story.ended.replace("_", " "), cls=f"badge {tone}")


def _facts(story: Story) -> Html:
    made = count(story)
    of_set = purpose_of(story.created) != "analysis"
    ended = _ENDED.get("released" if of_set and story.ended == "done" else story.ended, _GOES_ON)
    rows: list[tuple[str, Children]] = [
        ("Study", el("code", story.study)),
        ("How it ended", [ended, f" {story.reason}" if story.reason else ""]),
        ("From – to", f"{when(story.events[0].ts)} – {when(story.events[-1].ts)} UTC"),
        (
            "Decisions",
            f"{made.approved} approved, {made.edited} edited, {made.rejected} rejected, {made.withdrawn} withdrawn",
        ),
        ("Model calls", f"{made.model_calls} ({made.model_calls_failed} failed, {made.model_calls_cut_off} cut off)"),
        *(_of_set(story) if of_set else _of_analysis(made)),
        ("Head of the record", el("code", story.events[-1].digest)),
    ]
    return el("dl", [[el("dt", name), el("dd", value)] for name, value in rows], cls="facts")


def _of_analysis(made: Counts) -> list[tuple[str, Children]]:
    return [
        ("Program runs", f"{made.executions_twin} on the twin, {made.executions_real} on the real data"),
        ("Released", f"{made.released} results, {made.suppressed} items held back"),
    ]


def _of_set(story: Story) -> list[tuple[str, Children]]:
    opened, sets = len(story.numbers("gate.opened")), len(story.numbers("set.made"))
    return [
        ("Sets made", f"{sets}; the real data were opened {opened} times"),
        ("Released", "one set" if story.numbers("set.released") else "nothing"),
    ]


def checked(story: Story, steps: Sequence[CheckedStep]) -> Html:
    """Return what was checked of the record, and how to check it oneself."""
    found = [*_own_checks(story)]
    own: list[list[Html | str | int]] = [[name, badge(outcome, _TONES[outcome]), text] for name, outcome, text in found]
    given: list[list[Html | str | int]] = [
        [f"{step.number} {step.name}", badge(step.outcome, _TONES.get(step.outcome, "bad")), "; ".join(step.evidence)]
        for step in steps
    ]
    return join(
        el("p", "A page can say anything. Check the bundle that it came in, offline:"),
        el("pre", el("code", "counterproof verify FILE.zip\ncounterproof replay FILE.zip"), cls="command"),
        el("h3", "Found while this page was written"),
        table(["what", "outcome", "evidence"], own),
        [el("h3", "Steps of a verification"), table(["step", "outcome", "evidence"], given)] if given else None,
    )


def _own_checks(story: Story) -> list[tuple[str, str, str]]:
    linked = all(
        two.prev == one.digest and two.seq == one.seq + 1
        for one, two in zip(story.events, story.events[1:], strict=False)
    )
    chain = f"{len(story.events)} events, each with the hash of the one before"
    found = [
        ("chain", "ok" if linked else "failed", chain if linked else "an event does not follow from the one before")
    ]
    digests = story.bodies.open_digests()
    try:
        for digest in digests:
            story.bodies.check(digest)
        found.append(("bodies", "ok", f"{len(digests)} bodies, each with its digest"))
    except CounterproofError as error:
        found.append(("bodies", "failed", str(error)))
    for name, finding in (
        ("signatures", binding(story)),
        ("approval before execution", order_of_steps(story)),
        ("numbers of the report", lineage(story)),
    ):
        found.append((name, *_outcome(finding)))
    return found


def _outcome(finding: Finding) -> tuple[str, str]:
    if isinstance(finding, NotApplicable):
        return "not applicable", finding.reason
    if isinstance(finding, Lacking):
        return "failed", finding.why
    return "ok", "; ".join(one.text for one in finding)


def withheld(story: Story) -> Html:
    """Return the list of what is not shown."""
    rows = story.bodies.withheld()
    if not rows:
        return el("p", "Nothing is withheld.", cls="soft")
    return table(
        ["what", "bytes", "why", "events", "sha256"],
        [
            [row.role, f"{row.size:,}", row.why, join(event_links(row.events)), blob_link(row.sha256, there=False)]
            for row in rows
        ],
        numbers=(1,),
    )


def event_links(events: Sequence[int]) -> list[Children]:
    """Return links to events."""
    return [[", " if at else "", el("a", seq, href=f"#event-{seq}")] for at, seq in enumerate(events)]


def badge(text: str, tone: str = "") -> Html:
    """Return a short word with a colour."""
    return el("span", text, cls=f"badge {tone}".strip())


def when(ts: str) -> str:
    """Return a time of the record for reading."""
    return ts[:19].replace("T", " ")
