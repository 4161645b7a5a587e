"""Check: the independent second program gives the same numbers."""

from __future__ import annotations

from counterproof.tools.checks.verdict import Check, Evidence, judged
from counterproof.tools.replication import Comparison, compare

_ID = "replication"
_TITLE = "Do the two independent programs agree on every promised number?"


def check_replication(evidence: Evidence) -> Check:
    """Fail for any promised number on which the programs differ by more than the plan's tolerance.

    See Also
    --------
    counterproof.tools.replication.compare : the rule.
    """
    rows = compare(evidence.plan, evidence.primary, evidence.replication)
    fail = [_line(row) for row in rows if not row.agrees]
    return judged(_ID, _TITLE, fail=fail, warn=[], looked_at=f"{len(rows)} numbers compared, all agree")


def _line(row: Comparison) -> str:
    return (
        f"{row.result}.{row.field}: primary {_show(row.primary)}, replication {_show(row.replication)} "
        f"(tolerance {row.tolerance:g})" + (f": {row.diagnosis}" if row.diagnosis else "")
    )


def _show(number: float | None) -> str:
    return "missing" if number is None else f"{number:.10g}"
