"""A model as judge: which of two items is more real, blinded, in both orders, repeated, all calls in a record.

Each pair of a real and a synthetic item is shown as A and B, and again as B and A. A judge that chooses by place says
the opposite of itself; one that chooses by length agrees with the longer item; both are measured. Where a bias is as
large as what is found, the section does not conclude.

Self-preference can't be told from one judge: the section says whether judge and maker are the same model.

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
from counterproof.tools.synth.evaluation.card import Assessment, rounded

PAIRS_MIN = 20
BIAS_MAX = 0.2
"""Farther from one half, the share of first places or of longer items is a bias."""
Choice = Literal["A", "B", "neither"]


class Judgement(BaseModel):
    """What a judge says of two items."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    more_real: Choice
    """Which is more real."""
    realism: list[int] = Field(min_length=2, max_length=2)
    """Of A and of B, 1 to 5."""
    plausibility: list[int] = Field(min_length=2, max_length=2)
    """Of A and of B, 1 to 5."""


@dataclass(frozen=True, kw_only=True)
class _Said:
    """One judgement, turned back.

    Attributes:
        pair: which pair.
        for_real: 1 where the real item was chosen, 0 where the synthetic one, 0.5 for neither.
        for_first: the same of the item in the first place.
        for_longer: the same of the longer item.
        scores: realism of the real and of the synthetic item, then plausibility of both.
    """

    pair: int
    for_real: float
    for_first: float
    for_longer: float
    scores: tuple[int, int, int, int]


def judge(
    chat: Chat, real: Sequence[str], made: Sequence[str], *, pairs: int, seed: int, repeats: int = 1, maker: str = ""
) -> Assessment:
    """Have a model compare real with synthetic items.

    Args:
        chat: the judge.
        real: real items that may be shown to it.
        made: synthetic items.
        pairs: how many of each.
        seed: of the choice.
        repeats: how often each order is asked.
        maker: the model that made the items; "" for none.

    Returns:
        The section `judge` of a card.

    Raises:
        UsageError: there are fewer items than pairs.
    """
    if min(len(real), len(made)) < max(pairs, 2):
        raise UsageError(
            f"There are {len(real)} real and {len(made)} synthetic items.", allowed=f"At least {max(pairs, 2)} of each."
        )
    random = np.random.default_rng(seed)
    left, right = (random.choice(len(side), pairs, replace=False).tolist() for side in (real, made))
    said = [
        _compare(chat, number, (real[one], made[other]), swapped=swapped, repeat=repeat)
        for number, (one, other) in enumerate(zip(left, right, strict=True), start=1)
        for repeat in range(1, repeats + 1)
        for swapped in (False, True)
    ]
    return _assessment(said, pairs=pairs, judge=chat.config.model, maker=maker)


def _compare(chat: Chat, number: int, pair: tuple[str, str], *, swapped: bool, repeat: int) -> _Said:
    first, second = pair[::-1] if swapped else pair
    text = fill("judge_task", first=quoted(first), second=quoted(second), repetition=str(repeat))
    conversation: list[BaseMessage] = [SystemMessage(fill("judge")), HumanMessage(text)]
    key = f"synth/judge/{number}/{repeat}/{'swapped' if swapped else 'straight'}"
    answer = ask(chat, key, conversation, Judgement).value
    for_first = {"A": 1.0, "B": 0.0, "neither": 0.5}[answer.more_real]
    for_real = 1 - for_first if swapped else for_first
    longer = len(pair[0]) - len(pair[1])
    at = (1, 0) if swapped else (0, 1)
    return _Said(
        pair=number,
        for_real=for_real,
        for_first=for_first,
        for_longer=0.5 if longer == 0 else for_real if longer > 0 else 1 - for_real,
        scores=(
            answer.realism[at[0]],
            answer.realism[at[1]],
            answer.plausibility[at[0]],
            answer.plausibility[at[1]],
        ),
    )


def _assessment(said: Sequence[_Said], *, pairs: int, judge: str, maker: str) -> Assessment:
    by_pair = [[one.for_real for one in said if one.pair == number] for number in range(1, pairs + 1)]
    first, longer = (float(np.mean([getattr(one, name) for one in said])) for name in ("for_first", "for_longer"))
    told = float(np.mean([np.mean(values) for values in by_pair]))
    steady = float(np.mean([max(values) - min(values) < 1 for values in by_pair]))
    scores = np.mean([one.scores for one in said], axis=0).tolist()
    facts: dict[str, Any] = {
        "judge": judge,
        "pairs": pairs,
        "judgements": len(said),
        "real item taken for more real": rounded(told),
        "same answer in both orders": rounded(steady),
        "first place chosen": rounded(first),
        "longer item chosen": rounded(longer),
        "judge is the maker": judge == maker,
        "realism, real and synthetic": [rounded(score) for score in scores[:2]],
        "plausibility, real and synthetic": [rounded(score) for score in scores[2:]],
    }
    faults = []
    if pairs < PAIRS_MIN:
        faults.append(f"{pairs} pairs were judged; at least {PAIRS_MIN} are needed")
    if abs(first - 0.5) > BIAS_MAX:
        faults.append(f"the judge chooses by place: the first in {first:.0%} of all answers")
    if abs(longer - 0.5) > BIAS_MAX and abs(longer - 0.5) >= abs(told - 0.5):
        faults.append(f"the judge chooses by length: the longer in {longer:.0%} of all answers")
    if judge == maker:
        faults.append("the judge is the model that made the items, and may prefer its own")
    return Assessment(status="too few to conclude" if faults else "assessed", reason="; ".join(faults), facts=facts)
