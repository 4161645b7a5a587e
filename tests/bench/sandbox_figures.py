"""The sandbox's figures for `make bench`: starts, memory, a warm Jupyter cell beside them, and a killed supervisor."""

from __future__ import annotations

import asyncio
import os
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from counterproof.sandbox import ExecutionSpec, WarmSandbox, find_environment
from counterproof.sandbox._watch import processes_of
from counterproof.sandbox.speed import Row, measure

_CELL = "print(1)"
_ROUNDS = 15
_SUPERVISOR = """
from counterproof.sandbox import ExecutionSpec, WarmSandbox, find_environment, run_all
program = b"import os, time\\nfor _ in range(3): os.fork()\\ntime.sleep(60)"
sandbox = WarmSandbox()
sandbox.prove(find_environment())
print("ready", flush=True)
run_all(sandbox, [ExecutionSpec(program=program, environment=find_environment())])
"""


def figures() -> list[Row]:
    """Measure everything; takes a minute."""
    sandbox = WarmSandbox()
    speed = measure(find_environment(), sandbox=sandbox)
    ratio = _jupyter_ratio(sandbox)
    sandbox.close()
    survival_ms = statistics.median(_survival_ms() for _ in range(3))
    return [
        *speed.rows(),
        Row(name="warm_run_vs_jupyter_cell_ratio", value=ratio, unit="x", most=3),
        Row(name="no_survivor_ms", value=survival_ms, unit="ms", most=100),
    ]


def _jupyter_ratio(sandbox: WarmSandbox) -> float:
    """Return how much longer a whole isolated run takes than a cell of a running kernel, which is not isolated.

    Both are measured from the call to the last word about it, in turns; the run gets a new process and namespaces, and
    its outputs are collected.
    """
    spec = ExecutionSpec(program=_CELL.encode(), environment=find_environment())
    ours, theirs = [], []
    with _kernel() as client, asyncio.Runner() as runner:
        for _ in range(_ROUNDS):
            began_s = time.perf_counter()
            client.execute_interactive(_CELL, output_hook=lambda message: None)
            theirs.append(time.perf_counter() - began_s)
            began_s = time.perf_counter()
            runner.run(_whole_run(sandbox, spec))
            ours.append(time.perf_counter() - began_s)
            time.sleep(0.1)  # a person or a model thinks between two runs; a child is parked meanwhile
    return statistics.median(ours[3:]) / statistics.median(theirs[3:])


async def _whole_run(sandbox: WarmSandbox, spec: ExecutionSpec) -> None:
    session = await sandbox.open(spec)
    try:
        done = await session.run()
    finally:
        await session.close()
    if done.stdout.data != b"1\n":
        raise RuntimeError(f"The program of the measurement ended with {done.status}.")


@contextmanager
def _kernel() -> Iterator[BlockingKernelClient]:
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _survival_ms() -> float:
    """Kill a supervisor while its program has eight processes; return when the last of all has gone."""
    path = os.pathsep.join(item for item in sys.path if item)
    env = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": path}
    with subprocess.Popen([sys.executable, "-c", _SUPERVISOR], env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        until_s = time.monotonic() + 20
        while time.monotonic() < until_s and len(_below(process.pid)) < 12:
            time.sleep(0.05)
        handles = [os.pidfd_open(pid) for pid in _below(process.pid)]
        began_s = time.perf_counter()
        process.kill()
        for handle in handles:
            select.select([handle], [], [], 10)
        taken_s = time.perf_counter() - began_s
        for handle in handles:
            os.close(handle)
    return taken_s * 1000


def _below(pid: int) -> list[int]:
    """Return the processes below this one that have not just ended."""
    with suppress(OSError):
        return [found for found in processes_of(pid) if found != pid and Path(f"/proc/{found}").exists()]
    return []
