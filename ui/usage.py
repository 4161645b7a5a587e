"""View objects of what a study takes: its budgets, its model calls, its spans, and an estimate before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from counterproof.agents.study import open_study
from counterproof.provenance.budgets import NAMES, Ledger, Longest, limits_of
from counterproof.provenance.extensions import Extensions
from counterproof.provenance.page.trace import Span, read_spans
from counterproof.provenance.policy import Budgets, Policy
from counterproof.provenance.transparency.calls import attempts
from counterproof.ui.desk import Desk
from counterproof.ui.subjects import Listing

CALLS_PER_PAGE = 50
SPANS_MAX = 200
_NOTHING = Longest(answer_tokens=0, call_s=0, execution_s=0)
_IN_WORDS = {
    "model_calls": "model calls",
    "tokens": "tokens",
    "cost": "cost",
    "wall_s": "seconds of calls and executions",
    "sandbox_s": "seconds in the sandbox",
    "repairs": "rewritings of programs",
}
_USUAL_CALLS = 4
"""A plan, two programs, a report: what a study asks at least."""
_USUAL_REPAIRS = 4
_PROMPT_TOKENS = 4_000
"""Instructions and schema of one call: 13 KB to 52 KB measured on the built-in scenarios, three bytes a token."""
_ANSWER_TOKENS = 3_000
_BYTES_PER_TOKEN = 3


@dataclass(frozen=True, kw_only=True)
class CostsView:
    """What a study may use and has used."""

    budgets: Listing
    calls: Listing
    page: int
    pages: int


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One span of a trace, for drawing.

    Attributes:
        name: what was done.
        start: where it begins, from 0 to 1 of its trace.
        width: how long it is, from 0 to 1 of its trace.
        duration: in words.
        failed: whether it failed.
    """

    name: str
    start: float
    width: float
    duration: str
    failed: bool


@dataclass(frozen=True, kw_only=True)
class TraceView:
    """The traces of a study: one for each stretch between two waits."""

    traces: tuple[tuple[Bar, ...], ...]
    left_out: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a study will take: what it asks at least, and what its policy allows at most."""

    calls: str
    tokens: str
    cost: str


def costs_view(desk: Desk, study_id: str, *, page: int = 1) -> CostsView:
    """Return what a study may use, what it has used, and some of its model calls, newest first.

    Raises:
        UsageError: there is no such study.
        NotAllowed: nobody is there.
        VerificationFailed: its record was changed.
    """
    desk.require("read")
    study = open_study(desk.workplace, study_id)
    rules = study.checkpoints.policy()
    spent = Ledger(record=study.record, budgets=rules.policy.budgets, longest=_NOTHING).spent()
    allowed = limits_of(rules.policy.budgets)
    added = Extensions(record=study.record, registry=desk.workplace.registry, study=study.id, rules=rules).total()
    budgets = [
        {
            "budget": _IN_WORDS[name],
            "used": f"{getattr(spent, name):,.6g}",
            "allowed": f"{getattr(allowed, name):,.10g}",
            "added by people": f"{getattr(added, name):,.10g}",
        }
        for name in NAMES
    ]
    pairs = attempts(study.record.events(), "model")[::-1]
    pages = max(1, -(-len(pairs) // CALLS_PER_PAGE))
    at = min(max(1, page), pages)
    calls = [
        {
            "call": str(start.data["key"]),
            "attempt": str(start.data["attempt"]),
            "ended": "cut off" if end is None else end.type.removeprefix("effect."),
            "seconds": "" if end is None else f"{end.data.get('duration_ms', 0) / 1000:.1f}",
            "bytes sent": f"{start.ref('request').size:,}",
        }
        for start, end in pairs[(at - 1) * CALLS_PER_PAGE : at * CALLS_PER_PAGE]
    ]
    return CostsView(
        budgets=Listing(title="Budgets", rows=tuple(budgets)),
        calls=Listing(title=f"Model calls ({len(pairs)})", rows=tuple(calls), empty="No model was asked yet."),
        page=at,
        pages=pages,
    )


def trace_view(desk: Desk, study_id: str) -> TraceView:
    """Return the spans of a study, each trace on an axis of its own.

    Raises:
        UsageError: there is no such study.
        NotAllowed: nobody is there.
    """
    desk.require("read")
    path = open_study(desk.workplace, study_id).folder / "telemetry" / "spans.otlp.jsonl"
    spans = read_spans(path.read_bytes()) if path.exists() else []
    shown = spans[-SPANS_MAX:]
    traces = [[span for span in shown if span.trace == trace] for trace in dict.fromkeys(one.trace for one in shown)]
    return TraceView(traces=tuple(tuple(_bars(trace)) for trace in traces), left_out=len(spans) - len(shown))


def estimate(policy: Policy, *, question: str, codebook: str) -> Estimate:
    """Return what a study will take, before it is made.

    The least is one plan, two programs and one report with the question and codebook in each prompt; the usual adds
    four repairs. A model that thinks at length, a large profile or rejected work take more; the policy's budget is the
    most.
    """
    sent = _PROMPT_TOKENS + math.ceil(len((question + codebook).encode()) / _BYTES_PER_TOKEN)
    few, many = _USUAL_CALLS, _USUAL_CALLS + _USUAL_REPAIRS
    each = sent + _ANSWER_TOKENS
    budgets = policy.budgets
    return Estimate(
        calls=f"{few} to {many} model calls; at most {budgets.model_calls:,}",
        tokens=f"{few * each:,} to {many * each:,} tokens; at most {budgets.tokens:,}",
        cost=_cost(budgets, sent, few, many),
    )


def _cost(budgets: Budgets, sent: int, few: int, many: int) -> str:
    one = (sent * budgets.price_in + _ANSWER_TOKENS * budgets.price_out) / 1e6
    if not one:
        return f"the policy names no prices, so no cost is counted; at most {budgets.cost:g}"
    return f"{few * one:.3g} to {many * one:.3g}; at most {budgets.cost:g}"


def _bars(spans: list[Span]) -> list[Bar]:
    first, last = min(span.start for span in spans), max(span.end for span in spans)
    whole = max(1, last - first)
    return [
        Bar(
            name=span.name,
            start=(span.start - first) / whole,
            width=(span.end - span.start) / whole,
            duration=_took((span.end - span.start) / 1e6),
            failed=span.failed,
        )
        for span in spans
    ]


def _took(milliseconds: float) -> str:
    return f"{milliseconds:.1f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"
