"""Rows by a model: from a specification without a value of anybody, checked row by row, the same from the record."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.chat import Chat
from counterproof.agents.models import ModelConfig
from counterproof.agents.synthesis import ModelMaker
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.errors import ToolFailed, UsageError
from counterproof.provenance.journal import Journal
from counterproof.provenance.record import Record
from counterproof.scenarios.recorder import chat_completion
from counterproof.scenarios.server import TurnServer
from counterproof.tools.data import Table, read_file, read_table
from counterproof.tools.rowguard import RowGuard, RowInRequest
from counterproof.tools.synth.makers import Order
from counterproof.tools.synth.marks import write_content
from counterproof.tools.synth.rules import parse_rules

pytestmark = pytest.mark.synthetic
LBW = Path(__file__).parents[2] / "scenarios" / "low-birth-weight" / "data" / "lbw.csv"
Write = Callable[[dict[str, Any], random.Random], list[Any]]


@pytest.fixture
def real() -> Table:
    """Births, with their risk factors."""
    return read_file(LBW)[1]


def told_in(request: dict[str, Any]) -> dict[str, Any]:
    """Return the specification that a request holds."""
    text = request["messages"][1]["content"]
    begin = text.index("{")
    found: dict[str, Any] = json.JSONDecoder().raw_decode(text[begin:])[0]
    return found


def sound(specification: dict[str, Any], chance: random.Random) -> list[Any]:
    """Write a row as the specification asks."""
    return [
        chance.choice(one["levels"])
        if "levels" in one
        else round(chance.uniform(one["from"], one["to"]), one["decimals"])
        for one in specification["columns"]
    ]


def answer_with_rows(write: Write) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Answer each request with rows that `write` writes; the same request gets the same rows."""

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        chance = random.Random(json.dumps(request["messages"]))
        rows = [write(told_in(request), chance) for _ in range(25)]
        return chat_completion(json.dumps({"rows": rows}), request)

    return answer


def _chat(folder: Path, server: TurnServer, real: Table) -> Chat:
    config = ModelConfig(model="made-up", base_url=server.base_url, api_key_env="")
    record = Record(folder / "record", blobs=Blobs(folder / "blobs"))
    return Chat(config, api_key="k", journal=Journal(record), guard=RowGuard([real]), sleep=lambda _s: None)


def _order(rows: int) -> Order:
    return Order(findings=(), rows=rows, seed=1)


def test_rows_come_from_a_specification_and_again_from_the_record(real: Table, tmp_path: Path) -> None:
    with TurnServer([], source=answer_with_rows(sound)) as server:
        made = ModelMaker(_chat(tmp_path, server, real), about="Births at a hospital.")(real, _order(60))
        asked = len(server.turns)
        again = ModelMaker(_chat(tmp_path, server, real), about="Births at a hospital.")(real, _order(60))
        assert len(server.turns) == asked == 3
    assert again == made
    assert {len(column) for column in made.cells.values()} == {60}
    assert list(made.cells) == [column.name for column in real.columns]
    assert len(set(zip(*made.cells.values(), strict=True))) == 60
    assert made.facts["maker"] == "model"
    assert made.facts["how"] == "guided by what a person knows"


@pytest.mark.canary
def test_the_model_is_told_no_extreme_and_no_rare_level(real: Table, tmp_path: Path) -> None:
    with TurnServer([], source=answer_with_rows(sound)) as server:
        ModelMaker(_chat(tmp_path, server, real))(real, _order(25))
        told = {one["name"]: one for one in told_in(server.turns[0].request)["columns"]}
    weights = sorted(next(column for column in real.columns if column.name == "bwt").values)
    assert weights[0] < told["bwt"]["from"] <= weights[9]
    assert weights[-10] <= told["bwt"]["to"] < weights[-1]
    assert told["low"]["levels"] == ["0", "1"]


def _half_wrong(specification: dict[str, Any], chance: random.Random) -> list[Any]:
    row = sound(specification, chance)
    return row[:-1] if chance.random() < 0.2 else [*row[:-1], 99_999] if chance.random() < 0.2 else row


def test_wrong_rows_are_left_out_and_counted(real: Table, tmp_path: Path) -> None:
    with TurnServer([], source=answer_with_rows(_half_wrong)) as server:
        made = ModelMaker(_chat(tmp_path, server, real))(real, _order(50))
    assert made.facts["refused"]["number of cells"] > 0
    assert made.facts["refused"]["cell"] > 0
    assert max(float(cell) for cell in made.cells["bwt"]) < 99_999


def test_rows_keep_the_rules(real: Table, tmp_path: Path) -> None:
    names = [column.name for column in real.columns]
    rules = parse_rules(['if low == "1" then bwt < 2500'], source="rules.txt", columns=names)
    with TurnServer([], source=answer_with_rows(sound)) as server:
        made = ModelMaker(_chat(tmp_path, server, real), rules=rules)(real, _order(40))
    table = read_table("made.csv", write_content(made.cells))
    assert rules[0].holds(table).all()
    assert made.facts["refused"]["rule"] > 0


def _the_same(_specification: dict[str, Any], _chance: random.Random) -> list[Any]:
    return ["0", "0", "1", 25, 120, "0", "0", "0", "0", 3000]


def test_a_model_that_repeats_itself_is_told_and_given_up(real: Table, tmp_path: Path) -> None:
    with TurnServer([], source=answer_with_rows(_the_same)) as server, pytest.raises(ToolFailed, match="there already"):
        ModelMaker(_chat(tmp_path, server, real))(real, _order(50))


def test_a_real_row_is_not_taken(real: Table, tmp_path: Path) -> None:
    first = [f"{column.values.iloc[0]:.0f}" for column in real.columns]

    def copying(specification: dict[str, Any], chance: random.Random) -> list[Any]:
        return [*first] if chance.random() < 0.3 else sound(specification, chance)

    with TurnServer([], source=answer_with_rows(copying)) as server:
        made = ModelMaker(_chat(tmp_path, server, real))(real, _order(40))
    assert tuple(first) not in set(zip(*made.cells.values(), strict=True))
    assert made.facts["refused"]["there already"] + made.facts["refused"].get("cell", 0) > 0


def shown_examples(request: dict[str, Any]) -> list[list[str]]:
    """Return the real rows that a request shows."""
    lines = request["messages"][1]["content"].splitlines()
    return [json.loads(line.removeprefix("| ")) for line in lines if line.startswith("| [")]


def _open_chat(folder: Path, server: TurnServer) -> Chat:
    config = ModelConfig(model="made-up", base_url=server.base_url, api_key_env="")
    record = Record(folder / "record", blobs=Blobs(folder / "blobs"))
    return Chat(config, api_key="k", journal=Journal(record), guard=RowGuard([]), sleep=lambda _s: None)


def test_open_data_may_give_examples_and_the_card_says_so(real: Table, tmp_path: Path) -> None:
    with TurnServer([], source=answer_with_rows(sound)) as server:
        chat = _open_chat(tmp_path, server)
        made = ModelMaker(chat, examples=6, exposure="rows")(real, _order(25))
        given = shown_examples(server.turns[0].request)
        specification = told_in(server.turns[0].request)
    assert len(given) == 6
    rows = set(zip(*([f"{value:g}" for value in column.values] for column in real.columns), strict=True))
    assert all(tuple(row) in rows for row in given)
    for one, cells in zip(specification["columns"], zip(*given, strict=True), strict=True):
        assert set(cells) <= set(one["levels"]) if "levels" in one else True
    assert made.facts["examples"] == 6
    assert "6 real rows as examples, which a person opened" in made.facts["how"]


@pytest.mark.attack
def test_no_row_is_an_example_where_the_exposure_does_not_allow_it(real: Table, tmp_path: Path) -> None:
    with TurnServer([], source=answer_with_rows(sound)) as server:
        with pytest.raises(UsageError, match=r"6 real rows are asked for.*'metadata' the model sees none"):
            ModelMaker(_chat(tmp_path, server, real), examples=6)
        with pytest.raises(UsageError, match="'released' the model sees none"):
            ModelMaker(_chat(tmp_path, server, real), examples=6, exposure="released")
        assert not server.turns


@pytest.mark.canary
def test_the_guard_stops_examples_that_slip_through(real: Table, tmp_path: Path) -> None:
    with TurnServer([], source=answer_with_rows(sound)) as server:
        maker = ModelMaker(_chat(tmp_path, server, real), examples=6, exposure="rows")
        with pytest.raises(RowInRequest):
            maker(real, _order(25))
        assert not server.turns
