"""Check: no identifier is a predictor."""

from __future__ import annotations

import re

import numpy as np

from counterproof.tools.checks.observed._seen import SUBJECT, Finding, Seen, judged, not_applicable


def check_identifier_predictors(seen: Seen) -> Finding:
    """Is a column that numbers the rows among the predictors of a model?

    Fails for a predictor that is named like an identifier, or counts up by one through the whole file. Grouping terms
    of mixed models are no predictors.

    Not for measurements that happen to be unique, which is why whole steps of one are asked for.

    References
    ----------
    Kapoor S, Narayanan A. Leakage and the reproducibility crisis in machine-learning-based science. Patterns
    2023;4:100804. doi:10.1016/j.patter.2023.100804
    """
    about = ("identifier_predictors", "Is an identifier among the predictors?")
    frame = seen.frame()
    numbered = {column for column in map(str, frame.columns) if SUBJECT.match(column) or _counts(frame[column])}
    models = [(fit.line, [re.sub(r"^C\((.+?)\).*", r"\1", name) for name in fit.names]) for fit in seen.fits]
    models += [(call.line, list(map(str, call.x.columns))) for call in seen.learned if hasattr(call.x, "columns")]
    models += [(call["line"], _terms(call)) for call in seen.calls if seen.language == "r" and "~" in _formula(call)]
    if not models:
        return not_applicable(*about, "the program fits no model")
    units = len(frame)
    fail = [
        f"line {line}: the predictor {name} identifies the rows"
        for line, names in models
        for name in names
        if name in numbered and frame[name].nunique() > 0.5 * units
    ]
    return judged(*about, fail=list(dict.fromkeys(fail)), looked_at=f"{len(models)} models")


def _counts(column: object) -> bool:
    values = np.asarray(column)
    if values.dtype.kind not in "iu" or len(values) < 20:
        return False
    return bool((np.diff(np.sort(values)) == 1).all())


def _formula(call: dict[str, object]) -> str:
    return next((str(arg) for arg in (*call["args"], *call["named"].values()) if "~" in str(arg)), "")  # type: ignore[misc, attr-defined]


def _terms(call: dict[str, object]) -> list[str]:
    right = _formula(call).partition("~")[2]
    return re.findall(r"[A-Za-z.][\w.]*", re.sub(r"\([^()]*\|[^()]*\)|(?:cluster|strata)\([^()]*\)", "", right))
