"""Cells in which next to nothing happens, or a known amount of work, to measure the engine around them.

One analysis that asks for one number, a model that always gives the same program, and as many models as are needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterproof.agents.compare import load_campaign
from counterproof.agents.compare.engine import Seat
from counterproof.agents.compare.running import Planned, plan_campaign
from counterproof.provenance.vault import Vault
from counterproof.scenarios.loopback import Loopback, LoopbackHandler
from counterproof.scenarios.recorder import chat_completion
from counterproof.ui import environment

PROGRAM = """
import os
spin = {spin}
while spin:
    spin -= 1
row = {{"id": "answer", "label": "answer", "value": 42, "unit": "count", "n": 2, "method": "counting",
       "population": "all"}}
import json
with open(os.path.join(os.environ["COUNTERPROOF_OUT"], "results.json"), "w") as file:
    json.dump({{"schema": "counterproof/results/1", "results": [row]}}, file)
"""
_TASK = """
id: trivial
title: One number
question: What is the answer?
data: [data.csv]
source: Made up.
terms: simulated
contamination: None.
languages: [python]
limits: {wall_s: 60, memory_mib: 512}
analysis: {results: [answer]}
"""
_REPEATS = 100


class OneAnswer(Loopback):
    """A model that answers every request with the same program.

    Args:
        spin: how often the program counts down before it writes its number.
    """

    def __init__(self, *, spin: int = 0) -> None:
        self.program = PROGRAM.format(spin=spin)
        super().__init__(_Handler)

    @property
    def base_url(self) -> str:
        """The address that a model configuration names."""
        return f"{self.url}/v1"


class _Handler(LoopbackHandler):
    def do_POST(self) -> None:
        request: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = f"```python\n{self.server.owner.program}```\n"
        data = json.dumps(chat_completion(answer, request)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def plan_trivial(folder: Path, cells: int, *, endpoint: str) -> Planned:
    """Plan a campaign of so many cells, or of a few more, in a folder.

    Args:
        folder: for the task, the campaign and what comes of it.
        cells: how many.
        endpoint: address of the model.
    """
    task = folder / "trivial"
    (task / "data").mkdir(parents=True)
    (task / "held-out").mkdir()
    (task / "task.yaml").write_text(_TASK)
    (task / "data" / "data.csv").write_text("a,b\n1,2\n3,4\n")
    (task / "held-out" / "answers.yaml").write_text("expected: {answer: {value: 42, tol: 0}}\n")
    models = -(-cells // _REPEATS)
    lines = ['id = "trivial"', 'title = "Trivial"', f"repeats = {min(cells, _REPEATS)}", 'tasks = ["trivial"]']
    for number in range(models):
        lines += [f"[models.m{number}]", 'model = "one-answer"', f'base_url = "{endpoint}"', 'api_key_env = ""']
    path = folder / "trivial.toml"
    path.write_text("\n".join([*lines, "[[grid]]", ""]))
    return plan_campaign(load_campaign(path), folder / "campaigns", vault=Vault(folder / "vault"))


def seat_of(planned: Planned, endpoints: Mapping[str, str] | None = None) -> Seat:
    """Return the seat of a campaign's workers on this machine."""
    return Seat(
        place=planned.place,
        tasks=planned.loaded.tasks,
        endpoints=endpoints or {},
        limits={},
        api_key=environment.api_key,
        search_path=environment.search_path,
        ready=environment.clean,
    )
