"""One proven sandbox for all tests of this folder, and a short way to run a program in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from counterproof.sandbox import (
    Environment,
    Execution,
    ExecutionSpec,
    Limits,
    LocalSandbox,
    Mount,
    Sandbox,
    WarmSandbox,
    find_environment,
    run_all,
)

Run = Callable[..., Execution]


@pytest.fixture(scope="session")
def environment() -> Environment:
    """The analysis environment of this checkout."""
    return find_environment()


@pytest.fixture(scope="session", params=["cold", "warm"])
def sandbox(request: pytest.FixtureRequest, environment: Environment) -> Iterator[LocalSandbox | WarmSandbox]:
    """The local sandbox with each way to start; its first use probes."""
    if request.param == "cold":
        yield LocalSandbox()
        return
    warm = WarmSandbox()
    assert asyncio.run(warm.probe_warm(environment)).host["tier"] == "warm"
    yield warm
    warm.close()


@pytest.fixture
def run(sandbox: Sandbox, environment: Environment) -> Run:
    """Run one program: source text, inputs by name, and limits that differ from small ones."""

    def run_program(
        source: str, inputs: Mapping[str, Path] | None = None, *, seed: int = 0, **limits: int
    ) -> Execution:
        mounts = tuple(Mount(host=path, target=name) for name, path in (inputs or {}).items())
        spec = ExecutionSpec(
            program=dedent(source).encode(),
            environment=environment,
            inputs=mounts,
            seed=seed,
            limits=Limits(**{"wall_s": 30, "cpu_s": 30, "work_mib": 8, "scratch_mib": 8, "shm_mib": 8, **limits}),
        )
        return run_all(sandbox, [spec])[0]

    return run_program
