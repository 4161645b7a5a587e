"""The clock: asked of the kernel, never failing, and saying no more than was told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from counterproof.provenance.clock import SOURCE, UNKNOWN, clock_facts
from counterproof.provenance.software import versions


def test_clock_says_what_it_is_and_whether_it_follows_a_time_server() -> None:
    facts = clock_facts()
    assert set(facts) == {"source", "synchronised", "max_error_ms"}
    assert facts["source"] == SOURCE
    assert (facts["synchronised"] == "yes") == facts["max_error_ms"].isdecimal()


def test_clock_says_what_timedatectl_says() -> None:
    """Another program's answer, where there is one (systemd's `timedatectl`)."""
    try:
        command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except FileNotFoundError:
        return
    if told.returncode == 0:
        assert clock_facts()["synchronised"] == told.stdout.strip()


@pytest.mark.parametrize("name", ["darwin", "win32"])
def test_another_system_is_not_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", name)
    assert clock_facts() == {"source": SOURCE, "synchronised": UNKNOWN, "max_error_ms": UNKNOWN}


def test_what_is_not_installed_is_not_known() -> None:
    assert versions("no-such-distribution") == {"no-such-distribution": "not known"}
