"""Planted flaws and their sound twins: every check finds its flaw, and none cries out over a sound program."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterproof.tools.checks import CHECKS, Verdict
from counterproof.tools.checks.program import OBSERVED

from .flaw import Flaw
from .suite import FLAWS, Outcome, Workshop, table

_DOCS = Path(__file__).parents[2] / "docs" / "checks.md"
# The rows of these are true of every run, so that a row of the documentation is compared with the run itself.
_STATIC = {"literals", "seed", "post_hoc", "determinism"}


def _row(flaw: Flaw, flawed: Outcome, sound: Outcome) -> str:
    return table({flaw.id: (flawed, sound)}).splitlines()[2]


@pytest.mark.flaw
@pytest.mark.parametrize("flaw", FLAWS, ids=[flaw.id for flaw in FLAWS])
def test_a_flaw_is_found_and_its_sound_twin_passes(workshop: Workshop, flaw: Flaw) -> None:
    flawed, sound = (workshop.outcome(flaw, sound=twin) for twin in (False, True))
    assert flawed.says(flaw.check) in (Verdict.FAIL, Verdict.WARN), flawed.checks[flaw.check].evidence
    assert sound.failed == [], [sound.checks[name] for name in sound.failed]
    assert sound.says(flaw.check) is not Verdict.WARN, sound.checks[flaw.check].evidence
    assert _row(flaw, flawed, sound) in _DOCS.read_text(encoding="utf-8")


def test_the_suite_is_as_large_as_it_says() -> None:
    assert len(FLAWS) >= 30
    assert len({flaw.source for flaw in FLAWS}) >= 10
    assert sum(flaw.language == "r" for flaw in FLAWS) >= 6
    assert len({flaw.id for flaw in FLAWS}) == len(FLAWS)


def test_every_check_of_programs_and_data_has_a_flaw_that_it_must_find() -> None:
    found = {flaw.check for flaw in FLAWS}
    named = {name.removeprefix("check_") for _, name in OBSERVED} | _STATIC
    assert named <= found
    assert len(named) + len(CHECKS) == 39


def test_the_documentation_lists_each_flaw_and_each_check_once() -> None:
    text = _DOCS.read_text(encoding="utf-8")
    for flaw in FLAWS:
        assert text.count(f"| {flaw.id} | {flaw.source} | `{flaw.check}` |") == 1
    checks = {name.removeprefix("check_") for name in (*(name for _, name in OBSERVED), *(c.__name__ for c in CHECKS))}
    for name in checks | _STATIC:
        assert text.count(f"\n| `{name}` |") == 1, name
