"""Check: no row is dropped silently."""

from __future__ import annotations

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable


def check_dropped_rows(seen: Seen) -> Finding:
    """Did a model or the flow lose rows that nobody counted?

    Fails where a model rests on fewer rows than a result that names no fewer says (`n`), because a library left rows
    with missing values out, or where the flow assesses fewer rows than the file has and no result or exclusion
    accounts for them. Data with several rows a subject are counted in subjects too.

    Not for models of a planned subset, whose results say their own n.

    References
    ----------
    von Elm E, et al. The STROBE statement, item 13. Lancet 2007;370:1453. doi:10.1016/S0140-6736(07)61602-X
    """
    about = ("dropped_rows", "Is every row accounted for?")
    frame, flow = seen.frame(), seen.flow
    if seen.language == "r" and len(frame):
        return judged(*about, fail=_in_r(seen), looked_at="no model leaves out rows by itself")
    if not flow or not len(frame):
        return not_applicable(*about, "the program wrote no flow, or no file could be read")
    counted = {int(row.get("n", -1)) for row in seen.results} | {int(flow.get("analysed", -1))}
    column = seen.subject()
    units = {len(frame)} | ({int(frame[column].nunique())} if column else set())
    fail = []
    for fit in seen.fits:
        if fit.dropped and fit.rows not in counted:
            fail.append(
                f"line {fit.line}: the {fit.kind} model left out {fit.dropped} rows; no result has its n of {fit.rows}"
            )
    excluded = sum(int(part.get("n", 0)) for part in flow.get("excluded", []))
    whole = len(seen.frames) == 1
    if whole and int(flow.get("assessed", 0)) not in units and int(flow.get("analysed", 0)) + excluded not in units:
        fail.append(f"the file has {len(frame)} rows, and the flow begins with {flow.get('assessed')}")
    return judged(
        *about, fail=list(dict.fromkeys(fail)), looked_at=f"{flow.get('assessed')} assessed, {excluded} excluded"
    )


def _in_r(seen: Seen) -> list[str]:
    """Return R models that leave out rows by themselves, where the results count everybody."""
    frame, found = seen.frame(), []
    handled = seen.called("complete.cases", "na.omit", "drop_na", "is.na", "nobs")
    for call in seen.called("glm", "lm", "coxph"):
        text = " ".join(map(str, call["args"]))
        gaps = [
            c
            for c in map(str, frame.columns)
            if frame[c].isna().any() and c in text.replace("~", " ").replace("+", " ").split()
        ]
        if gaps and not handled:
            found.append(
                f"line {call['line']}: {call['name']}() leaves out rows without {', '.join(gaps)}; nothing counts them"
            )
    return found
