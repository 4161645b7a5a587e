"""Budgets: what a study may use, reserved before each effect, and what it has used, read from its record.

Before a model call or an execution happens, the most that it can take is reserved: if that does not fit into what is
left, the effect does not happen, the refusal is recorded, and the study waits for a person who extends the budget with
a signature (`extensions`). What was started and not finished counts with its whole reservation, so that a kill gives
nothing back; what finished counts with what it took. The graph can raise nothing: limits come from the signed policy
and from signed extensions.

Calls that a replay answers from a record cost nothing and are not counted.

What synthetic sets with differential privacy take of a file's epsilon is added up here, too (`epsilon_spent`); the gate
holds it against the policy.

It does not cover what a provider bills beyond the tokens that it reports.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.errors import DecisionRequired
from counterproof.provenance.events import Event
from counterproof.provenance.policy import Budgets
from counterproof.provenance.record import Record

_BYTES_PER_TOKEN = 3
"""Fewer than a token has, so that an estimate is rather too high."""
_REWRITING = re.compile(r"write/[a-z]+/(\d+)/1")
_WORDS = {
    "model_calls": "model calls",
    "tokens": "tokens",
    "cost": "cost",
    "wall_s": "seconds of model calls and executions",
    "sandbox_s": "seconds in the sandbox",
    "repairs": "rewritings of programs",
}


class BudgetSpent(DecisionRequired):
    """An effect would take more than is left; a person may extend the budget."""


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """How much of each budget."""

    model_calls: float = 0
    tokens: float = 0
    cost: float = 0
    wall_s: float = 0
    sandbox_s: float = 0
    repairs: float = 0

    def __add__(self, other: Amounts) -> Amounts:
        """Return the sums."""
        return Amounts(**{name: getattr(self, name) + getattr(other, name) for name in NAMES})


NAMES = tuple(one.name for one in fields(Amounts))


def limits_of(budgets: Budgets) -> Amounts:
    """Return what a policy allows."""
    return Amounts(**{name: getattr(budgets, name) for name in NAMES})


@dataclass(frozen=True, kw_only=True)
class Longest:
    """The most that one effect can take.

    Attributes:
        answer_tokens: tokens of an answer.
        call_s: seconds of a model call.
        execution_s: seconds of an execution.
    """

    answer_tokens: int
    call_s: float
    execution_s: float


@dataclass
class _Taken:
    """One attempt of an effect, as far as the record has it."""

    amounts: Amounts
    began: str


@dataclass
class Ledger:
    """The budgets of one study.

    Attributes:
        record: its record.
        budgets: those of its policy.
        longest: the most that one effect can take.
        extended: returns what signed extensions have added.
    """

    record: Record
    budgets: Budgets
    longest: Longest
    extended: Callable[[], Amounts] = Amounts
    _seen: int = 0
    _taken: dict[tuple[str, int], _Taken] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def limits(self) -> Amounts:
        """Return what the study may use: its policy, and what people added."""
        return limits_of(self.budgets) + self.extended()

    def spent(self) -> Amounts:
        """Return what the study has used, and what is reserved for effects that did not finish."""
        with self._lock:
            for event in self.record.since(self._seen):
                self._seen = event.seq + 1
                self._count(event)
            return sum((one.amounts for one in self._taken.values()), Amounts())

    def reserve(self, key: str, kind: str, *, attempt: int, size: int) -> None:
        """Refuse an effect that would take more than is left; the caller holds the record and writes its start next.

        Args:
            key: the effect's key.
            kind: "model" or "execution".
            attempt: its number, from 1.
            size: bytes of its request.

        Raises:
            BudgetSpent: it would; the refusal is in the record.
        """
        asked, spent, limits = self._reservation(key, kind, attempt, size), self.spent(), self.limits()
        for name in NAMES:
            left = getattr(limits, name) - getattr(spent, name)
            if getattr(asked, name) > left:
                self._refuse(key, name, asked=getattr(asked, name), left=left, limit=getattr(limits, name))

    def _refuse(self, key: str, name: str, *, asked: float, left: float, limit: float) -> None:
        told = {what: round(value, 6) for what, value in (("asked", asked), ("left", left), ("limit", limit))}
        self.record.append("budget.refused", data={"key": key, "budget": name, **told})
        study = self.record.of_type("study.created")[0].data["study"]
        raise BudgetSpent(
            f"The budget of {_WORDS[name]} is spent: {key!r} may take {asked:g}, and {max(left, 0):g} of {limit:g} "
            "are left.",
            allowed="Nothing was done. Only a person extends a budget, with a signature.",
            advice=f"`counterproof budget extend {study} --as REVIEWER --add {name}=N --comment …`, then run again.",
        )

    def _reservation(self, key: str, kind: str, attempt: int, size: int) -> Amounts:
        if kind != "model":
            return Amounts(wall_s=self.longest.execution_s, sandbox_s=self.longest.execution_s)
        sent = math.ceil(size / _BYTES_PER_TOKEN)
        return Amounts(
            model_calls=1,
            tokens=sent + self.longest.answer_tokens,
            cost=self._cost(sent, self.longest.answer_tokens),
            wall_s=self.longest.call_s,
            repairs=_repairs(key, attempt),
        )

    def _count(self, event: Event) -> None:
        if not event.type.startswith("effect."):
            return
        data = event.data
        effect = (data["key"], data["attempt"])
        if event.type == "effect.started":
            if data.get("source") != "cassette":
                size = event.ref("request").size
                reserved = self._reservation(data["key"], data["kind"], data["attempt"], size)
                self._taken[effect] = _Taken(amounts=reserved, began=event.ts)
        elif effect in self._taken:
            self._taken[effect] = self._finished(self._taken[effect], event)

    def _finished(self, taken: _Taken, event: Event) -> _Taken:
        """Return what an attempt took; what can't be known counts as reserved."""
        seconds = max(0.0, (datetime.fromisoformat(event.ts) - datetime.fromisoformat(taken.began)).total_seconds())
        data, reserved = event.data, taken.amounts
        if data["kind"] != "model":
            inside = data.get("usage", {}).get("wall_s", seconds)
            return _Taken(amounts=Amounts(wall_s=seconds, sandbox_s=inside), began=taken.began)
        tokens, cost = reserved.tokens, reserved.cost
        if event.type == "effect.finished":
            sent, answered = _usage(self.record.blobs, event)
            tokens, cost = sent + answered, self._cost(sent, answered)
        elif "status" in data:  # the endpoint answered that it won't: nothing was generated
            tokens, cost = 0, 0
        made = Amounts(model_calls=1, tokens=tokens, cost=cost, wall_s=seconds, repairs=reserved.repairs)
        return _Taken(amounts=made, began=taken.began)

    def _cost(self, sent: float, answered: float) -> float:
        return (sent * self.budgets.price_in + answered * self.budgets.price_out) / 1e6


def epsilon_spent(events: Iterable[Event], *, but: str = "") -> float:
    """Return what the synthetic sets of a study took of epsilon, all but that of one effect.

    A making that was killed and tried again counts once: of its sets one is kept, and nobody saw another.
    """
    opened = [event.data for event in events if event.type == "gate.opened" and "epsilon" in event.data]
    return math.fsum({one["effect"]: one["epsilon"] for one in opened if one["effect"] != but}.values())


def _repairs(key: str, attempt: int) -> int:
    found = _REWRITING.fullmatch(key)
    return int(found is not None and int(found.group(1)) > 1 and attempt == 1)


def _usage(blobs: Blobs, event: Event) -> tuple[float, float]:
    """Return the tokens that were sent and answered, as the endpoint counted them; else an estimate from the bytes."""
    estimate = tuple(math.ceil(event.ref(role).size / _BYTES_PER_TOKEN) for role in ("request", "response"))
    try:
        usage: Mapping[str, Any] = json.loads(json.loads(blobs.get(event.ref("response").sha256))["body"])["usage"]
        counted = next(_counts(usage), None)
    except (ValueError, LookupError, TypeError):
        counted = None
    return counted or (estimate[0], estimate[1])


def _counts(usage: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
    for sent, answered in (("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")):
        pair = usage.get(sent), usage.get(answered)
        if all(type(one) is int and one >= 0 for one in pair):
            yield pair  # type: ignore[misc]  # both are whole numbers
