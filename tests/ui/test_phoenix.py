"""The trace of the demo in Arize Phoenix; only where COUNTERPROOF_PHOENIX names the Python of its environment.

python3 -m venv /tmp/phoenix && /tmp/phoenix/bin/pip install arize-phoenix==20.26.1      # 620 MB
COUNTERPROOF_PHOENIX=/tmp/phoenix/bin/python .venv/bin/python -m pytest tests/ui/test_phoenix.py
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from .kept_spans import kept_spans
from .terminal import Terminal

PHOENIX = os.environ.get("COUNTERPROOF_PHOENIX", "")
START_S = 180
pytestmark = [
    pytest.mark.third_party,
    pytest.mark.slow,
    pytest.mark.skipif(not PHOENIX, reason="asked for with COUNTERPROOF_PHOENIX=…/bin/python; it takes 620 MB"),
]


@pytest.fixture
def server(terminal: Terminal) -> Iterator[str]:
    """The address of a Phoenix server with an empty store."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        port, grpc = one.getsockname()[1], two.getsockname()[1]
    settings = {
        "PHOENIX_WORKING_DIR": str(terminal.folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(grpc),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    with (terminal.folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PHOENIX, "-m", "phoenix.server.main", "serve"],
            env={"PATH": os.environ["PATH"], **settings},
            stdout=log,
            stderr=log,
        )
        try:
            until = time.monotonic() + START_S
            while not _is_up(f"http://127.0.0.1:{port}/healthz"):
                assert process.poll() is None, (terminal.folder / "log").read_text()[-2000:]
                assert time.monotonic() < until, f"Phoenix did not start within {START_S} s"
                time.sleep(0.25)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal with a store of its own."""
    return Terminal(folder=tmp_path_factory.mktemp("phoenix"))


def _is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _read(server: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{server}/v1/projects/default/spans?limit=1000", timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]
        return found


def test_every_span_of_the_demo_arrives_in_phoenix_with_its_parent(terminal: Terminal, server: str) -> None:
    otlp = {"OTEL_EXPORTER_OTLP_ENDPOINT": server}
    demo = terminal.process("demo", "--json", "--home", str(terminal.home), env=otlp)
    assert demo.code == 0, demo.err
    kept = kept_spans(terminal.home, json.loads(demo.out)["study"])
    assert len(kept) > 15
    until = time.monotonic() + 30
    while len(arrived := _read(server)) < len(kept) and time.monotonic() < until:
        time.sleep(0.5)
    wanted = {(span["spanId"], span["traceId"], span.get("parentSpanId"), span["name"]) for span in kept}
    assert {
        (span["context"]["span_id"], span["context"]["trace_id"], span["parent_id"], span["name"]) for span in arrived
    } == wanted
    assert {span["attributes"]["gen_ai.conversation.id"] for span in arrived} == {json.loads(demo.out)["study"]}
