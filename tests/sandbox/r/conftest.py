"""R programs in one proven sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from counterproof.sandbox import Environment, Execution, ExecutionSpec, Limits, LocalSandbox, Mount, run_all

from ...r import r_or_skip

RunR = Callable[..., Execution]


@pytest.fixture(scope="session")
def r_environment() -> Environment:
    """The R environment of this machine."""
    return r_or_skip()


@pytest.fixture(scope="session")
def cold() -> LocalSandbox:
    """The local sandbox; an R program is always started cold."""
    return LocalSandbox()


@pytest.fixture
def run_r(cold: LocalSandbox, r_environment: Environment) -> RunR:
    """Run one R program: source text, inputs by name, and limits that differ from small ones."""

    def run_program(
        source: str, inputs: Mapping[str, Path] | None = None, *, seed: int = 0, **limits: int
    ) -> Execution:
        spec = ExecutionSpec(
            program=dedent(source).encode(),
            program_name="program.R",
            environment=r_environment,
            inputs=tuple(Mount(host=path, target=name) for name, path in (inputs or {}).items()),
            seed=seed,
            limits=Limits(**{"wall_s": 30, "cpu_s": 30, "work_mib": 8, "scratch_mib": 8, **limits}),
        )
        return run_all(cold, [spec])[0]

    return run_program
