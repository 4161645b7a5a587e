"""The transparency statement as one HTML file: no script, nothing from elsewhere, everything escaped."""

from __future__ import annotations

from importlib.resources import files

from counterproof.provenance.transparency.evidence import Evidence
from counterproof.provenance.transparency.markup import Html, document, el, join
from counterproof.provenance.transparency.statement import GuidelineCount, Statement, StatementItem
from counterproof.provenance.transparency.wording import (
    EVENTS_SHOWN,
    NO_SCIENCE,
    TEXT_NAMES,
    answers_words,
    asked_by,
    event_words,
    how_many,
    review_notice,
    status_words,
)

_TONE = {"present": "good", "not_applicable": "", "missing": "bad"}


def read_style(*names: str) -> str:
    """Return style sheets of this package, one after the other."""
    folder = files("counterproof.provenance.transparency")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


def to_html(statement: Statement, *, record_page: str = "") -> bytes:
    """Return the statement as HTML; the same statement gives the same bytes.

    Args:
        statement: what to show.
        record_page: relative address of the record page, to which event numbers are linked; "" for no links.
    """
    body = join(
        _head(statement),
        el("h2", "Per guideline"),
        el(
            "p",
            "How many of the items that each guideline asks for are evidenced, as far as this list has them.",
            cls="soft",
        ),
        _guidelines(statement),
        el("h2", "Ready text"),
        el("p", "Made from the record alone. What only you can say is yours to add.", cls="soft"),
        [
            el("div", el("h3", name), el("p", getattr(statement.texts, field), cls="said"), cls="text card")
            for field, name in TEXT_NAMES.items()
        ],
        el("h2", "What is counted"),
        el("p", "Failed, rejected and abandoned runs are counted like the others.", cls="soft"),
        _counts(statement),
        [_section(statement, section.id, section.name, record_page) for section in statement.sections],
        el(
            "p",
            "* The guideline's own text was not read for this list; its item is left open or recalled.",
            cls="small soft",
        ),
    )
    title = f"Transparency statement: {statement.title}"
    return document(title=title, body=body, style=read_style("page.css", "statement.css"))


def _head(statement: Statement) -> Html:
    notice = review_notice(statement)
    ended = statement.ended.replace("_", " ") or "not ended"
    return join(
        el("p", "Transparency statement", cls="kind"),
        el("h1", statement.title),
        el("p", notice, cls="notice warn") if notice else None,
        el("p", statement.question, cls="said"),
        el(
            "dl",
            [
                [el("dt", name), el("dd", value)]
                for name, value in (
                    ("Study", statement.study),
                    ("Review", statement.label),
                    ("Ended", f"{ended}{': ' if statement.reason else ''}{statement.reason}"),
                    ("Items", how_many(statement.items)),
                    ("Answers", answers_words(statement)),
                    ("Head of the record", el("code", statement.head)),
                    ("Checklist as of", statement.checklist_as_of),
                )
            ],
        ),
        el("p", NO_SCIENCE, cls="soft small"),
    )


def _guidelines(statement: Statement) -> Html:
    head = el(
        "tr", [el("th", name, scope="col") for name in ("Guideline", "Evidenced", "Not applicable", "Missing", "Of")]
    )
    return el(
        "div",
        el("table", el("thead", head), el("tbody", [_guideline(row) for row in statement.guidelines])),
        cls="scroll wide",
    )


def _guideline(row: GuidelineCount) -> Html:
    star = "" if row.checked else "*"
    if not row.items:
        return el(
            "tr",
            el("td", f"{row.source}{star}"),
            el("td", "no item yet", colspan=3),
            el("td", f"{row.name}, {row.date}"),
        )
    return el(
        "tr",
        el("td", f"{row.source}{star}"),
        el("td", f"{row.present} of {len(row.items)}"),
        el("td", row.not_applicable),
        el("td", row.missing),
        el("td", f"{row.name}, {row.date}", cls="soft"),
    )


def _counts(statement: Statement) -> Html:
    rows = [(name.replace("_", " "), value) for name, value in statement.counts]
    return el("dl", [el("div", el("dt", name), el("dd", f"{value:,}")) for name, value in rows], cls="counts")


def _section(statement: Statement, section: str, name: str, record_page: str) -> Html:
    items = [item for item in statement.items if item.id.startswith(section)]
    return join(el("h2", f"{section}. {name}"), [_item(item, record_page) for item in items])


def _item(item: StatementItem, record_page: str) -> Html:
    said = [
        el("ul", [el("li", _evidence(one, record_page)) for one in item.evidence]) if item.evidence else None,
        el("p", el("strong", "Answer. "), el("span", item.answer, cls="said")) if item.answer else None,
        el("p", item.reason, cls="soft") if item.reason else None,
        el("p", f"Asked: {item.question}", cls="soft small") if "person" in item.lacks else None,
    ]
    return el(
        "div",
        el("span", item.id, cls="id"),
        el(
            "div",
            el("p", item.text, " ", el("span", status_words(item), cls=f"badge {_TONE[item.status]}".strip())),
            said,
            el("p", asked_by(item.sources), cls="who"),
        ),
        cls="item card",
        id=f"item-{item.id}",
    )


def _evidence(evidence: Evidence, record_page: str) -> Html:
    if not record_page:
        return join(evidence.text, " ", el("span", f"({event_words(evidence.events)})", cls="events"))
    links = [
        [" " if at else "", el("a", seq, href=f"{record_page}#event-{seq}")]
        for at, seq in enumerate(evidence.events[:EVENTS_SHOWN])
    ]
    rest = len(evidence.events) - EVENTS_SHOWN
    return join(
        evidence.text, " ", el("span", "(events ", links, f" and {rest} more" if rest > 0 else "", ")", cls="events")
    )
