"""What `counterproof.tools` exports is there, and the list is in order."""

from __future__ import annotations

import pytest

import counterproof.tools
import counterproof.tools.checks


@pytest.mark.parametrize("name", counterproof.tools.__all__)
def test_exported_name_is_there(name: str) -> None:
    assert hasattr(counterproof.tools, name)


def test_exported_names_stand_once() -> None:
    for package in (counterproof.tools, counterproof.tools.checks):
        assert len(set(package.__all__)) == len(package.__all__)
