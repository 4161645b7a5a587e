"""The published tables, and where they are."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tables() -> Path:
    """The folder of published tables, which stands beside the project."""
    beside = [parent / "shared" / "tasks" / "data" for parent in Path(__file__).parents]
    return next((folder for folder in beside if folder.is_dir()), beside[4])
