"""A model as judge: what it finds, and what it is when it chooses by place, by length, or its own."""

from __future__ import annotations

import json
from collections.abc import Callable
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
from counterproof.tools.synth.evaluation.card import Assessment

pytestmark = pytest.mark.synthetic
REAL = [f"pulse {60 + at}, was seen {'again ' * (at % 3)}on the ward" for at in range(30)]
MADE = [f"pulse {90 + at}, is seen {'again ' * ((at + 1) % 3)}in the clinic" for at in range(30)]
Choose = Callable[[str, str], str]


def _judged(folder: Path, choose: Choose, *, pairs: int = 24, maker: str = "") -> Assessment:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        first, _, second = request["messages"][1]["content"].removeprefix("A:\n").partition("\n\nB:\n")
        said = {
            "more_real": choose(first, second.partition("\n\nRepetition")[0]),
            "realism": [5 if "was" in first else 2, 5 if "was" in second else 2],
            "plausibility": [4, 4],
        }
        return chat_completion(json.dumps(said), request)

    with TurnServer([], source=answer) as server:
        config = ModelConfig(model="made-up", base_url=server.base_url, api_key_env="")
        record = Record(folder / "record", blobs=Blobs(folder / "blobs"))
        chat = Chat(config, api_key="k", journal=Journal(record), guard=RowGuard([]), sleep=lambda _s: None)
        return judge(chat, REAL, MADE, pairs=pairs, seed=1, maker=maker)


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


def test_more_pairs_than_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"30 real and 30 synthetic items.*At least 31 of each"):
        _judged(tmp_path, by_sight, pairs=31)
