"""Synthetic sets kept with their model turns: letters, bedside notes linked with a signal, and a table of births.

    sets/<name>/specification.json patients.csv beside.jsonl   what the study is made with
    sets/<name>/turns.jsonl                                    each request of the model, and an answer written by hand

The births are those of a scenario, and a program of the tests drew the rows of the answers from what was asked for.

In the first round of the letters four things are planted: a letter that contradicts its row, one with a name and a
telephone number, one with a wrong unit, and one that is another one again. After a prompt has changed,
`python -m tests.agents.set_scenarios` asks for the same answers with the new requests.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from counterproof.agents.models import ModelConfig
from counterproof.agents.set_study import new_set_study
from counterproof.provenance.reviewers import Role
from counterproof.provenance.store import Status
from counterproof.sandbox import LocalSandbox, find_environment
from counterproof.scenarios.recorder import write_turns
from counterproof.scenarios.server import Source, Turn, TurnServer
from counterproof.tools.synth.specification import parse_set_specification

from ..lab import ADA, AUTHOR_KEY, KEY, LIN, NOWHERE, Lab
from .made_sets import LBW, rate
from .test_synthesis import answer_with_rows, sound

FOLDER = Path(__file__).with_name("sets")
NAMES = ("letters", "bedside", "births")
REJECTED = {"letters": "Two letters are the same text with another age. Write each patient's own."}
"""Why a sample is rejected, where it is."""
ORIGIN = {"origin": "authored", "by": "the maintainers", "at": "2026-11-27"}


def turns_of(name: str) -> list[Turn]:
    """Return the kept turns of a set."""
    rows = [json.loads(line) for line in (FOLDER / name / "turns.jsonl").read_text(encoding="utf-8").splitlines()]
    return [Turn(request=row["request"], response=row["response"], origin=row["origin"]) for row in rows]


def start(lab: Lab, name: str) -> str:
    """Make the study of a kept set."""
    if not lab.workplace.registry.active():
        lab.add(ADA, KEY)
        lab.add(LIN, AUTHOR_KEY, Role.INVESTIGATOR)
    folder, beside = FOLDER / name, FOLDER / name / "beside.jsonl"
    specification = (folder / "specification.json").read_bytes()
    return new_set_study(
        lab.workplace,
        parse_set_specification(specification, source=name),
        data=[folder / "patients.csv" if (folder / "patients.csv").exists() else LBW],
        model=ModelConfig(model="authored", base_url=NOWHERE, api_key_env=""),
        beside=beside.read_bytes() if beside.exists() else b"",
        author=LIN,
    )


def _asked(request: dict[str, Any]) -> str:
    """Return what a request asks for, in words that stay when a prompt changes: facts, round and attempt."""
    messages = request["messages"]
    text: str = messages[1]["content"]
    facts = json.JSONDecoder().raw_decode(text[text.index("{", text.index("Facts of")) :])[0]
    again = "rejected" if "rejected the texts" in text else "first"
    return json.dumps([facts, again, sum(message["role"] == "assistant" for message in messages)], sort_keys=True)


def _known(name: str) -> Source:
    known = {_asked(turn.request): turn.response for turn in turns_of(name)}
    return lambda request: known[_asked(request)]


def record(name: str) -> None:
    """Ask for the kept answers with the requests of now, and keep both."""
    source = answer_with_rows(sound) if name == "births" else _known(name)
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(home=Path(folder, "home"), sandbox=LocalSandbox(), environment=find_environment("python"))
        with TurnServer([], source=source, origin=ORIGIN) as server:
            study = start(lab, name)
            assert lab.run(study, server.base_url, "approve") is Status.WAITING
            if name in REJECTED:
                lab.decide(study, "reject", comment=REJECTED[name])
                assert lab.run(study, server.base_url) is Status.WAITING
            if name != "births":
                rate(lab, study)
            assert lab.run(study, server.base_url, "approve", "approve") is Status.DONE
            write_turns(FOLDER / name / "turns.jsonl", server.turns)


if __name__ == "__main__":
    for each in sys.argv[1:] or NAMES:
        record(each)
