"""Whether values occur at all, and whether rows keep the rules that real rows keep.

It does not cover medical knowledge that no rule says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterproof.tools.data import Table
from counterproof.tools.synth.evaluation.case import Case
from counterproof.tools.synth.rules import Rule


def in_range(case: Case) -> float:
    """Return the share of values that are a level that real rows have, or within the real range; 1 is best."""
    good = total = 0
    for at, variable in enumerate(case.schema.variables):
        values = case.candidate[~np.isnan(case.candidate[:, at]), at]
        total += len(values)
        if variable.kind == "category":
            good += int((values <= variable.common).sum())
        else:
            good += int(((values >= variable.low) & (values <= variable.high)).sum())
    return good / total if total else 1.0


def rules_kept(table: Table, rules: Sequence[Rule]) -> float | None:
    """Return the share of rows that keep every rule; 1 is best, None without rules."""
    if not rules:
        return None
    return float(np.logical_and.reduce([rule.holds(table) for rule in rules]).mean())


def broken_rules(table: Table, rules: Sequence[Rule]) -> dict[str, int]:
    """Return how many rows break each rule that is broken."""
    counts = {rule.text: int((~rule.holds(table)).sum()) for rule in rules}
    return {text: count for text, count in counts.items() if count}
