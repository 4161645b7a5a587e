"""Every speed that an issue names, measured: one line a figure, `name value unit goal ok|short`, and JSON on request.

    .venv/bin/python -P tests/bench/bench.py [--json FILE] [--only NAME]

A figure that misses its goal says `short`; the exit code stays 0, because another machine is another speed. Ratios
compare two things inside one run, measured in turns, and take the medians, so that a busy machine slows both. Absolute
goals are those of the issue or of the reference measurements. The whole run takes about a minute.

How each cost grows:

    help_s                           not at all: no command is imported
    demo_framework_s                 with the effects and checkpoints (about 0.1 s each, most of it flushing), and once
                                     with the imports of the application (about 1.5 s)
    replayer_*                       with the length of prompts; a turn is found by comparing with each recorded one, so
                                     with turns squared (at 150 turns nothing to notice)
    record_append_ratio              not with the length of the record; with the size of the event
    record_verify_events_per_s       the time with the number of events, and with their size
    bundle_verify_s                  with the bytes of the bundle, and with the number of events
    sandbox_cold_overhead_ms         with the number of inputs; not with their size
    sandbox_import_overhead_percent  not with what the program does: the overhead is paid at the start
    tap_added_us_p50                 with the size of request and answer, with four flushes of the disk a call, and with
                                     the events so far (the journal looks for its key: over a study with calls squared)
    step_ms_sqlite_sync              with the size of the state, which holds ids and digests only; not with the steps
    checkpoint_bytes_per_step        with the size of the state

It does not measure models, nor more than one study at a time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypedDict

import httpx2
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from pydantic import SecretStr

from counterproof.agents.chat import Chat
from counterproof.agents.models import ModelConfig
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.journal import Journal
from counterproof.provenance.record import Record, read_chain
from counterproof.provenance.verify import verify_bundle
from counterproof.sandbox import Environment, ExecutionSpec, LocalSandbox, find_environment, run_all
from counterproof.scenarios.catalogue import load_scenario
from counterproof.scenarios.server import Turn, TurnServer
from counterproof.tools import read_file
from counterproof.tools.rowguard import RowGuard
from counterproof.ui import environment

SCRIPT = Path(sys.executable).with_name("counterproof")
LINE = re.compile(
    r"(?P<name>[a-z][a-z0-9_]*) (?P<value>-?\d[\d.]*(?:e-\d+)?) (?P<unit>\S+) "
    r"(?P<goal>(?:<=|>=)\d[\d.]*) (?P<verdict>ok|short)"
)
"""One line of the output."""
IMPORTS = b"import pandas, lifelines\nprint(1)\n"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number with its goal."""

    name: str
    value: float
    unit: str
    goal: float
    wanted: Literal["<=", ">="] = "<="

    @property
    def verdict(self) -> Literal["ok", "short"]:
        """Whether the goal is met."""
        met = self.value <= self.goal if self.wanted == "<=" else self.value >= self.goal
        return "ok" if met else "short"

    def line(self) -> str:
        """Return the figure as it is printed."""
        shown = f"{self.value:.4g}" if abs(self.value) < 10_000 else f"{self.value:.0f}"
        return f"{self.name} {shown} {self.unit} {self.wanted}{self.goal:.10g} {self.verdict}"


def start() -> list[Figure]:
    """The start of the command line."""
    times = [_timed(lambda: subprocess.run([SCRIPT, "--help"], capture_output=True, check=True)) for _ in range(9)]
    return [Figure(name="help_s", value=median(times), unit="s", goal=0.2)]


def demo() -> list[Figure]:
    """The demo as a process, its bundle, and what its graph left."""
    with tempfile.TemporaryDirectory(prefix="counterproof-bench-") as folder:
        home, bundle = Path(folder, "home"), Path(folder, "demo.zip")
        began = time.perf_counter()
        command = [str(SCRIPT), "demo", "--json", "--home", str(home), "-o", str(bundle)]
        answer = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        wall_s = time.perf_counter() - began
        verify_s = median(_timed(lambda: verify_bundle(bundle)) for _ in range(5))
        (database,) = home.glob("studies/*/graph.sqlite")
        bytes_per_step = _bytes_per_step(database)
    return [
        Figure(name="demo_framework_s", value=wall_s - answer["programs_s"], unit="s", goal=5),
        Figure(name="bundle_verify_s", value=verify_s, unit="s", goal=0.5),
        Figure(name="checkpoint_bytes_per_step", value=bytes_per_step, unit="bytes", goal=4096),
    ]


def _bytes_per_step(database: Path) -> float:
    with sqlite3.connect(database) as connection:
        steps, states = connection.execute(
            "SELECT count(*), sum(length(checkpoint) + length(metadata)) FROM checkpoints"
        ).fetchone()
        (writes,) = connection.execute("SELECT coalesce(sum(length(value)), 0) FROM writes").fetchone()
    return float(states + writes) / int(steps)


def replayer() -> list[Figure]:
    """The loopback server against one that writes header and body apart, through the real client."""
    request, response = _recorded_turn()
    turns = [Turn(request=request, response=response, origin={}) for _ in range(150)]
    with TurnServer(turns) as quick, _naive_server(response) as naive_url:
        clients = {"quick": _client(quick.base_url), "naive": _client(naive_url)}
        messages = _messages(request)
        options = {key: request[key] for key in ("response_format",) if key in request}
        seconds: dict[str, list[float]] = {"quick": [], "naive": []}
        for client in clients.values():
            client.invoke(messages, **options)  # connects
        for _ in range(8):  # in bursts, as a scenario asks: after a pause Linux acknowledges at once for a while
            for name, client in clients.items():
                ask = partial(client.invoke, messages, **options)
                seconds[name] += [_timed(ask) for _ in range(8)]
    quick_s, naive_s = median(seconds["quick"]), median(seconds["naive"])
    return [
        Figure(name="replayer_speedup", value=naive_s / quick_s, unit="times", goal=5, wanted=">="),
        Figure(name="replayer_turns_per_s", value=1 / quick_s, unit="turns/s", goal=100, wanted=">="),
    ]


class _Naive(BaseHTTPRequestHandler):
    """What the standard library does when nobody tells it otherwise."""

    protocol_version = "HTTP/1.1"
    body = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def _naive_server(response: dict[str, Any]) -> Iterator[str]:
    handler = type("Handler", (_Naive,), {"body": json.dumps(response).encode()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


def _recorded_turn() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the longest recorded exchange of the demo."""
    turn = max(load_scenario("lung-survival").read_turns(), key=lambda turn: len(json.dumps(turn.request)))
    return turn.request, turn.response


def _messages(request: dict[str, Any]) -> list[BaseMessage]:
    kinds: dict[str, type[SystemMessage | HumanMessage]] = {"system": SystemMessage, "user": HumanMessage}
    return [kinds[message["role"]](message["content"]) for message in request["messages"] if message["role"] in kinds]


def _client(base_url: str) -> ChatOpenAI:
    return ChatOpenAI(
        model="authored-turns",
        base_url=base_url,
        api_key=SecretStr("none"),
        use_responses_api=False,
        max_retries=0,
        http_client=httpx2.Client(transport=httpx2.HTTPTransport()),
    )


def record() -> list[Figure]:
    """Appending to a record, against the bare work on the same disk; and reading a long one."""
    event = {"key": "write/primary/1/1", "kind": "model", "attempt": 1, "padding": "x" * 150}
    with tempfile.TemporaryDirectory(prefix="counterproof-bench-") as folder:
        kept = Record(Path(folder), blobs=Blobs(Path(folder, "blobs")))
        kept.append("effect.started", data=event)
        value = json.loads(kept.path.read_bytes())
        bare = os.open(Path(folder, "bare.jsonl"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        ours, theirs = [], []
        for _ in range(200):
            ours.append(_timed(lambda: kept.append("effect.started", data=event)))
            theirs.append(_timed(lambda: _bare_append(bare, value)))
        os.close(bare)
        lines = kept.path.read_bytes()
    long = _long_chain(lines.splitlines()[0], events=20_000)
    read_s = median(_timed(lambda: read_chain(long)) for _ in range(5))
    return [
        Figure(name="record_append_ratio", value=median(ours) / median(theirs), unit="times", goal=3),
        Figure(name="record_verify_events_per_s", value=20_000 / read_s, unit="events/s", goal=150_000, wanted=">="),
    ]


def _bare_append(handle: int, value: Any) -> None:
    line = canonical_json(value)
    hashlib.sha256(line).hexdigest()
    os.write(handle, line + b"\n")
    os.fdatasync(handle)


def _long_chain(line: bytes, *, events: int) -> bytes:
    """Return a chain as `Record.append` would write it, without flushing each line."""
    raw = json.loads(line)
    lines: list[bytes] = []
    for seq in range(events):
        raw["seq"] = seq
        raw["prev"] = hashlib.sha256(lines[-1]).hexdigest() if lines else raw["prev"]
        lines.append(canonical_json(raw))
    return b"\n".join(lines) + b"\n"


def sandbox() -> list[Figure]:
    """A cold start in the sandbox, against the same interpreter without it."""
    place, analysis = LocalSandbox(), find_environment()
    _sandboxed(place, analysis, b"print(1)\n")  # probes
    cold = _paired(place, analysis, b"print(1)\n", rounds=15)
    loaded = _paired(place, analysis, IMPORTS, rounds=5)
    over_ms = (cold["inside"] - cold["bare"]) * 1000
    over_percent = (loaded["inside"] / loaded["bare"] - 1) * 100
    return [
        Figure(name="sandbox_cold_overhead_ms", value=over_ms, unit="ms", goal=20),
        Figure(name="sandbox_import_overhead_percent", value=over_percent, unit="%", goal=5),
    ]


def _paired(place: LocalSandbox, analysis: Environment, program: bytes, *, rounds: int) -> dict[str, float]:
    bare = [str(analysis.path / "bin" / "python"), "-I", "-c", program.decode()]
    times: dict[str, list[float]] = {"inside": [], "bare": []}
    for _ in range(rounds):
        times["bare"].append(_timed(lambda: subprocess.run(bare, capture_output=True, check=True)))
        times["inside"].append(_timed(lambda: _sandboxed(place, analysis, program)))
    return {name: median(values) for name, values in times.items()}


def _sandboxed(place: LocalSandbox, analysis: Environment, program: bytes) -> None:
    (done,) = run_all(place, [ExecutionSpec(program=program, environment=analysis)])
    if done.status != "ok":
        raise RuntimeError(f"The program of the measurement ended with {done.status}.")


def tap() -> list[Figure]:
    """What writing a model call down adds to it: guard, journal, two blobs, two events, a client of its own."""
    request, response = _recorded_turn()
    scenario = load_scenario("lung-survival")
    guard = RowGuard([read_file(path)[1] for path in scenario.data_paths])
    messages, form = _messages(request), request.get("response_format")
    with (
        tempfile.TemporaryDirectory(prefix="counterproof-bench-") as folder,
        TurnServer([Turn(request=request, response=response, origin={}) for _ in range(140)]) as server,
    ):
        kept = Record(Path(folder, "record"), blobs=Blobs(Path(folder, "blobs")))
        config = ModelConfig(model="authored-turns", base_url=server.base_url, api_key_env="")
        chat = Chat(config, api_key="none", journal=Journal(kept), guard=guard)
        plain = _client(server.base_url)
        ours, theirs = [], []
        for at in range(65):
            theirs.append(_timed(lambda: plain.invoke(messages, response_format=form)))
            ours.append(_timed(partial(chat.complete, f"call/{at}", messages, response_format=form)))
    added_us = (median(ours[5:]) - median(theirs[5:])) * 1e6
    return [Figure(name="tap_added_us_p50", value=added_us, unit="us", goal=100)]


class _State(TypedDict, total=False):
    study: str
    plan: str
    left: int


def steps() -> list[Figure]:
    """One step of a graph with a small state over the SQLite checkpointer, each flushed before the next begins."""
    graph = StateGraph(_State)
    graph.add_node("step", lambda state: {"left": state["left"] - 1, "plan": hashlib.sha256(b"x").hexdigest()})
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["left"] else END)
    config: Any = {"configurable": {"thread_id": "bench"}, "recursion_limit": 200}
    begin: Any = {"study": "study-1a2b3c4d", "left": 100}
    times = []
    with tempfile.TemporaryDirectory(prefix="counterproof-bench-") as folder:
        for at in range(5):
            connection = sqlite3.connect(Path(folder, f"{at}.sqlite"), check_same_thread=False)
            saver = SqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
            run = graph.compile(checkpointer=saver).invoke
            began = time.perf_counter()
            run(begin, config, durability="sync")
            times.append((time.perf_counter() - began) / 100)
            connection.close()
    return [Figure(name="step_ms_sqlite_sync", value=median(times) * 1000, unit="ms", goal=3)]


def _timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


PARTS = (start, demo, replayer, record, sandbox, tap, steps)


def main() -> None:
    """Measure everything, one line a figure."""
    parser = argparse.ArgumentParser(description="Measure every speed that an issue names.")
    parser.add_argument("--json", type=Path, help="write the figures here too, as JSON")
    parser.add_argument("--only", choices=[part.__name__ for part in PARTS], help="measure one part")
    given = parser.parse_args()
    environment.clean()
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > processors / 2:
        print(f"The load is {load:.1f} on {processors} processors: absolute figures say little.", file=sys.stderr)
    figures: list[Figure] = []
    for part in PARTS:
        if given.only in (None, part.__name__):
            for figure in part():
                figures.append(figure)
                print(figure.line(), flush=True)
    if given.json:
        rows = [{**asdict(figure), "verdict": figure.verdict} for figure in figures]
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
