"""Check: the participant flow adds up, and no result rests on more people than were analysed."""

from __future__ import annotations

from counterproof.tools.checks.verdict import Check, Evidence, judged

_ID = "denominators"
_TITLE = "Do the denominators reconcile?"


def check_denominators(evidence: Evidence) -> Check:
    """Fail when assessed - excluded ≠ analysed, when more were assessed than there are rows, or an n exceeds analysed.

    Fewer assessed than rows is right only where a participant has several rows, and warns.

    References
    ----------
    STROBE statement, item 13: numbers at each stage. doi:10.1016/S0140-6736(07)61602-X
    """
    flow = evidence.flow
    excluded = sum(part.n for part in flow.excluded)
    fail = []
    warn = []
    if evidence.rows is not None and flow.assessed > evidence.rows:
        fail.append(f"assessed is {flow.assessed}, and the data have {evidence.rows} rows")
    if evidence.rows is not None and flow.assessed < evidence.rows:
        warn.append(f"assessed is {flow.assessed}, and the data have {evidence.rows} rows: several for a participant?")
    if flow.assessed - excluded != flow.analysed:
        fail.append(f"assessed {flow.assessed} - excluded {excluded} is not analysed {flow.analysed}")
    fail += [
        f"{result.id} rests on n = {result.n}, more than the {flow.analysed} analysed"
        for result in evidence.primary.results
        if result.n > flow.analysed
    ]
    return judged(
        _ID,
        _TITLE,
        fail=fail,
        warn=warn,
        looked_at=f"{flow.assessed} assessed, {excluded} excluded, {flow.analysed} analysed",
    )
