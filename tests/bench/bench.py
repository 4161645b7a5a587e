"""Every speed that an issue names, measured: one line a figure, `name value unit goal ok|short`, and JSON on request.

    .venv/bin/python -m tests.bench.bench [--json FILE] [--only NAME]

A figure that misses its goal says `short`; the exit code stays 0, because another machine is another speed. Ratios
compare two things inside one run, measured in turns, and take the medians, so that a busy machine slows both. Absolute
goals are those of the issue or of the reference measurements. The whole run takes about three minutes.

How each cost grows:

    help_s                           not at all: no command is imported
    demo_framework_s                 with the effects and checkpoints (about 0.1 s each, most of it flushing), and once
                                     with the imports of the application (about 1.5 s)
    replayer_*                       with the length of prompts; a turn is found by comparing with each recorded one, so
                                     with turns squared (at 150 turns nothing to notice)
    record_append_ratio, …_flushed   not with the length of the record; with the size of the event
    record_verify_events_per_s       the time with the number of events, and with their size
    record_verify_memory_growth_kib  not at all: from ten thousand events to a hundred thousand
    file_hash_ratio                  the time with the size of the file
    bundle_verify_s                  with the bytes of the bundle, and with the number of events
    export_vs_zip_speed_ratio        the time of both with the bytes of data and bodies; that of an export also with the
                                     events (pages and statement, 0.2 s for a study without any)
    export_1gib_rss_growth_mib       not with the bytes: two pieces of 1 MiB are held at a time
    sandbox_warm_*, sandbox_parked_* with the memory of the imported stack (a fork copies its page tables) and with the
                                     size of the inputs, which are copied
    sandbox_cold_isolation_*         with the number of inputs; not with their size
    sandbox_kill_overshoot_ms        with the number of processes
    sandbox_private_memory_mib       with the pages that starting touches; not with the stack
    sandbox_no_survivor_ms           with the number and memory of the processes
    tap_added_us_p50                 with the size of request and answer, and with two flushes of the disk a call;
                                     without the guard, and without making files of the bodies when the record is let
                                     go of (some 0.5 ms each)
    tap_guard_ms_p50                 with the size of the request (here 54 kB), as guard_check_ms
    guard_check_ms                   with the size of the request, times the lengths of runs looked for; not with
                                     the data
    guard_fingerprints_share         not above a twentieth of the file; what there is no room for is sampled
    guard_build_mb_per_s             the time with rows times columns, and with the different texts
    intake_time_ratio                the time of both with rows times columns, and with the different texts
    intake_memory_ratio              with the size of the file, which is held beside the table
    twin_vs_sdv_time_ratio           the time of both with rows times columns; that of the twin from 20,000 rows on with
                                     drawing and writing them alone
    synth_make_and_card_s            with the rows up to 20,000 (metrics sample beyond that), then with reading, making
                                     and writing them; with the columns squared, up to 200 pairs
    synth_memory_mib                 with rows times columns, five times over
    synth_ten_times_the_rows_ratio   less than the rows: 10,000 to 100,000
    synth_million_rows_ratio         the same: 100,000 to 1,000,000
    page_inbox_s                     not with the studies: what waits is counted and read by index
    page_study_*_s                   with the events of the study, and one page of its messages
    engine_two_workers_*             not at all; the goal is for two cores with nothing else to do
    engine_cell_*                    with the size of prompt, answer and outputs, and with fifteen flushes of the disk;
                                     not with the number of cells
    step_ms_sqlite_sync              with the size of the state, which holds ids and digests only; not with the steps
    checkpoint_bytes_per_step        with the size of the state

It does not measure models, nor more than one study at a time.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any, Literal

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from pydantic import SecretStr

from counterproof.agents.chat import Chat
from counterproof.agents.models import ModelConfig
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.digests import canonical_json, sha256_file
from counterproof.provenance.events import Chain, now
from counterproof.provenance.instrumentation import instrument_models
from counterproof.provenance.journal import Journal
from counterproof.provenance.record import Record
from counterproof.provenance.record_checkpoints import (
    Comparison,
    checkpoint_at,
    is_due,
    lacks,
    read_signed,
    signed_line,
)
from counterproof.provenance.signing import public_line
from counterproof.provenance.telemetry import span
from counterproof.provenance.tracing import start_tracing
from counterproof.provenance.verify import verify_bundle
from counterproof.scenarios.catalogue import load_scenario
from counterproof.scenarios.server import Turn, TurnServer
from counterproof.tools import read_file
from counterproof.tools.rowguard import RowGuard
from counterproof.ui import environment

from ..agents.stepping import step_in_file
from . import engine_figures, guard_figures, intake_figures, sandbox_figures, synth_figures, twin_figures
from .answering import answering

_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
SCRIPT = Path(sys.executable).with_name("counterproof")
LINE = re.compile(
    r"(?P<name>[a-z][a-z0-9_]*) (?P<value>-?\d[\d.]*(?:e-\d+)?) (?P<unit>\S+) "
    r"(?P<goal>(?:<=|>=)\d[\d.]*) (?P<verdict>ok|short)"
)
"""One line of the output."""


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
    """Appending to a record, against the bare work on the same disk, with and without a flush."""
    event = {"key": "write/primary/1/1", "kind": "model", "attempt": 1, "padding": "x" * 130}
    with tempfile.TemporaryDirectory(prefix="counterproof-bench-") as folder:
        kept = Record(Path(folder), blobs=Blobs(Path(folder, "blobs")))
        kept.append("effect.started", data=event)
        value = json.loads(kept.path.read_bytes())
        bare = os.open(Path(folder, "bare.jsonl"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        ratios = []
        for durable, times in ((False, 2000), (True, 300)):
            ours, theirs = [], []
            for _ in range(times):
                ours.append(_timed(partial(kept.append, "effect.started", data=event, durable=durable)))
                theirs.append(_timed(partial(_bare_append, bare, value, flush=durable)))
            ratios.append(median(ours) / median(theirs))
        os.close(bare)
    return [
        Figure(name="record_append_ratio", value=ratios[0], unit="times", goal=3),
        Figure(name="record_append_flushed_ratio", value=ratios[1], unit="times", goal=1.25),
    ]


def export() -> list[Figure]:
    """The bundle of a study that shares 1 GiB, against a plain zip of it and against the bundle of 1 MiB."""
    small, large = (_exported(mib=mib, turns=turns) for mib, turns in ((1, 1), (1024, 3)))
    ratio = median(large["plain_s"]) / median(large["export_s"])
    grown_mib = large["peak_mib"] - small["peak_mib"]
    return [
        Figure(name="export_1gib_rss_growth_mib", value=grown_mib, unit="MiB", goal=32),
        Figure(name="export_vs_zip_speed_ratio", value=ratio, unit="times", goal=0.6, wanted=">="),
    ]


def _exported(*, mib: int, turns: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="counterproof-bench-") as folder:
        command = [sys.executable, "-m", "tests.bench.exporting", folder, str(mib), str(turns)]
        told: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        return told


def _bare_append(handle: int, value: Any, *, flush: bool) -> None:
    line = canonical_json(value)
    hashlib.sha256(line).hexdigest()
    os.write(handle, line + b"\n")
    if flush:
        os.fdatasync(handle)


def reading() -> list[Figure]:
    """Reading a long record as `verify` does: types, chain, Merkle root and record checkpoints; and hashing a file."""
    with tempfile.TemporaryDirectory(prefix="counterproof-bench-") as folder:
        short, long = (_long_record(Path(folder, name), events) for name, events in (("a", 10_000), ("b", 100_000)))
        read_s = median(_timed(lambda: _read_record(long)) for _ in range(5))
        peaks = [_peak_kib(partial(_read_record, record)) for record in (short, long)]
        big = Path(folder, "big")
        big.write_bytes(os.urandom(2**20) * 16)
        ours, theirs = [], []
        for _ in range(40):
            ours.append(_timed(lambda: sha256_file(big)))
            theirs.append(_timed(lambda: _bare_hash(big)))
    return [
        Figure(name="record_verify_events_per_s", value=100_000 / read_s, unit="events/s", goal=150_000, wanted=">="),
        Figure(name="record_verify_memory_growth_kib", value=peaks[1] - peaks[0], unit="KiB", goal=64),
        Figure(name="file_hash_ratio", value=median(theirs) / median(ours), unit="times", goal=0.95, wanted=">="),
    ]


def _read_record(record: Path) -> None:
    with record.open("rb") as lines, record.with_suffix(".signed").open("rb") as statements:
        signed = read_signed(statements, key=public_line(_KEY.public_key()), study="s1")
        compared = Comparison(Chain(), signed, missing=lacks)
        for _ in compared.read(lines):
            pass
        compared.end()
    assert compared.fault == "", compared.fault


def _bare_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _peak_kib(do: Callable[[], object]) -> float:
    tracemalloc.start()
    do()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1024


def _long_record(path: Path, events: int) -> Path:
    """Write a record of lines of 400 bytes, as `Record.append` would, and its record checkpoints."""
    line = {
        "v": 1,
        "ts": now(),
        "actor": {"kind": "system", "id": "counterproof"},
        "trace_id": "0" * 32,
        "span_id": "0" * 16,
        "refs": [],
        "data": {"key": "write/primary/1/1", "kind": "model", "attempt": 1, "padding": "x" * 37},
    }
    chain = Chain()
    with path.open("wb") as lines, path.with_suffix(".signed").open("wb") as signed:
        for seq in range(events):
            type_ = "effect.started" if seq else "study.created"
            lines.write(made := canonical_json({**line, "seq": seq, "prev": chain.head, "type": type_}) + b"\n")
            (event,) = chain.read((made,))
            if is_due(event):
                signed.write(signed_line(checkpoint_at(chain, study="s1"), _KEY))
    return path


def sandbox() -> list[Figure]:
    """Starts and ends in the sandbox, against what is not isolated, in the same run."""
    return [
        Figure(name=f"sandbox_{row.name}", value=row.value, unit=row.unit, goal=row.most)
        for row in sandbox_figures.figures()
        if row.most
    ]


_TAP_CALLS = 320  # some ten seconds: a disk is busy with something else for one now and then


def tap() -> list[Figure]:
    """What is added to a model call: journal, two blobs, two events, and the spans of it; the guard's look apart."""
    request, response = _recorded_turn()
    guard = RowGuard([read_file(path)[1] for path in load_scenario("lung-survival").data_paths])
    with (
        tempfile.TemporaryDirectory(prefix="counterproof-bench-") as folder,
        answering(response) as base_url,
        start_tracing(Path(folder, "spans"), study="bench"),
    ):
        config = ModelConfig(model="authored-turns", base_url=base_url, api_key_env="")
        journal = Journal(Record(Path(folder, "record"), blobs=Blobs(Path(folder, "blobs"))))
        chats = {
            name: Chat(config, api_key="none", journal=journal, guard=looks)
            for name, looks in (("recorded", RowGuard([])), ("guarded", guard))
        }
        plain, asked = _client(base_url), (_numbered(request, number) for number in itertools.count())
        bare, taken = list[float](), {name: list[float]() for name in chats}
        for burst in range(_TAP_CALLS // 8):
            bare += [_timed(_ask(plain.invoke, next(asked))) for _ in range(8)][2:]
            for name, chat in chats.items():
                with _instrumented(), span("invoke_agent bench"):
                    calls = [partial(chat.complete, f"{name}/{burst}/{at}") for at in range(8)]
                    taken[name] += [_timed(_ask(call, next(asked))) for call in calls][2:]
    bare_s, recorded_s, guarded_s = (median(one) for one in (bare, taken["recorded"], taken["guarded"]))
    print(f"A model call that nobody records takes {bare_s * 1e3:.1f} ms here and now.", file=sys.stderr)
    return [
        Figure(name="tap_added_us_p50", value=(recorded_s - bare_s) * 1e6, unit="us", goal=1500),
        Figure(name="tap_guard_ms_p50", value=(guarded_s - recorded_s) * 1e3, unit="ms", goal=20),
    ]


def _numbered(request: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the request with bytes of its own: what is in the store already would not be written again."""
    *before, last = request["messages"]
    return {**request, "messages": [*before, {**last, "content": f"{last['content']}\n({number})"}]}


def _ask(call: Callable[..., Any], request: dict[str, Any]) -> Callable[[], Any]:
    return partial(call, _messages(request), response_format=request.get("response_format"))


@contextmanager
def _instrumented() -> Iterator[None]:
    """Trace model calls in the block only: the bare client beside it shows what everything added costs."""
    instrument_models()
    try:
        yield
    finally:
        LangChainInstrumentor().uninstrument()  # type: ignore[no-untyped-call]  # the library's
        OpenAIInstrumentor().uninstrument()


def steps() -> list[Figure]:
    """One step of a graph that does nothing, with a study's state and saver, each flushed before the next begins."""
    with tempfile.TemporaryDirectory(prefix="counterproof-bench-") as folder:
        times = [_timed(partial(step_in_file, Path(folder, f"{at}.sqlite"), 100)) / 100 for at in range(5)]
    return [Figure(name="step_ms_sqlite_sync", value=median(times) * 1000, unit="ms", goal=3)]


def _timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def guard() -> list[Figure]:
    """The guard over a file of a million rows."""
    found = guard_figures.figures()
    return [
        Figure(name="guard_check_ms", value=found.check_ms, unit="ms", goal=20),
        Figure(name="guard_fingerprints_share", value=found.share, unit="share", goal=0.05),
        Figure(name="guard_build_mb_per_s", value=found.build_mb_per_s, unit="MB/s", goal=50, wanted=">="),
    ]


def intake() -> list[Figure]:
    """The intake of a file of a million rows and fifty columns, against polars."""
    found = intake_figures.figures()
    return [
        Figure(name="intake_time_ratio", value=found.time_ratio, unit="times", goal=2),
        Figure(name="intake_memory_ratio", value=found.memory_ratio, unit="times", goal=2),
    ]


def twin() -> list[Figure]:
    """Making a twin of 10,000 rows and twenty columns, against SDV's Gaussian copula."""
    return [Figure(name="twin_vs_sdv_time_ratio", value=twin_figures.time_ratio(), unit="times", goal=1)]


def synth() -> list[Figure]:
    """Making a synthetic table and its evaluation card."""
    small, large, most = (synth_figures.figures(rows) for rows in (10_000, 100_000, 1_000_000))
    return [
        Figure(name="synth_make_and_card_s", value=small.wall_s, unit="s", goal=120),
        Figure(name="synth_memory_mib", value=small.memory_mib, unit="MiB", goal=2048),
        Figure(name="synth_ten_times_the_rows_ratio", value=large.wall_s / small.wall_s, unit="times", goal=10),
        Figure(name="synth_million_rows_ratio", value=most.wall_s / large.wall_s, unit="times", goal=10),
    ]


def pages() -> list[Figure]:
    """The inbox with 10,000 studies, and a study with 500 model calls, in Chromium."""
    command = [sys.executable, "-m", "pytest", "-s", "-n", "0", "tests/ui/test_many.py", "-k", "is_shown"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^\.*figure (\w+) ([\d.]+)$", said, flags=re.MULTILINE)
    goals = {"page_inbox_s": 1.5}
    return [Figure(name=name, value=float(value), unit="s", goal=goals.get(name, 2)) for name, value in found]


def engine() -> list[Figure]:
    """The cells of a comparison on workers."""
    found = engine_figures.figures()
    return [
        Figure(name="engine_two_workers_ratio", value=found.ratio, unit="times", goal=1.7, wanted=">="),
        Figure(name="engine_two_workers_vs_bare_ratio", value=found.share, unit="share", goal=0.85, wanted=">="),
        Figure(name="engine_cell_overhead_ms", value=found.overhead_ms, unit="ms", goal=50),
        Figure(name="engine_cell_cpu_ms", value=found.cpu_ms, unit="ms", goal=50),
    ]


PARTS = (start, demo, replayer, record, reading, export, sandbox, tap, steps, guard, intake, twin, synth, pages, engine)


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
