"""One proven sandbox for all tests of this folder, and a short way to run a program in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    find_environment,
    run_all,
)

Run = Callable[..., Execution]


@pytest.fixture(scope="session")
def environment() -> Environment:
    """The analysis environment of this checkout."""
    return find_environment()


@pytest.fixture(scope="session")
def sandbox() -> LocalSandbox:
    """The local sandbox; its first use probes."""
    return LocalSandbox()


@pytest.fixture
def run(sandbox: LocalSandbox, environment: Environment) -> Run:
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
            limits=Limits(**{"wall_s": 30, "cpu_s": 30, "work_mib": 8, "scratch_mib": 8, **limits}),
        )
        return run_all(sandbox, [spec])[0]

    return run_program
