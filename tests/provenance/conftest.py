"""Records to make statements and pages of: one told by hand, and that of the demo."""

from __future__ import annotations

import pytest

from counterproof.agents.runner import Runner
from counterproof.agents.study import open_study, open_workplace
from counterproof.provenance.instrumentation import instrument_models
from counterproof.provenance.tracing import start_tracing
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.scenarios.catalogue import load_scenario
from counterproof.scenarios.replayer import run_scenario, start_scenario

from .stories import Told, tell


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A study that Ada reviewed: a rejected plan, a call that failed once, a program that was repaired."""
    return tell(tmp_path_factory.mktemp("told"))


@pytest.fixture(scope="session")
def demo_told(tmp_path_factory: pytest.TempPathFactory, sandbox: LocalSandbox, environment: Environment) -> Told:
    """The record of the demo, run here."""
    place = open_workplace(tmp_path_factory.mktemp("demo") / "home")
    study = start_scenario(place, load_scenario("lung-survival"))
    spans = place.store.study_folder(study) / "telemetry" / "spans.otlp.jsonl"
    instrument_models()
    with start_tracing(spans, study=study):
        run_scenario(Runner(workplace=place, sandbox=sandbox, environment=environment, api_key=lambda _: "none"), study)
    record = open_study(place, study).record
    return Told(events=record.events(), blobs=record.blobs, record=record, spans=spans.read_bytes())
