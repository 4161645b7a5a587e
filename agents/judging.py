"""A model as judge: which of two items is more real, blinded, in both orders, repeated, all calls in a record.

Each pair of a real and a synthetic item is shown as A and B, and again as B and A. A judge that chooses by place says
the opposite of itself; one that chooses by length agrees with the longer item; both are measured. Where a bias is as
large as what is found, the section does not conclude.

A judge that made the items may prefer its own. Beside items of another maker that can be told: its self-preference is
how much more often it takes its own items for real than the other's, each beside real ones. Where the other maker's are
just worse, that looks the same; so it never speaks for a judge, only against it.

What is scored (realism, plausibility, coherence) is told apart for tables, texts and linked data: a rubric for each.

It goes through the guard: real items may be shown to a model only where a person has opened them for it.

Source: Zheng et al., Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena, NeurIPS 2023, https://arxiv.org/abs/2306.05685
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, Field

from counterproof.agents.answers import ask
from counterproof.agents.chat import Chat
from counterproof.agents.prompts import fill, quoted
from counterproof.provenance.errors import UsageError
from counterproof.tools.synth.evaluation.card import Assessment, Modality, rounded

PAIRS_MIN = 20
BIAS_MAX = 0.2
"""Farther from one half, the share of first places or of longer items is a bias."""
Choice = Literal["A", "B", "neither"]
_SAW: dict[Modality, str] = {"table": "rows", "text": "texts", "linked": "texts alone, no signal and no image"}


class Judgement(BaseModel):
    """What a judge says of two items."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    more_real: Choice
    """Which is more real."""
    realism: list[int] = Field(min_length=2, max_length=2)
    """Of A and of B, 1 to 5."""
    plausibility: list[int] = Field(min_length=2, max_length=2)
    """Of A and of B, 1 to 5."""
    coherence: list[int] = Field(min_length=2, max_length=2)
    """Of A and of B, 1 to 5."""


@dataclass(frozen=True, kw_only=True)
class _Said:
    """One judgement, turned back.

    Attributes:
        pair: which pair.
        for_real: 1 where the real item was chosen, 0 where the synthetic one, 0.5 for neither.
        for_first: the same of the item in the first place.
        for_longer: the same of the longer item.
        scores: realism of the real and of the synthetic item, then plausibility and coherence of both.
    """

    pair: int
    for_real: float
    for_first: float
    for_longer: float
    scores: tuple[int, ...]


def judge(
    chat: Chat,
    real: Sequence[str],
    made: Sequence[str],
    *,
    pairs: int,
    seed: int,
    modality: Modality,
    repeats: int = 1,
    maker: str = "",
    beside: Sequence[str] = (),
) -> Assessment:
    """Have a model compare real with synthetic items.

    Args:
        chat: the judge.
        real: real items that may be shown to it.
        made: synthetic items.
        pairs: how many of each.
        seed: of the choice.
        modality: what kind of data it is; chooses the rubric.
        repeats: how often each order is asked.
        maker: the model that made the items; "" for none.
        beside: items of another maker, judged beside as many real ones, so that a self-preference shows; or none.

    Returns:
        The section `judge` of a card.

    Raises:
        UsageError: there are fewer items than pairs.
    """
    asked = _Asked(chat=chat, pairs=pairs, seed=seed, rubric=fill(f"judge_{modality}"), repeats=repeats)
    said = asked.compare("synth/judge", real, made)
    others = asked.compare("synth/judge/beside", real, beside) if beside else []
    return _assessment(said, others, pairs=pairs, judge=chat.config.model, maker=maker, modality=modality)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """How a judge is asked."""

    chat: Chat
    pairs: int
    seed: int
    rubric: str
    repeats: int

    def compare(self, key: str, real: Sequence[str], made: Sequence[str]) -> list[_Said]:
        """Have pairs of the two sides judged, each in both orders."""
        if min(len(real), len(made)) < max(self.pairs, 2):
            raise UsageError(
                f"There are {len(real)} real and {len(made)} synthetic items.",
                allowed=f"At least {max(self.pairs, 2)} of each.",
            )
        random = np.random.default_rng(self.seed)
        left, right = (random.choice(len(side), self.pairs, replace=False).tolist() for side in (real, made))
        return [
            self._ask(f"{key}/{number}/{repeat}", number, (real[one], made[other]), swapped=swapped, repeat=repeat)
            for number, (one, other) in enumerate(zip(left, right, strict=True), start=1)
            for repeat in range(1, self.repeats + 1)
            for swapped in (False, True)
        ]

    def _ask(self, key: str, number: int, pair: tuple[str, str], *, swapped: bool, repeat: int) -> _Said:
        first, second = pair[::-1] if swapped else pair
        text = fill("judge_task", first=quoted(first), second=quoted(second), repetition=str(repeat))
        conversation: list[BaseMessage] = [SystemMessage(fill("judge", rubric=self.rubric)), HumanMessage(text)]
        answer = ask(self.chat, f"{key}/{'swapped' if swapped else 'straight'}", conversation, Judgement).value
        for_first = {"A": 1.0, "B": 0.0, "neither": 0.5}[answer.more_real]
        for_real = 1 - for_first if swapped else for_first
        longer = len(pair[0]) - len(pair[1])
        scores = (answer.realism, answer.plausibility, answer.coherence)
        return _Said(
            pair=number,
            for_real=for_real,
            for_first=for_first,
            for_longer=0.5 if longer == 0 else for_real if longer > 0 else 1 - for_real,
            scores=tuple(score for both in scores for score in (both[::-1] if swapped else both)),
        )


def _assessment(
    said: Sequence[_Said], others: Sequence[_Said], *, pairs: int, judge: str, maker: str, modality: Modality
) -> Assessment:
    by_pair = [[one.for_real for one in said if one.pair == number] for number in range(1, pairs + 1)]
    first, longer = (float(np.mean([getattr(one, name) for one in said])) for name in ("for_first", "for_longer"))
    told = float(np.mean([np.mean(values) for values in by_pair]))
    steady = float(np.mean([max(values) - min(values) < 1 for values in by_pair]))
    scores = np.mean([one.scores for one in said], axis=0).tolist()
    facts: dict[str, Any] = {
        "judge": judge,
        "saw": _SAW[modality],
        "pairs": pairs,
        "judgements": len(said),
        "real item taken for more real": rounded(told),
        "same answer in both orders": rounded(steady),
        "first place chosen": rounded(first),
        "longer item chosen": rounded(longer),
        "judge is the maker": judge == maker,
        "realism, real and synthetic": [rounded(score) for score in scores[:2]],
        "plausibility, real and synthetic": [rounded(score) for score in scores[2:4]],
        "coherence, real and synthetic": [rounded(score) for score in scores[4:]],
    }
    preferred = 0.0
    if others:
        of_others = float(np.mean([one.for_real for one in others]))
        preferred = of_others - told
        facts["real item taken for more real, beside another maker's"] = rounded(of_others)
        facts["self-preference" if judge == maker else "preference for these items"] = rounded(preferred)
    faults = []
    if pairs < PAIRS_MIN:
        faults.append(f"{pairs} pairs were judged; at least {PAIRS_MIN} are needed")
    if abs(first - 0.5) > BIAS_MAX:
        faults.append(f"the judge chooses by place: the first in {first:.0%} of all answers")
    if abs(longer - 0.5) > BIAS_MAX and abs(longer - 0.5) >= abs(told - 0.5):
        faults.append(f"the judge chooses by length: the longer in {longer:.0%} of all answers")
    if judge == maker and not others:
        faults.append("the judge is the model that made the items, and may prefer its own")
    if judge == maker and preferred > BIAS_MAX:
        faults.append(f"the judge prefers its own items: by {preferred:.0%} of all answers more than another maker's")
    return Assessment(status="too few to conclude" if faults else "assessed", reason="; ".join(faults), facts=facts)
