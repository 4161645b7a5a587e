"""Does every number of a report resolve to a released result? Checked without the code that wrote the report.

A report document is a list of parts, text or number. A number names what it refers to (`<result>.<field>`,
`plan.<field>`, `flow.<field>`), and what stands there must be that number, rounded. Text by the model must hold no
numeral outside of citations. A report with no number of a result is a failure.

It does not cover whether the sentences around the numbers are true.
"""

from __future__ import annotations

import html
import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Any

_CITATION = re.compile(r"\[@[A-Za-z][A-Za-z0-9_:.-]*\]")
_FIELDS = {"value": "value", "p": "p_value", "n": "n", "ci_low": "ci_low", "ci_high": "ci_high"}


def to_markdown(document: dict[str, Any]) -> str:
    """Put a report together from its document (`title`, `head`, `sections`, `appendix`)."""
    lines = [f"# {document['title']}", "", document["head"], ""]
    for section in [*document["sections"], *document["appendix"]]:
        lines += [f"## {section['name'].capitalize()}", "", "".join(part["text"] for part in section["parts"]), ""]
    return "\n".join(lines)


def check_numbers(document: dict[str, Any], *, released: dict[str, Any], plan: dict[str, Any]) -> tuple[int, list[str]]:
    """Check a report against what was released and planned.

    Args:
        document: the report.
        released: the released results.
        plan: the locked plan.

    Returns:
        How many numbers resolve to a released result, and what is wrong.
    """
    results = {result["id"]: result for result in released["results"]}
    faults, found = [], 0
    for section in document["sections"]:
        for part in section["parts"]:
            if part["kind"] == "text" and _holds_numeral(part["text"]):
                faults.append(f"section {section['name']!r} holds a numeral that is no reference")
    for section in [*document["sections"], *document["appendix"]]:
        for part in section["parts"]:
            if part["kind"] != "number":
                continue
            if _resolves(part, results, released, plan):
                found += not part["ref"].startswith(("plan.", "flow."))
            else:
                faults.append(f"section {section['name']!r}: {part['text']!r} is not {part['ref']}")
    if not found:
        faults.append("the report holds no number of a released result")
    return found, faults


def _holds_numeral(text: str) -> bool:
    shown = html.unescape(_CITATION.sub("", text))
    return any(unicodedata.category(sign) in ("Nd", "No") for sign in shown)


def _resolves(part: dict[str, str], results: dict[str, Any], released: dict[str, Any], plan: dict[str, Any]) -> bool:
    name, _, field = part["ref"].partition(".")
    if name == "plan":
        value = plan.get(field)
        return value is not None and _same(
            part["text"].removesuffix("%"), value * 100 if field == "ci_level" else value
        )
    if name == "flow":
        return _same(part["text"], _flow(released.get("flow") or {}, field))
    result = results.get(name)
    if result is None:
        return False
    if field == "ci":
        ends = part["text"].split(" to ")
        return len(ends) == 2 and _same(ends[0], result["ci_low"]) and _same(ends[1], result["ci_high"])
    if field == "p" and part["text"] == "<0.001":
        return result["p_value"] is not None and result["p_value"] < 0.001
    return field in _FIELDS and _same(part["text"], result[_FIELDS[field]])


def _flow(flow: dict[str, Any], field: str) -> Any:
    if field.startswith("excluded_") and field[9:].isdecimal() and int(field[9:]) < len(flow.get("excluded", [])):
        return flow["excluded"][int(field[9:])]["n"]
    return flow.get(field)


def _same(text: str, value: Any) -> bool:
    """Say whether `text` is `value`, rounded to the digits that `text` shows (three at least for whole numbers)."""
    if not isinstance(value, (int, float)):
        return False
    try:
        shown = Decimal(text)
    except InvalidOperation:
        return False
    exponent = shown.as_tuple().exponent
    if not isinstance(exponent, int):
        return False
    if exponent >= 0:
        last = shown.normalize().as_tuple().exponent
        exponent = min(int(last), max(0, shown.adjusted() - 2))
    unit = Decimal(1).scaleb(int(exponent))
    exact = Decimal(repr(value))
    slack = Decimal(1) + Decimal("1e-9")
    # Two significant digits are off by 5 % at the most; anything further off was not rounded but changed.
    return abs(shown - exact) <= min(unit / 2, abs(exact) / 20) * slack
