"""A loopback E2B, a sandbox on it, and a short way to run a program there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from counterproof.sandbox import Environment, Execution, ExecutionSpec, Limits, Mount, Protection, run_all
from counterproof.sandbox._e2b_session import Clocks
from counterproof.sandbox.e2b import ALWAYS_DEGRADED, E2BSandbox

from .server import LoopbackE2B

Run = Callable[..., Execution]
MISSING_ROOTLESS = ALWAYS_DEGRADED | {
    Protection.CPU,
    Protection.FS_WRITE,
    Protection.MEM_TOTAL,
    Protection.PROC_COUNT,
    Protection.SIGNALS,
}
QUICK = Clocks(start_s=10.0, grace_s=0.5, collect_s=10.0, spare_s=30.0)


def connect(e2b: LoopbackE2B, **changed: Any) -> E2BSandbox:
    """Return a sandbox on a loopback server."""
    about: dict[str, Any] = {
        "api_key": e2b.api_key,
        "third_party_allowed": True,
        "api_url": e2b.url,
        "sandbox_url": e2b.url,
        "allow_degraded": MISSING_ROOTLESS,
        "clocks": QUICK,
    }
    return E2BSandbox(**{**about, **changed})


@pytest.fixture(scope="package", params=["root", "rootless"] if os.geteuid() == 0 else ["rootless"])
def shared(request: pytest.FixtureRequest, environment: Environment) -> Iterator[LoopbackE2B]:
    """A server that behaves; its machines have a root, as real ones, or not, which is the harder case."""
    with LoopbackE2B(environment, rootless=request.param == "rootless") as e2b:
        yield e2b


@pytest.fixture(scope="package")
def sandbox(shared: LoopbackE2B) -> E2BSandbox:
    """A sandbox whose first use probes."""
    return connect(shared)


@pytest.fixture
def e2b(environment: Environment) -> Iterator[LoopbackE2B]:
    """A server of one test's own."""
    with LoopbackE2B(environment, rootless=os.geteuid() != 0) as own:
        yield own


@pytest.fixture
def proven(e2b: LoopbackE2B) -> E2BSandbox:
    """A sandbox on the test's own server that has probed already, while it behaved."""
    sandbox = connect(e2b)
    asyncio.run(sandbox.probe())
    e2b.requests.clear()
    return sandbox


def run_program(
    sandbox: E2BSandbox,
    environment: Environment,
    source: str,
    inputs: Mapping[str, Path] | None = None,
    *,
    seed: int = 0,
    **limits: int,
) -> Execution:
    """Run one program with small limits."""
    spec = ExecutionSpec(
        program=dedent(source).encode(),
        environment=environment,
        inputs=tuple(Mount(host=path, target=name) for name, path in (inputs or {}).items()),
        seed=seed,
        limits=Limits(**{"wall_s": 30, "cpu_s": 30, "work_mib": 8, "scratch_mib": 8, **limits}),
    )
    return run_all(sandbox, [spec])[0]


@pytest.fixture
def run(sandbox: E2BSandbox, environment: Environment) -> Run:
    """Run a program on the shared server."""

    def start(source: str, inputs: Mapping[str, Path] | None = None, **more: int) -> Execution:
        return run_program(sandbox, environment, source, inputs, **more)

    return start
