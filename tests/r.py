"""The R environment for tests: found, or the reason why R programs can't be tested here."""

from __future__ import annotations

import os

import pytest

from counterproof.provenance.errors import MachineTrouble
from counterproof.sandbox import Environment, build_environment


def r_or_skip() -> Environment:
    """Return the R environment; without it a test is skipped, and under CI=true it fails."""
    try:
        return build_environment("r", env={"PATH": os.environ.get("PATH", os.defpath)})
    except MachineTrouble as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"R programs can't be tested: {error}")
        pytest.skip(str(error))
