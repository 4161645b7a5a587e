"""A model as judge: what it finds, and what it is when it chooses by place, by length, or its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.chat import Chat
from counterproof.agents.judging import judge
from counterproof.agents.models import ModelConfig
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.errors import UsageError
from counterproof.provenance.journal import Journal
from counterproof.provenance.record import Record
from counterproof.scenarios.recorder import chat_completion
from counterproof.scenarios.server import TurnServer
from counterproof.tools.rowguard import RowGuard
from counterproof.tools.synth.evaluation.card import Assessment, Modality

pytestmark = pytest.mark.synthetic
REAL = [f"pulse {60 + at}, was seen {'again ' * (at % 3)}on the ward" for at in range(30)]
MADE = [f"pulse {90 + at}, is seen {'again ' * ((at + 1) % 3)}in the clinic" for at in range(30)]
Choose = Callable[[str, str], str]


OTHERS = [f"pulse {120 + at}, is seen {'again ' * ((at + 1) % 3)}at a practice" for at in range(30)]


def _judged(
    folder: Path,
    choose: Choose,
    *,
    pairs: int = 24,
    maker: str = "",
    beside: Sequence[str] = (),
    modality: Modality = "text",
    asked: list[str] | None = None,
) -> Assessment:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if asked is not None:
            asked.append(request["messages"][0]["content"])
        first, _, second = request["messages"][1]["content"].removeprefix("A:\n").partition("\n\nB:\n")
        said = {
            "more_real": choose(first, second.partition("\n\nRepetition")[0]),
            "realism": [5 if "was" in first else 2, 5 if "was" in second else 2],
            "plausibility": [4, 4],
            "coherence": [3, 3],
        }
        return chat_completion(json.dumps(said), request)

    with TurnServer([], source=answer) as server:
        config = ModelConfig(model="made-up", base_url=server.base_url, api_key_env="")
        record = Record(folder / "record", blobs=Blobs(folder / "blobs"))
        chat = Chat(config, api_key="k", journal=Journal(record), guard=RowGuard([]), sleep=lambda _s: None)
        return judge(chat, REAL, MADE, pairs=pairs, seed=1, modality=modality, maker=maker, beside=beside)


def by_sight(first: str, _second: str) -> str:
    """Choose the real one."""
    return "A" if "was" in first else "B"


def by_place(_first: str, _second: str) -> str:
    """Choose what comes first."""
    return "A"


def by_length(first: str, second: str) -> str:
    """Choose the longer one."""
    return "A" if len(first) > len(second) else "B" if len(second) > len(first) else "neither"


def test_a_judge_that_sees_the_difference(tmp_path: Path) -> None:
    found = _judged(tmp_path, by_sight)
    assert (found.status, found.reason) == ("assessed", "")
    assert found.facts["real item taken for more real"] == 1.0
    assert found.facts["same answer in both orders"] == 1.0
    assert found.facts["first place chosen"] == 0.5
    assert found.facts["judgements"] == 48
    assert found.facts["realism, real and synthetic"] == [5.0, 2.0]


def test_a_judge_that_chooses_by_place_is_told_by_the_swap(tmp_path: Path) -> None:
    found = _judged(tmp_path, by_place)
    assert found.facts["real item taken for more real"] == 0.5
    assert found.facts["same answer in both orders"] == 0.0
    assert (found.status, found.reason) == (
        "too few to conclude",
        "the judge chooses by place: the first in 100% of all answers",
    )


def test_a_judge_that_chooses_by_length_is_told(tmp_path: Path) -> None:
    found = _judged(tmp_path, by_length)
    assert found.status == "too few to conclude"
    assert "the judge chooses by length" in found.reason


def test_a_judge_of_its_own_work_and_too_few_pairs_conclude_nothing(tmp_path: Path) -> None:
    found = _judged(tmp_path, by_sight, pairs=4, maker="made-up")
    assert found.status == "too few to conclude"
    assert "4 pairs were judged; at least 20" in found.reason
    assert "may prefer its own" in found.reason


def _by_own_hand(first: str, second: str) -> str:
    """Choose what was written in the own style, then what is real."""
    for sign in ("clinic", "was"):
        if (sign in first) != (sign in second):
            return "A" if sign in first else "B"
    return "neither"


def test_a_judge_that_prefers_its_own_items_is_told_beside_those_of_another(tmp_path: Path) -> None:
    found = _judged(tmp_path, _by_own_hand, maker="made-up", beside=OTHERS)
    assert found.facts["real item taken for more real"] == 0.0
    assert found.facts["real item taken for more real, beside another maker's"] == 1.0
    assert found.facts["self-preference"] == 1.0
    assert found.status == "too few to conclude"
    assert "the judge prefers its own items: by 100%" in found.reason


def test_a_judge_of_its_own_work_that_does_not_prefer_it_concludes(tmp_path: Path) -> None:
    found = _judged(tmp_path, by_sight, maker="made-up", beside=OTHERS)
    assert found.facts["self-preference"] == 0.0
    assert (found.status, found.reason) == ("assessed", "")


def test_a_preference_of_a_judge_that_made_nothing_is_no_self_preference(tmp_path: Path) -> None:
    found = _judged(tmp_path, _by_own_hand, maker="another", beside=OTHERS)
    assert found.facts["preference for these items"] == 1.0
    assert found.status == "assessed"


@pytest.mark.parametrize(
    ("modality", "asks"),
    [
        ("table", "one row of a table"),
        ("text", "one clinical text"),
        ("linked", "parts that speak of different patients"),
    ],
)
def test_each_kind_of_data_has_its_rubric(modality: Modality, asks: str, tmp_path: Path) -> None:
    asked: list[str] = []
    _judged(tmp_path, by_sight, pairs=2, modality=modality, asked=asked)
    assert all(asks in system for system in asked)
    assert not any("$rubric" in system for system in asked)


def test_more_pairs_than_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"30 real and 30 synthetic items.*At least 31 of each"):
        _judged(tmp_path, by_sight, pairs=31)
