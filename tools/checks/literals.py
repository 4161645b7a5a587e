"""Check: results are computed, not written down."""

from __future__ import annotations

from counterproof.tools.checks.verdict import Check, judged
from counterproof.tools.static_facts import Facts, Field

_ID = "literals"
_TITLE = "Is every result computed?"
_RESULT_FIELDS = ("value", "ci_low", "ci_high", "p_value", "n", "analysed", "assessed", "events")


def check_literals(facts: Facts) -> Check:
    """Fail where a field of a result is a number in the program's text, or a name that is only ever given one.

    Looks at `value`, `ci_low`, `ci_high`, `p_value`, `n`, `assessed` and `analysed` in dictionaries, lists and calls,
    and at numbers with three digits and more among the positional arguments of a call that also names a unit of a
    result.

    Not able to see a number that is put together from parts.

    References
    ----------
    Stodden V, et al. Enhancing reproducibility for computational methods. Science 2016;354:1240.
    doi:10.1126/science.aah6168
    """
    fail = [
        f"line {field.line}: {field.key} is written as {field.value}"
        for field in facts.fields
        if field.key in _RESULT_FIELDS and _written(facts, field) and not _nothing(field)
    ]
    for call in facts.calls:
        words = {arg.strip("\"'") for arg in call.args}
        if words & {"ratio", "probability", "count", "statistic"}:
            fail += [f"line {call.line}: {call.last}() is given {arg}" for arg in call.args if _digits(arg) >= 3]
    return judged(_ID, _TITLE, fail=list(dict.fromkeys(fail)), warn=[], looked_at=f"{len(facts.fields)} fields")


def _written(facts: Facts, field: Field) -> bool:
    return field.number is not None or field.value in facts.given


def _nothing(field: Field) -> bool:
    return field.number == 0


def _digits(text: str) -> int:
    bare = text.lstrip("-")
    return sum(sign.isdigit() for sign in bare) if bare.replace(".", "", 1).replace("e-", "").isdigit() else 0
