"""Check: nobody is left out after a look at the data, unless the plan says so."""

from __future__ import annotations

import re

from counterproof.tools.checks.planned import PlanView
from counterproof.tools.checks.verdict import Check, judged
from counterproof.tools.static_facts import Facts

_ID = "post_hoc"
_TITLE = "Is everybody left out for a planned reason?"
_BY_DATA = re.compile(
    r"resid|cooks|hat_|leverage|zscore|z_score|outlier|quantile|percentile|\biqr\b|\bmad\b|(?:mean|median)\(\)?.*(?:std|sd)\(|scale\(",
    re.IGNORECASE,
)
_ALLOWED = re.compile(
    r"outlier|trim|winsor|exclu\w+ (?:values|rows|patients|participants)? ?(?:beyond|above|below|more than)|extreme",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:no|not|never|without|none)\b[^.;]{0,40}(?:outlier|extreme|exclu|remov)", re.IGNORECASE)
_COMPARES = re.compile(r"[<>]|between|isin|%in%|~")


def check_post_hoc(facts: Facts, plan: PlanView) -> Check:
    """Fail where rows are chosen by residuals, distances, quantiles or other statistics of the data themselves.

    Conditions in brackets, `query`, `filter`, `subset` and `drop` are read, and what the names in them were made from.
    It passes where the plan speaks of outliers or extremes and does not rule their removal out.

    Not able to see a limit that was found by looking and then written as a number; such a limit has to stand in the
    plan.

    References
    ----------
    Simmons JP, Nelson LD, Simonsohn U. False-positive psychology. Psychol Sci 2011;22:1359.
    doi:10.1177/0956797611417632
    """
    made = {
        call.target for call in facts.calls if call.target and _BY_DATA.search(f"{call.name} {' '.join(call.args)}")
    }
    fail = []
    for line, condition in facts.filters:
        named = set(re.findall(r"[A-Za-z_.][\w.]*", condition))
        if _COMPARES.search(condition) and (_BY_DATA.search(condition) or named & made):
            fail.append(f"line {line}: rows are chosen by {' '.join(condition.split())[:100]}")
    if fail and _ALLOWED.search(plan.text) and not _DENIED.search(plan.text):
        return judged(
            _ID, _TITLE, fail=[], warn=[], looked_at=f"{len(fail)} conditions on statistics, which the plan allows"
        )
    return judged(
        _ID, _TITLE, fail=list(dict.fromkeys(fail)), warn=[], looked_at=f"{len(facts.filters)} conditions on rows"
    )
