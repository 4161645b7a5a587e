"""Executable checks of outputs, programs and data: each gives a verdict with its evidence, and none repairs anything.

One file a check; `run_checks` runs them all. A check that finds nothing to look at says `not_applicable` with the
reason, never `pass`.

This is where checks grow: a new check is a new file and one line, in `catalogue.CHECKS` for a check of outputs, in
`catalogue.static_checks` for one of the text, in `program.OBSERVED` for one that sees the data (docs/checks.md).
"""

from counterproof.tools.checks.catalogue import CHECKS, HALTING, run_checks, static_checks
from counterproof.tools.checks.verdict import Check, Evidence, Observation, ProgramSource, Verdict, parse_observation

__all__ = [
    "CHECKS",
    "HALTING",
    "Check",
    "Evidence",
    "Observation",
    "ProgramSource",
    "Verdict",
    "parse_observation",
    "run_checks",
    "static_checks",
]
