"""What the model saw: each request and answer, as it went over the wire, and what it cost in tokens.

Text is shortened past `SHOWN_MAX` characters; the whole is the body in the bundle.
"""

from __future__ import annotations

from counterproof.provenance.page.documents import table
from counterproof.provenance.page.overview import badge, event_links, when
from counterproof.provenance.transparency.calls import Call
from counterproof.provenance.transparency.markup import Children, Html, blob_link, el, join
from counterproof.provenance.transparency.story import Story

SHOWN_MAX = 200_000
_TONES = {"finished": "good", "failed": "bad", "cut off": "bad"}


def calls(story: Story) -> Html:
    """Return every attempt of a model call, folded."""
    if not story.calls:
        return el("p", "No model was called.", cls="soft")
    return join(
        el("p", "The messages of each request, as they were sent; its exact bytes are the linked body.", cls="soft"),
        [_call(story, call) for call in story.calls],
    )


def costs(story: Story) -> Html:
    """Return tokens and times per call, with sums."""
    if not story.calls:
        return el("p", "No model was called.", cls="soft")
    rows: list[list[Html | str | int]] = [
        [
            call.key,
            call.returned or call.model,
            _tokens(call.tokens_in),
            _tokens(call.tokens_out),
            _seconds(call.duration_ms),
        ]
        for call in story.calls
    ]
    total_in, total_out = (
        sum(call.tokens_in or 0 for call in story.calls),
        sum(call.tokens_out or 0 for call in story.calls),
    )
    took = sum(call.duration_ms or 0 for call in story.calls)
    rows.append([el("strong", "all"), "", f"{total_in:,}", f"{total_out:,}", _seconds(took)])
    return join(
        table(["call", "model", "tokens in", "tokens out", "seconds"], rows, numbers=(2, 3, 4)),
        el("p", "Tokens are what the endpoint says. The record holds no prices.", cls="soft small"),
    )


def _call(story: Story, call: Call) -> Html:
    again = f", attempt {call.attempt}" if call.attempt > 1 else ""
    summary = el(
        "summary", el("strong", call.key), f"{again} ", badge(call.status, _TONES[call.status]), f" {call.model}"
    )
    answer: Children = el("p", f"Why it failed: {call.error}") if call.error else None
    if call.answer:
        answer = [el("h4", "Answer"), _said(call.answer)]
    return el(
        "details",
        summary,
        el(
            "div",
            _facts(story, call),
            [
                el(
                    "details",
                    el("summary", f"{message.role} ", el("span", f"{len(message.text):,} characters", cls="soft")),
                    _said(message.text),
                )
                for message in call.messages
            ],
            None if story.bodies.has(call.request) else el("p", "This copy withholds the request.", cls="soft"),
            answer,
            cls="inside",
        ),
        cls="call",
    )


def _facts(story: Story, call: Call) -> Html:
    settings = "; ".join(f"{name} = {value}" for name, value in call.settings.items())
    status = f"HTTP {call.http_status}" if call.http_status is not None else "no answer"
    rows: list[tuple[str, Children]] = [
        ("Asked", [when(call.started_at), " UTC, ", event_links(call.events)]),
        ("Endpoint", f"{call.host or 'not recorded'}, {status}, {call.source}"),
        (
            "Model",
            f"asked for {call.model or 'none'}, answered as {call.returned or 'none'} {call.fingerprint}".strip(),
        ),
        ("Settings", settings or "none"),
        ("Request", blob_link(call.request, there=story.bodies.has(call.request))),
        ("Response", blob_link(call.response, there=story.bodies.has(call.response)) if call.response else "none"),
        (
            "Tokens",
            f"{_tokens(call.tokens_in)} in, {_tokens(call.tokens_out)} out; stopped: {call.finish or 'not said'}",
        ),
    ]
    return el("dl", [[el("dt", name), el("dd", value)] for name, value in rows])


def _said(text: str) -> Html:
    if len(text) <= SHOWN_MAX:
        return el("pre", text, cls="code plain wrap", tabindex=0)
    more = el("p", f"{len(text) - SHOWN_MAX:,} more characters are in the body.", cls="soft")
    return join(el("pre", text[:SHOWN_MAX], cls="code plain wrap", tabindex=0), more)


def _tokens(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def _seconds(milliseconds: int | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds / 1000:.2f}"
