"""One sandbox and one server of scripted models for all comparisons of the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from counterproof.sandbox import WarmSandbox
from counterproof.scenarios.scripted import ModelServer


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmSandbox]:
    """A warm sandbox."""
    sandbox = WarmSandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """The scripted models."""
    with ModelServer() as server:
        yield server
