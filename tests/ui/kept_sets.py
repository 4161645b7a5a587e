"""What stands in a store beside studies: a synthetic set with a rating session, and comparisons of models."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from counterproof.agents.compare import CampaignRun
from counterproof.agents.compare.running import end_campaign
from counterproof.sandbox import WarmSandbox
from counterproof.scenarios.scripted import ModelServer
from counterproof.tools import read_file
from counterproof.tools.synth import review
from counterproof.tools.synth.evaluation.tables import Question
from counterproof.tools.synth.exhibits import of_rows
from counterproof.tools.synth.makers import MAKERS
from counterproof.tools.synth.sets import make_set
from counterproof.ui.synthetic_sets import FOLDER, REVIEW

from ..compare.tiny import Small, make_campaign, plan_small

LBW = Path(__file__).parents[2] / "scenarios" / "low-birth-weight" / "data" / "lbw.csv"
SET = "lbw"
ITEMS = 24


def add_set(home: Path, *, items: int = ITEMS) -> Path:
    """Put a synthetic table and a rating session of it into a store; return its folder."""
    folder = home / FOLDER / SET
    _, real = read_file(LBW)
    made = make_set(real, MAKERS["marginals"], findings=(), question=Question(), share=0.3, rows=None, seed=1)
    folder.mkdir(parents=True)
    for name, data in made.files.items():
        (folder / name).write_bytes(data)
    _, rows = read_file(folder / "lbw.synthetic.csv")
    review.start(folder / REVIEW, of_rows(real), of_rows(rows), items=items, seed=1)
    return folder


def add_comparison(home: Path, folder: Path, *, ends: bool) -> Small:
    """Put a comparison of two scripted models into a store, whole or with one cell left."""
    with ThreadPoolExecutor(1) as pool:  # while a browser is driven, this thread has a loop that runs
        return pool.submit(_compare, home, folder, ends=ends).result()


def _compare(home: Path, folder: Path, *, ends: bool) -> Small:
    with ModelServer() as server:
        sandbox = WarmSandbox()
        small = plan_small(make_campaign(folder, ["good", "prose"]), home, sandbox=sandbox, endpoint=server.base_url)
        for name in ("good", "prose") if ends else ("prose",):
            small.do(name)
        sandbox.close()
    if ends:
        end_campaign(small.planned, CampaignRun.of_finished(small.place, small.planned.cells))
    return small
