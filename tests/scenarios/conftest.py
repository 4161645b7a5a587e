"""A scenario of its own: the made-up trial, recorded with authored answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from counterproof.sandbox import Environment, LocalSandbox
from counterproof.scenarios.catalogue import load_scenario
from counterproof.scenarios.recorder import record_scenario, write_turns

from ..lab import PLAN, PRIMARY, REPLICATION, REPORT, Lab, real_mean, trial_csv

NAME = "made-up"
_TOML = """
title = "Scores by arm"
data = ["trial.csv"]
[model]
model = "authored-turns"
api_key_env = ""
[turns]
origin = "authored"
by = "the test"
at = "2026-11-20"
[turns.authored]
planner = "plan.json"
primary = "primary.py"
replication = "replication.py"
reporter = "report.json"
"""
_DECISION = '[[decisions]]\nkind = "{kind}"\ndecision = "approve"\ncomment = "Scripted."\n'
_EXPECTED = '[[expected]]\nresult = "mean_control"\nvalue = {value}\ntolerance = 0.001\n'
Catalogue = Callable[[], Path]


def _write(folder: Path) -> None:
    for name in ("data", "authored"):
        (folder / name).mkdir(parents=True)
    decisions = "".join(_DECISION.format(kind=kind) for kind in ("plan", "code", "release", "signoff"))
    (folder / "scenario.toml").write_text(_TOML + decisions + _EXPECTED.format(value=real_mean(0)))
    (folder / "question.md").write_text("Do scores differ between the arms?\n")
    (folder / "data" / "trial.csv").write_bytes(trial_csv())
    (folder / "authored" / "plan.json").write_text(json.dumps(PLAN))
    (folder / "authored" / "report.json").write_text(json.dumps(REPORT))
    (folder / "authored" / "primary.py").write_text(PRIMARY)
    (folder / "authored" / "replication.py").write_text(REPLICATION)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, sandbox: LocalSandbox, environment: Environment) -> Path:
    """A catalogue with the made-up scenario, recorded once."""
    root = tmp_path_factory.mktemp("catalogue")
    _write(root / NAME)
    lab = Lab(home=root / "home", sandbox=sandbox, environment=environment)
    turns = record_scenario(lab.runner(), load_scenario(NAME, root))
    write_turns(root / NAME / "turns.jsonl", turns)
    return root / NAME


@pytest.fixture
def root(recorded: Path, tmp_path: Path) -> Path:
    """A catalogue of the test's own, to be changed."""
    shutil.copytree(recorded, tmp_path / "catalogue" / NAME)
    return tmp_path / "catalogue"
