"""Check: nobody is counted as exposed before the exposure."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable

_WHEN = re.compile(
    r"wait|start|begin|first|switch|onset|(^|[._])(tx|rx|treat\w*|exposure|transplant)[._]?(date|time|day|dt)"
    r"|(time|day|days|date)[._]?(to[._])?(tx|rx|treat|transplant|exposure|start|switch)",
    re.IGNORECASE,
)
_TIMED_R = ("tmerge", "survSplit", "tstart")


def check_immortal_time(seen: Seen) -> Finding:
    """Is an exposure that begins during the follow-up taken as if it were there from time zero?

    A column tells when the exposure began where its name says so, and it is filled for the exposed and empty for the
    others (at least 95 % of the rows). Fails where a survival model or test compares that exposure over the whole
    follow-up of (nearly) all rows, without start and stop times, and without a landmark that leaves rows out.

    Not able to see an exposure whose begin is in no column.

    References
    ----------
    Suissa S. Immortal time bias in pharmacoepidemiology. Am J Epidemiol 2008;167:492. doi:10.1093/aje/kwm324
    """
    about = ("immortal_time", "Is an exposure taken as known before it began?")
    frame = seen.frame()
    begun = _begun(frame)
    survival = [fit for fit in seen.fits if fit.kind in ("cox", "phreg", "km", "cox_tv", "parametric_survival")]
    tests = [test for test in seen.tests if "logrank" in test.name or test.name == "survdiff"]
    in_r = [call for call in seen.called("coxph", "survdiff", "survfit", "survreg") if seen.language == "r"]
    if not begun or not (survival or tests or in_r):
        return not_applicable(*about, "no survival model, or no column tells when an exposure began during follow-up")
    fail = []
    for exposure, when in begun.items():
        share = float(frame[when].notna().mean())
        for fit in survival:
            if fit.kind in ("cox_tv", "km") or fit.entry or fit.rows < 0.93 * len(frame):
                continue
            same = any(_same_share(fit.x[:, at], share) for at in range(fit.x.shape[1]))
            if exposure in fit.names or same:
                fail.append(
                    f"line {fit.line}: {exposure} in a {fit.kind} model from time zero on, and it began at {when}"
                )
        for test in tests:
            sizes = [len(arg) for arg in test.args[:2] if hasattr(arg, "__len__")]
            if len(sizes) == 2 and sum(sizes) >= 0.93 * len(frame) and exposure in seen.text:
                fail.append(f"line {test.line}: groups by {exposure} from time zero on, and it began at {when}")
        if in_r and not seen.called(*_TIMED_R) and "start" not in seen.text.replace("startsWith", ""):
            fail += [
                f"line {call['line']}: {exposure} from time zero on, and it began at {when}"
                for call in in_r
                if re.search(rf"~.*\b{re.escape(exposure)}\b", " ".join(map(str, call["args"])))
            ]
    return judged(
        *about, fail=list(dict.fromkeys(fail)), looked_at=f"begin of exposure: {begun}; taken as time-dependent"
    )


def _begun(frame: pd.DataFrame) -> dict[str, str]:
    """Return the columns of exposures with the column that tells when each began."""
    found = {}
    for when in map(str, frame.columns):
        if not _WHEN.search(when) or not 0.02 < frame[when].notna().mean() < 0.98:
            continue
        for exposure in map(str, frame.columns):
            levels = frame[exposure].dropna().unique()
            if exposure == when or len(levels) != 2:
                continue
            exposed = frame[exposure] == sorted(levels, key=str)[-1]
            if float((exposed == frame[when].notna()).mean()) >= 0.95:
                found[exposure] = when
    return found


def _same_share(column: np.ndarray, share: float) -> bool:
    return set(np.unique(column)) <= {0.0, 1.0} and abs(float(column.mean()) - share) < 0.03
