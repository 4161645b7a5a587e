"""The trace of the demo in MLflow: sent over OTLP to a real server, read back with MLflow's own client.

Server and client run in an environment of their own (`make .venv/.mlflow`).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .kept_spans import kept_spans
from .terminal import Terminal

pytestmark = [pytest.mark.third_party, pytest.mark.slow]
PYTHON = Path(sys.prefix) / "mlflow" / "bin" / "python"
START_S = 180
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
_READ = """
import json, sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
for trace in mlflow.MlflowClient().search_traces(locations=["0"]):
    for span in trace.data.spans:
        print(json.dumps({"trace": span.trace_id, "id": span.span_id, "parent": span.parent_id, "name": span.name,
                          "status": str(span.status.status_code), "attributes": span.attributes}, default=str))
"""


@dataclass(frozen=True, kw_only=True)
class Traced:
    """The demo as MLflow has it, and as its record has it."""

    spans: list[dict[str, Any]]
    kept: list[dict[str, Any]]
    events: list[dict[str, Any]]
    study: str

    def of(self, operation: str) -> list[dict[str, Any]]:
        """Return the spans of an operation."""
        return [span for span in self.spans if span["attributes"].get("gen_ai.operation.name") == operation]

    def named(self, start: str) -> list[dict[str, Any]]:
        """Return the spans whose name begins so."""
        return [span for span in self.spans if span["name"].startswith(start)]

    def recorded(self, type_: str, **data: str) -> list[dict[str, Any]]:
        """Return the data of the events of a type."""
        return [
            event["data"] for event in self.events if event["type"] == type_ and data.items() <= event["data"].items()
        ]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a MLflow server with an empty store."""
    assert PYTHON.is_file(), f"There is no MLflow in {PYTHON.parent}: run `make .venv/.mlflow`."
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(PYTHON), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{folder}/store.db", "--default-artifact-root", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *store], cwd=folder, env={"PATH": os.environ["PATH"], **QUIET}, stdout=log, stderr=log
        )
        try:
            _wait(f"http://127.0.0.1:{port}/health", process, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def traced(server: str, tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """The demo, run by the installed script with two variables set, and what MLflow has of it then."""
    terminal = Terminal(folder=tmp_path_factory.mktemp("demo"))
    otlp = {"OTEL_EXPORTER_OTLP_ENDPOINT": server, "OTEL_EXPORTER_OTLP_HEADERS": "x-mlflow-experiment-id=0"}
    demo = terminal.process("demo", "--json", "--home", str(terminal.home), env=otlp)
    assert demo.code == 0, demo.err
    assert "does not take all spans" not in demo.err
    read = subprocess.run(
        [PYTHON, "-c", _READ, server], env={**os.environ, **QUIET}, capture_output=True, text=True, check=True
    )
    study = json.loads(demo.out)["study"]
    folder = terminal.home / "studies" / study
    return Traced(
        spans=[json.loads(line) for line in read.stdout.splitlines() if line.startswith("{")],
        kept=kept_spans(terminal.home, study),
        events=[json.loads(line) for line in (folder / "record" / "events.jsonl").read_text().splitlines()],
        study=study,
    )


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                assert answer.status == 200
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    pytest.fail(f"MLflow did not start within {START_S} s: {log.read_text()[-2000:]}")


def test_every_span_that_was_kept_arrived(traced: Traced) -> None:
    kept = {span["spanId"] for span in traced.kept}
    assert len(kept) > 15
    assert {span["id"] for span in traced.spans} == kept
    assert len(traced.spans) == len(kept)
    assert {span["attributes"]["gen_ai.conversation.id"] for span in traced.spans} == {traced.study}


def test_every_model_call_is_one_chat_span(traced: Traced) -> None:
    calls = traced.recorded("effect.finished", kind="model")
    assert len(calls) >= 4
    assert sorted(span["attributes"]["counterproof.effect"] for span in traced.of("chat")) == sorted(
        data["key"] for data in calls
    )


def test_every_execution_is_a_tool_span(traced: Traced) -> None:
    runs = traced.recorded("effect.finished", kind="execution")
    assert len(runs) >= 4
    spans = [span["attributes"] for span in traced.of("execute_tool") if "counterproof.effect" in span["attributes"]]
    assert sorted((span["counterproof.effect"], span["counterproof.order"]) for span in spans) == sorted(
        (data["key"], data["order"]) for data in runs
    )


def test_every_checkpoint_and_decision_is_a_span(traced: Traced) -> None:
    opened = sorted(data["id"] for data in traced.recorded("checkpoint.opened"))
    decided = sorted(data["checkpoint"] for data in traced.recorded("decision.recorded"))
    assert len(opened) == len(decided) == 4
    for start, wanted in (("checkpoint ", opened), ("decision ", decided)):
        assert sorted(span["attributes"]["counterproof.checkpoint.id"] for span in traced.named(start)) == wanted


def test_all_of_it_hangs_below_the_one_agent(traced: Traced) -> None:
    (agent,) = traced.of("invoke_agent")
    assert agent["parent"] is None
    others = [span for span in traced.spans if span is not agent]
    assert {span["parent"] for span in others} == {agent["id"]}
    assert {span["trace"] for span in others} == {agent["trace"]}
    assert {span["name"].partition(" ")[0] for span in others} == {"chat", "execute_tool", "checkpoint", "decision"}


def test_the_lines_of_the_record_lead_to_spans_in_mlflow(traced: Traced) -> None:
    spans = {span["id"]: span for span in traced.spans}
    for event in traced.events:
        if event["type"] == "effect.finished":
            found = spans[event["span_id"]]
            assert found["attributes"]["counterproof.effect"] == event["data"]["key"]
            assert found["trace"].removeprefix("tr-") == event["trace_id"]
