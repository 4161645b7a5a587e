"""Small tasks and campaigns for the tests: thirty training samples and twenty test samples with six values each."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from counterproof.agents.compare import Bench, CampaignPlace, load_campaign
from counterproof.agents.compare.cell import Cell, CellResult
from counterproof.agents.compare.running import Planned, plan_campaign
from counterproof.provenance.vault import Vault
from counterproof.sandbox import Sandbox

CANARY = "held-out-canary-5521"
"""Stands in the file of held-out labels and nowhere else."""
_TASK = """
id: {name}
title: A made-up {shape}
question: Predict {target} of the samples of test.csv.
data: [train.csv, test.csv]
source: Drawn by the tests.
terms: simulated
contamination: None.
languages: [python, r]
limits: {{wall_s: {wall_s}, memory_mib: 1024}}
prediction:
  train: train.csv
  test: test.csv
  id_column: sample
  target: {target}
  shape: {shape}
  {classes}
  metric: {metric}
  direction: higher
  baseline: {{label: a coin, source: none, value: {baseline}}}
"""


def make_task(folder: Path, *, shape: str = "classification", wall_s: int = 10, seed: int = 3) -> Path:
    """Write a task whose values tell the target, and return its folder."""
    chance = random.Random(seed)
    rows = []
    for at in range(50):
        hidden = chance.gauss(0, 1)
        values = [hidden * (1 if column < 3 else 0) + chance.gauss(0, 0.6) + 5 for column in range(6)]
        target = ("case" if hidden > 0 else "control") if shape == "classification" else f"{hidden:.3f}"
        rows.append([f"Q{at:02d}", target, *(f"{value:.3f}" for value in values)])
    names = [f"v{column}" for column in range(6)]
    target = "state" if shape == "classification" else "level"
    (folder / "data").mkdir(parents=True)
    (folder / "held-out").mkdir()
    (folder / "data" / "train.csv").write_text(_csv([["sample", target, *names], *rows[:30]]))
    (folder / "data" / "test.csv").write_text(_csv([["sample", *names], *([row[0], *row[2:]] for row in rows[30:])]))
    labels = [["sample", target, "note"], *([row[0], row[1], CANARY] for row in rows[30:])]
    (folder / "held-out" / "labels.csv").write_text(_csv(labels))
    is_class = shape == "classification"
    text = _TASK.format(
        name=folder.name,
        shape=shape,
        target=target,
        wall_s=wall_s,
        classes="classes: [control, case]" if is_class else "",
        metric="auroc" if is_class else "spearman",
        baseline=0.5 if is_class else 0.0,
    )
    (folder / "task.yaml").write_text(text)
    return folder


def make_campaign(
    folder: Path,
    models: Sequence[str],
    *,
    tasks: Sequence[str] = ("tiny",),
    languages: Sequence[str] = ("python",),
    arms: Sequence[str] = ("single_shot",),
    repeats: int = 1,
    more: str = "",
) -> Path:
    """Write a campaign of scripted models beside its tasks, and return its file."""
    for name in tasks:
        if not (folder / name).exists():
            make_task(folder / name)
    lines = [
        'id = "tiny"',
        'title = "A tiny comparison"',
        f"repeats = {repeats}",
        f"tasks = {list(tasks)!r}",
        "[models]",
        *(f'{name}.scripted = "{name}"' for name in models),
        "[[grid]]",
        f"languages = {list(languages)!r}",
        f"arms = {list(arms)!r}",
        more,
    ]
    path = folder / "tiny.toml"
    path.write_text("\n".join(lines).replace("'", '"') + "\n")
    return path


@dataclass(frozen=True, kw_only=True)
class Small:
    """A campaign that is planned, and a bench on which its cells are done in this process."""

    planned: Planned
    bench: Bench

    def cell(self, name: str, **wanted: object) -> Cell:
        """Return the first cell of a model that has these values."""
        return next(
            cell
            for cell in self.planned.cells
            if cell.name == name and all(getattr(cell, key) == value for key, value in wanted.items())
        )

    def do(self, name: str, **wanted: object) -> CellResult:
        """Do a cell and return what came of it."""
        return self.bench.do(self.cell(name, **wanted)).result

    @property
    def place(self) -> CampaignPlace:
        """Where it is kept."""
        return self.planned.place


def plan_small(path: Path, home: Path, *, sandbox: Sandbox, endpoint: str) -> Small:
    """Plan a campaign of scripted models that are served at an address."""
    loaded = load_campaign(path)
    planned = plan_campaign(loaded, home / "campaigns", vault=Vault(home / "vault"))
    bench = Bench(
        place=planned.place,
        tasks=loaded.tasks,
        sandbox=sandbox,
        api_key=lambda _name: "none",
        endpoints=dict.fromkeys(loaded.campaign.models, endpoint),
    )
    return Small(planned=planned, bench=bench)


def _csv(rows: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
