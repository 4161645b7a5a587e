"""The sandbox's figures for `make bench`: speed, memory, and how soon nothing is left of a killed supervisor."""

from __future__ import annotations

import os
import select
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from counterproof.sandbox import WarmSandbox, find_environment
from counterproof.sandbox._watch import processes_of
from counterproof.sandbox.speed import measure

Figure = tuple[str, float, str, str, bool]

_MOST_SURVIVAL_MS = 100.0
_SUPERVISOR = """
from counterproof.sandbox import ExecutionSpec, WarmSandbox, find_environment, run_all
program = b"import os, time\\nfor _ in range(3): os.fork()\\ntime.sleep(60)"
sandbox = WarmSandbox()
sandbox.prove(find_environment())
print("ready", flush=True)
run_all(sandbox, [ExecutionSpec(program=program, environment=find_environment())])
"""


def figures() -> list[Figure]:
    """Measure everything; takes a minute."""
    sandbox = WarmSandbox()
    speed = measure(find_environment(), sandbox=sandbox)
    sandbox.close()
    found: list[Figure] = [(row.name, row.value, row.unit, row.goal, row.ok) for row in speed.rows()]
    survival_ms = statistics.median(_survival_ms() for _ in range(3))
    goal = f"<= {_MOST_SURVIVAL_MS:g}"
    return [*found, ("no_survivor_ms", survival_ms, "ms", goal, survival_ms <= _MOST_SURVIVAL_MS)]


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


if __name__ == "__main__":
    for name, value, unit, goal, ok in figures():
        print(f"{name} {value:.2f} {unit} {goal} {'ok' if ok else 'short'}")
