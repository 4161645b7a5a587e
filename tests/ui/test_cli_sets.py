"""Tables by `dp` and `model` from the command line: made by the gate's own process, verified and replayed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from counterproof.scenarios.server import TurnServer

from ..agents.made_sets import LBW
from ..agents.test_set_makers import PRIVATE, ROWS
from ..agents.test_synthesis import answer_with_rows, shown_examples, sound
from ..tools.synth.test_private_maker import PUBLIC
from .terminal import Terminal

pytestmark = pytest.mark.synthetic


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A terminal whose store knows Ada, who makes studies, and Bea, who may decide everything."""
    terminal = Terminal(folder=tmp_path)
    for name in ("ada", "bea"):
        terminal.reviewer(name)
    return terminal


def _begun(terminal: Terminal, specification: dict[str, Any], *options: str) -> str:
    wanted = terminal.file("set.json", json.dumps(specification).encode())
    return terminal.ok("synth", "study", wanted, "--data", str(LBW), "--author", "ada", *options).out.strip()


def _ended(terminal: Terminal, study: str) -> dict[str, Any]:
    """Approve everything, verify and replay, and return the maker of the card."""
    for kind in ("specification", "sample", "release"):
        assert terminal.run("run", study).code == 3
        terminal.ok("decide", f"{study}.{kind}.1", "approve", "--as", "bea", "--comment", "Looked at it.")
    terminal.ok("run", study)
    bundle = str(terminal.folder / "set.zip")
    terminal.ok("export", study, "-o", bundle)
    terminal.ok("verify", bundle)
    assert terminal.ok("replay", bundle, "--data", str(LBW), "--json").json["ok"]
    card = json.loads((terminal.home / "synthetic" / study / "card.json").read_bytes())
    maker: dict[str, Any] = card["provenance"]["maker"]
    return maker


def test_a_private_table_by_the_gate(terminal: Terminal) -> None:
    study = _begun(terminal, PRIVATE.model_dump(mode="json"), "--policy", terminal.file("policy.toml", PUBLIC))
    assert _ended(terminal, study)["epsilon"] == 3


def test_rows_of_a_model_that_was_shown_open_data(terminal: Terminal) -> None:
    specification = ROWS.model_copy(update={"examples": 2}).model_dump(mode="json")
    with TurnServer([], source=answer_with_rows(sound)) as server:
        model = ("--model", "made-up", "--base-url", server.base_url, "--api-key-env", "")
        study = _begun(terminal, specification, "--show-real-to-model", *model)
        assert _ended(terminal, study)["examples"] == 2
        assert [len(shown_examples(turn.request)) for turn in server.turns] == [2] * len(server.turns)
