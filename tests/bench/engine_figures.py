"""The engine of comparisons for `make bench`: two workers beside one, and what a cell costs beside its call and run.

Throughput: cells whose programs only compute are done by one worker and by two, in turns, after each worker has
started; medians of the turns. On a busy machine two processes do not get twice the time of one, so bare processes with
the same loop are timed in the same turns, and the second figure holds what the workers gained against what those did.

Overhead: the wall time of a cell of a program that does next to nothing, less a bare request to the same model and a
bare run of the same program in a sandbox of the same kind; and the processor time of worker and scheduler for a cell,
which does not depend on who else is at work.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from distributed import Client

from counterproof.agents.compare import run_campaign
from counterproof.agents.compare.clusters import local_workers
from counterproof.agents.compare.engine import Progress
from counterproof.sandbox import ExecutionSpec, WarmSandbox, find_environment, run_all

from ..compare.trivial import PROGRAM, OneAnswer, plan_trivial, seat_of

SPIN = 10_000_000
_TURNS, _CELLS, _FIRST = 3, 14, 4
_SMALL = 34


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was measured.

    Attributes:
        ratio: throughput of two workers over that of one.
        share: the same over what two bare processes gained on one; may be above 1, for the turns differ.
        overhead_ms: wall time of a cell beside its call and its run.
        cpu_ms: processor time of worker and scheduler for a cell.
    """

    ratio: float
    share: float
    overhead_ms: float
    cpu_ms: float


def figures() -> Found:
    """Measure; takes a minute on an idle machine."""
    with tempfile.TemporaryDirectory(prefix="counterproof-bench-") as folder:
        ratio, share = _throughput(Path(folder, "throughput"))
        overhead_ms, cpu_ms = _overhead(Path(folder, "overhead"))
    return Found(ratio=ratio, share=share, overhead_ms=overhead_ms, cpu_ms=cpu_ms)


def _throughput(folder: Path) -> tuple[float, float]:
    rates: dict[int, list[float]] = {1: [], 2: []}
    bare: dict[int, list[float]] = {1: [], 2: []}
    with OneAnswer(spin=SPIN) as model, local_workers(1) as one, local_workers(2) as two:
        for turn in range(_TURNS):
            for workers, client in ((1, one), (2, two)):
                ended = _ends(folder / f"{turn}-{workers}", client, _CELLS, model)
                rates[workers].append((_CELLS - _FIRST) / (ended[-1] - ended[_FIRST - 1]))
                bare[workers].append(_bare_rate(workers))
    ratio = median(rates[2]) / median(rates[1])
    return ratio, ratio / (median(bare[2]) / median(bare[1]))


def _ends(folder: Path, client: Client, cells: int, model: OneAnswer) -> list[float]:
    """Do so many cells and return when each has ended."""
    planned = plan_trivial(folder, cells, endpoint=model.base_url)
    ended: list[float] = []

    def tell(now: Progress) -> None:
        assert now.done is not None, now.trouble
        ended.append(time.perf_counter())

    run_campaign(planned.cells, seat_of(planned), client, tell=tell)
    return ended


def _bare_rate(processes: int) -> float:
    """Return how many loops a second so many processes do together."""
    loop = f"spin = {SPIN}\nwhile spin:\n    spin -= 1\n"
    began = time.perf_counter()
    started = [subprocess.Popen([sys.executable, "-I", "-S", "-c", loop * 4]) for _ in range(processes)]
    for process in started:
        assert process.wait() == 0
    return processes * 4 / (time.perf_counter() - began)


def _overhead(folder: Path) -> tuple[float, float]:
    ours, theirs, cpu = list[float](), list[float](), list[float]()
    with OneAnswer() as model, local_workers(1) as client, _bare(model) as bare:
        for turn in range(_TURNS):
            began_s: dict[str, float] = {}

            def tell(now: Progress, began_s: dict[str, float] = began_s) -> None:
                if now.ended == _FIRST:
                    began_s.update(wall=time.perf_counter(), cpu=_cpu_s(client))

            planned = plan_trivial(folder / str(turn), _SMALL, endpoint=model.base_url)
            run_campaign(planned.cells, seat_of(planned), client, tell=tell)
            counted = len(planned.cells) - _FIRST
            ours.append((time.perf_counter() - began_s["wall"]) / counted)
            cpu.append((_cpu_s(client) - began_s["cpu"]) / counted)
            theirs += [bare() for _ in range(counted)]
    return (median(ours) - median(theirs)) * 1000, median(cpu) * 1000


def _cpu_s(client: Client) -> float:
    told: dict[str, float] = client.run(time.process_time)
    return time.process_time() + sum(told.values())


@contextmanager
def _bare(model: OneAnswer) -> Iterator[Callable[[], float]]:
    """Yield what sends a bare request, runs the program of the answer, and returns the seconds of both."""
    sandbox, environment = WarmSandbox(), find_environment()
    spec = ExecutionSpec(program=PROGRAM.format(spin=0).encode(), environment=environment)
    body = json.dumps({"model": "one-answer", "messages": [{"role": "user", "content": "x" * 2000}]}).encode()

    def once() -> float:
        began = time.perf_counter()
        request = urllib.request.Request(f"{model.base_url}/chat/completions", data=body)
        with urllib.request.urlopen(request) as answer:
            answer.read()
        (done,) = run_all(sandbox, [spec])
        assert done.status == "ok"
        return time.perf_counter() - began

    once()
    yield once
    sandbox.close()
