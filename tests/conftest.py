"""One proven sandbox, and laboratories in which studies run."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterproof.sandbox import Environment, LocalSandbox, find_environment

from .lab import Lab


@pytest.fixture(scope="session")
def environment() -> Environment:
    """The analysis environment of this checkout."""
    return find_environment()


@pytest.fixture(scope="session")
def sandbox() -> LocalSandbox:
    """The local sandbox; its first use probes."""
    return LocalSandbox()


@pytest.fixture
def lab(tmp_path: Path, sandbox: LocalSandbox, environment: Environment) -> Lab:
    """An empty laboratory."""
    return Lab(home=tmp_path / "home", sandbox=sandbox, environment=environment)
