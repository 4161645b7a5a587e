"""Measures how fast programs start and end here, side by side in one run.

The idea: milliseconds differ between machines and from minute to minute, ratios much less; so what is compared is
measured in turn, round by round, and medians are compared. A start is from the call to the first byte of output.

It does not cover whether the isolation holds (`_probe.py`).

Source: the measurements of the project's sandbox study, section 3.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from counterproof.sandbox._launch import Launched
from counterproof.sandbox._profile import Runtime
from counterproof.sandbox._supervise import Supervision
from counterproof.sandbox._warm import Zygote
from counterproof.sandbox._watch import private_kib, processes_of
from counterproof.sandbox.contract import Execution, ExecutionSpec, Limits
from counterproof.sandbox.environments.environment import Environment
from counterproof.sandbox.errors import SandboxUnavailable
from counterproof.sandbox.local import Proven
from counterproof.sandbox.warm import WarmSandbox, preload_of

_HELLO = b"print(1, flush=True)\n"
_FORTY = b"""
import os, time
for _ in range(39):
    if os.fork() == 0:
        kept = bytearray(os.urandom(1 << 20) * 8)
        time.sleep(60)
print(1, flush=True)
time.sleep(60)
"""
_WALL_S = 2
_STACK_ROUNDS = _KILLS = 3


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, and the most that it should be; 0 where there is no goal."""

    name: str
    value: float
    unit: str
    most: float

    @property
    def ok(self) -> bool:
        """Whether the goal is reached."""
        return not self.most or self.value <= self.most

    @property
    def goal(self) -> str:
        """The goal as text."""
        return f"<= {self.most:g}" if self.most else "-"

    @property
    def verdict(self) -> str:
        """`ok` or `short`."""
        return "ok" if self.ok else "short"


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Medians of one run, in milliseconds from the call to the first byte of output, where nothing else is said.

    Attributes:
        bare_ms: the environment's interpreter, not isolated, without imports.
        cold_ms: the same program isolated, started cold.
        stack_ms: a program that imports the analysis stack, isolated, started cold.
        warm_ms: the same program, forked from the warm template when it is asked for.
        parked_ms: the program of `bare_ms`, given to a child that was kept in reserve.
        parked_stack_ms: the program of `warm_ms`, given to such a child.
        kill_ms: from the end of the wall time until 40 processes have gone.
        private_mib: memory that a warm child shares with nobody.
    """

    bare_ms: float
    cold_ms: float
    stack_ms: float
    warm_ms: float
    parked_ms: float
    parked_stack_ms: float
    kill_ms: float
    private_mib: float

    def rows(self) -> tuple[Row, ...]:
        """Return the figures with their goals."""
        return (
            Row(name="bare_start_ms", value=self.bare_ms, unit="ms", most=0),
            Row(name="cold_start_ms", value=self.cold_ms, unit="ms", most=0),
            Row(name="cold_start_with_stack_ms", value=self.stack_ms, unit="ms", most=0),
            Row(name="warm_start_ms", value=self.warm_ms, unit="ms", most=0),
            Row(name="parked_start_ms", value=self.parked_ms, unit="ms", most=0),
            Row(name="parked_start_with_stack_ms", value=self.parked_stack_ms, unit="ms", most=0),
            Row(name="warm_start_vs_cold_percent", value=100 * self.warm_ms / self.stack_ms, unit="%", most=2),
            Row(name="warm_start_vs_bare_ratio", value=self.warm_ms / self.bare_ms, unit="x", most=1.5),
            Row(name="parked_vs_bare_percent", value=100 * self.parked_ms / self.bare_ms, unit="%", most=10),
            Row(name="cold_isolation_over_bare_ms", value=self.cold_ms - self.bare_ms, unit="ms", most=20),
            Row(name="kill_overshoot_ms", value=self.kill_ms, unit="ms", most=250),
            Row(name="private_memory_mib", value=self.private_mib, unit="MiB", most=10),
        )


def measure(environment: Environment, *, sandbox: WarmSandbox, rounds: int = 9) -> Speed:
    """Measure all of it; takes half a minute.

    Raises:
        SandboxUnavailable: nothing can be started, or not warm.
    """
    proven, zygote = sandbox.prove(environment)
    if zygote is None:
        raise SandboxUnavailable("Programs of this environment start cold here.", advice="See `sandbox check`.")
    stack = "".join(f"import {name}\n" for name in preload_of(environment)).encode() + _HELLO
    hello, imports = (ExecutionSpec(program=code, environment=environment) for code in (_HELLO, stack))
    kinds = ("bare", "cold", "stack", "warm", "parked", "parked_stack")
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        found["bare"].append(_bare(environment))
        found["cold"].append(_timed(lambda: _cold(proven, hello), hello, proven))
        zygote.drop_reserve()
        found["warm"].append(_timed(lambda: zygote.launch(imports, []), imports, proven))
        for kind, spec in (("parked", hello), ("parked_stack", imports)):
            found[kind].append(_parked(zygote, spec, proven))
        if number < _STACK_ROUNDS:
            found["stack"].append(_timed(lambda: _cold(proven, imports), imports, proven))
    medians = {name: statistics.median(values) for name, values in found.items()}
    kills = [_kill_overshoot(environment, zygote, proven) for _ in range(_KILLS)]
    return Speed(
        bare_ms=medians["bare"],
        cold_ms=medians["cold"],
        stack_ms=medians["stack"],
        warm_ms=medians["warm"],
        parked_ms=medians["parked"],
        parked_stack_ms=medians["parked_stack"],
        kill_ms=statistics.median(kills),
        private_mib=_private_mib(environment, zygote, proven),
    )


def _bare(environment: Environment) -> float:
    command = [str(environment.path / "bin" / "python"), "-c", _HELLO.decode()]
    began_s = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        taken_s = time.perf_counter() - began_s
        process.stdout.read()
    return taken_s * 1000


def _cold(proven: Proven, spec: ExecutionSpec) -> Launched:
    return proven.launch(Runtime.of(spec.environment), spec, {})


def _timed(start: Callable[[], Launched], spec: ExecutionSpec, proven: Proven) -> float:
    """Return the milliseconds to the first byte; waits for the end outside of that."""
    began_s = time.perf_counter()
    launched = start()
    os.read(launched.streams["out"], 1)
    taken_s = time.perf_counter() - began_s
    _end(launched, spec.limits, proven)
    return taken_s * 1000


def _parked(zygote: Zygote, spec: ExecutionSpec, proven: Proven) -> float:
    zygote.reserve(spec.limits)
    zygote.await_reserve()
    time.sleep(0.05)  # until it has gone through its rehearsal
    return _timed(lambda: zygote.launch(spec, []), spec, proven)


def _end(launched: Launched, limits: Limits, proven: Proven, *, cancel: bool = False) -> Execution:
    cancel_fd = os.eventfd(1 if cancel else 0)
    try:
        return Supervision(launched, limits, cancel_fd=cancel_fd).run(proven.attestation)
    finally:
        os.close(cancel_fd)


def _kill_overshoot(environment: Environment, zygote: Zygote, proven: Proven) -> float:
    spec = ExecutionSpec(program=_FORTY, environment=environment, limits=Limits(wall_s=_WALL_S))
    done = _end(zygote.launch(spec, []), spec.limits, proven)
    return (done.usage.wall_s - _WALL_S) * 1000


def _private_mib(environment: Environment, zygote: Zygote, proven: Proven) -> float:
    """Return what the two processes of a warm child have for themselves when the program has begun."""
    program = _HELLO + b"import time; time.sleep(60)"
    spec = ExecutionSpec(program=program, environment=environment)
    launched = zygote.launch(spec, [])
    os.read(launched.streams["out"], 1)
    assert launched.first is not None
    assert launched.program is not None
    kib = sum(private_kib(pid) for pid in processes_of(launched.first.pid, launched.program.pid))
    _end(launched, spec.limits, proven, cancel=True)
    return kib / 1024
