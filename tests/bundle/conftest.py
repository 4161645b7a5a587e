"""Bundles that are made once for a whole test run, however many processes run it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from counterproof.agents.bundling import make_bundle
from counterproof.agents.runner import Runner
from counterproof.agents.study import open_study, open_workplace
from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.instrumentation import instrument_models
from counterproof.provenance.tracing import start_tracing
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.scenarios.catalogue import load_scenario
from counterproof.scenarios.replayer import run_scenario, start_scenario

from ..agents.made_sets import TABLE, make_table, make_texts
from ..endpoint import Endpoint, Reply
from ..lab import PRIMARY, REPLICATION, Lab, planned, program, reported, script, written
from .forging import Bag, Story

ANSWERS = b"""# by Ada
[A4]
answer = "Ada designed the study and is accountable for it."
[B6]
not_applicable = "No model was trained."
"""
MakeStory = Callable[[Path], Story]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all processes of this test run share."""
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "bundles"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def demo(shared: Path, sandbox: LocalSandbox, environment: Environment) -> Path:
    """The bundle of the demo: the built-in scenario, with its data."""

    def make(target: Path) -> None:
        place = open_workplace(shared / "demo-home")
        study = start_scenario(place, load_scenario("lung-survival"))
        runner = Runner(workplace=place, sandbox=sandbox, environment=environment, api_key=lambda _name: "none")
        instrument_models()
        with start_tracing(place.store.study_folder(study) / "telemetry" / "spans.otlp.jsonl", study=study):
            run_scenario(runner, study)
        make_bundle(place, open_study(place, study), target)

    return _once(shared / "demo.zip", make)


@pytest.fixture(scope="session")
def table_set(shared: Path, sandbox: LocalSandbox, environment: Environment) -> Path:
    """The bundle of a synthetic table that was made from real rows."""

    def make(target: Path) -> None:
        lab = Lab(home=shared / "table-home", sandbox=sandbox, environment=environment)
        shutil.copyfile(lab.study(make_table(lab)).folder / "bundle.zip", target)

    return _once(shared / "table.zip", make)


@pytest.fixture(scope="session")
def other_table_set(shared: Path, sandbox: LocalSandbox, environment: Environment) -> Path:
    """The bundle of another table, made from the same rows."""

    def make(target: Path) -> None:
        lab = Lab(home=shared / "other-table-home", sandbox=sandbox, environment=environment)
        study = make_table(lab, TABLE.model_copy(update={"seed": 5}))
        shutil.copyfile(lab.study(study).folder / "bundle.zip", target)

    return _once(shared / "other-table.zip", make)


@pytest.fixture(scope="session")
def texts_set(shared: Path, sandbox: LocalSandbox, environment: Environment) -> Path:
    """The bundle of a linked set of texts."""

    def make(target: Path) -> None:
        (shared / "texts").mkdir()
        lab = Lab(home=shared / "texts" / "home", sandbox=sandbox, environment=environment)
        shutil.copyfile(lab.study(make_texts(lab)).folder / "bundle.zip", target)

    return _once(shared / "texts.zip", make)


@pytest.fixture(scope="session")
def reviewed(shared: Path, sandbox: LocalSandbox, environment: Environment) -> Path:
    """The bundle of a study that Ada reviewed: a call that failed, a rejected plan, a rejected report, her answers."""

    def make(target: Path) -> None:
        lab = Lab(home=shared / "reviewed-home", sandbox=sandbox, environment=environment)
        study = lab.new(share_data=True)
        answers = script(
            planner=[Reply(status=503), planned(title="First draft"), planned()],
            primary=["no program at all", written(PRIMARY)],
            reporter=[reported(methods="First words."), reported()],
        )
        lab.study(study).answers.write_bytes(ANSWERS)
        with Endpoint(answers) as endpoint:
            decisions: tuple[DecisionKind, ...] = ("reject", "approve", "approve", "approve", "reject", "approve")
            lab.run(study, endpoint.base_url, *decisions)
        make_bundle(lab.workplace, lab.study(study), target)

    return _once(shared / "reviewed.zip", make)


@pytest.fixture(scope="session")
def replanned(shared: Path, sandbox: LocalSandbox, environment: Environment) -> Path:
    """The bundle of a study that went back to its plan from the release, after the data had been opened."""

    def make(target: Path) -> None:
        lab = Lab(home=shared / "replanned-home", sandbox=sandbox, environment=environment)
        study = lab.new(share_data=True)
        again = "# for the second plan\n"
        answers = script(
            planner=[planned(), planned(ci_level=0.9)],
            primary=[written(PRIMARY), written(PRIMARY + again)],
            replication=[written(REPLICATION), written(REPLICATION + again)],
        )
        with Endpoint(answers) as endpoint:
            decisions: tuple[DecisionKind, ...] = ("approve", "approve", "replan", *("approve",) * 4)
            lab.run(study, endpoint.base_url, *decisions)
        make_bundle(lab.workplace, lab.study(study), target)

    return _once(shared / "replanned.zip", make)


@pytest.fixture(scope="session")
def repaired(shared: Path, sandbox: LocalSandbox, environment: Environment) -> Path:
    """The bundle of a study whose first program failed on the twin."""

    def make(target: Path) -> None:
        lab = Lab(home=shared / "repaired-home", sandbox=sandbox, environment=environment)
        study = lab.new()
        wrong = program("Fails on the twin.", middle="raise ValueError(len(rows))")
        with Endpoint(script(primary=[written(wrong), written(PRIMARY)])) as endpoint:
            lab.run(study, endpoint.base_url, "approve", "approve", "approve", "approve")
        make_bundle(lab.workplace, lab.study(study), target)

    return _once(shared / "repaired.zip", make)


@pytest.fixture(scope="session")
def redacted(shared: Path, reviewed: Path) -> Path:
    """The redacted bundle of the study that Ada reviewed."""

    def make(target: Path) -> None:
        place = open_workplace(shared / "reviewed-home")
        make_bundle(place, open_study(place, Bag(reviewed).top), target, profile="redacted")

    return _once(shared / "redacted.zip", make)


def _once(target: Path, make: Callable[[Path], None]) -> Path:
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            make(target)
    return target
