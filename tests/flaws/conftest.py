"""Where the suite runs its programs: the warm sandbox, with both environments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from counterproof.sandbox import WarmSandbox, find_environment

from ..r import r_or_skip
from .suite import Workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A warm sandbox with the analysis environments."""
    sandbox = WarmSandbox()
    folder: Path = tmp_path_factory.mktemp("suite")
    yield Workshop(sandbox=sandbox, python=find_environment("python"), r=r_or_skip(), folder=folder)
    sandbox.close()
