"""Executable checks of outputs: each gives a verdict with its evidence, and none repairs anything.

One file a check; `run_checks` runs them all. A check that finds nothing to look at says `not_applicable` with the
reason, never `pass`.

This is where checks grow: a new check is a new file and one line in `catalogue.CHECKS`.
"""

from counterproof.tools.checks.catalogue import CHECKS, run_checks
from counterproof.tools.checks.verdict import Check, Evidence, Verdict

__all__ = ["CHECKS", "Check", "Evidence", "Verdict", "run_checks"]
