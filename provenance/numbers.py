"""Does every number of a report resolve to a released result? Checked without the code that wrote the report.

A report document is a list of parts, text or number. A number names what it refers to (`<result>.<field>`,
`plan.<field>`, `flow.<field>`), and what stands there must be that number, rounded: to three significant digits at
least, a p value to two, whole numbers in full. Text by the model must hold no numeral outside of citations, and nothing
that changes the number beside it (a sign, a point, an exponent). A text without a number of a result is a failure.

Names such as S100B or CD4 hold digits and are no numbers: a word that begins with a letter, has no sign and no point in
it and stands in the locked plan just so may stand in the report.

It does not cover whether the sentences around the numbers are true, nor numerals in the words of people and tables
(title, labels): those are in what the investigator signs.
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
from decimal import Decimal
from typing import Any

_CITATION = re.compile(r"\[@[A-Za-z][A-Za-z0-9_:.-]*\]")
_NAME = re.compile(r"(?<![\w.,%+-])[A-Za-z][A-Za-z0-9]*[0-9][A-Za-z0-9]*(?![\w%]|[.,+-]\w)")
_TOUCHED = "_"
_SHOWN = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]{1,3})?")
_SIGN = re.compile(r"[\s(\[<>=~≈][-−–+]$")
_GLUE = re.compile(r"[.,]?|[eE][-+]?")
_FIELDS = {"value": "value", "p": "p_value", "n": "n", "ci_low": "ci_low", "ci_high": "ci_high"}
_DIGITS = {"p": 2}
_DIGITS_MIN = 3
_IN_FULL = 1e15
"""Smaller whole numbers stand in a report with all their digits."""


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
    faults: list[str] = []
    names = names_of(plan)
    for section in document["sections"]:
        faults += _text_faults(section, names)
    found = {"sections": 0, "appendix": 0}
    for place in found:
        for section in document[place]:
            for part in section["parts"]:
                if part["kind"] != "number":
                    continue
                if _resolves(part, results, released, plan):
                    found[place] += not part["ref"].startswith(("plan.", "flow."))
                else:
                    faults.append(f"section {section['name']!r}: {_fault(part, results)}")
    if released.get("synthetic"):
        faults.append("the released results are those of a run on the synthetic twin")
    if not found["sections"]:
        faults.append("the report holds no number of a released result")
    return sum(found.values()), faults


def names_of(plan: Any) -> frozenset[str]:
    """Return the names with digits in them that stand in the texts of a plan (or any part of one)."""
    if isinstance(plan, str):
        return frozenset(_NAME.findall(plan))
    parts = plan.values() if isinstance(plan, dict) else plan if isinstance(plan, list | tuple) else ()
    return frozenset().union(*map(names_of, parts))


def without_names(text: str, names: frozenset[str], *, follows: bool, leads: bool) -> str:
    """Return a text with citations, and names of the plan, left out; entities as the signs they stand for.

    A name that touches the number before the text (`follows`) or behind it (`leads`) would change it, and stays.
    """
    # Entities such as &half; are shown as the numerals they stand for.
    shown = html.unescape(_CITATION.sub("", text))
    framed = f"{_TOUCHED if follows else ' '}{shown}{_TOUCHED if leads else ' '}"
    return _NAME.sub(lambda found: "" if found.group() in names else found.group(), framed)[1:-1]


def _text_faults(section: dict[str, Any], names: frozenset[str]) -> list[str]:
    """Return what is wrong with the text of a section that the model wrote."""
    name, parts = section["name"], section["parts"]
    faults = []
    for at, part in enumerate(parts):
        if part["kind"] == "number":
            continue
        follows = at > 0 and parts[at - 1]["kind"] == "number"
        leads = at + 1 < len(parts) and parts[at + 1]["kind"] == "number"
        if _holds_numeral(without_names(part["text"], names, follows=follows, leads=leads)):
            faults.append(f"section {name!r} holds a numeral that is no reference")
        sign = _SIGN.search(part["text"] if follows else f" {part['text']}")
        if leads and (sign or (follows and _GLUE.fullmatch(part["text"]))):
            faults.append(f"section {name!r} changes the number {parts[at + 1]['text']!r} by what stands before it")
    return faults


def _holds_numeral(text: str) -> bool:
    return any(unicodedata.category(sign) in ("Nd", "Nl", "No") for sign in text)


def _resolves(part: dict[str, str], results: dict[str, Any], released: dict[str, Any], plan: dict[str, Any]) -> bool:
    text = part["text"]
    name, _, field = part["ref"].partition(".")
    if name == "plan":
        value = plan.get(field)
        if field == "ci_level" and isinstance(value, float):
            return text.endswith("%") and _same(text[:-1], value * 100)
        return _same(text, value)
    if name == "flow":
        return _same(text, _flow(released.get("flow") or {}, field))
    result = results.get(name)
    if result is None:
        return False
    if field == "ci":
        ends = text.split(" to ")
        return len(ends) == 2 and _same(ends[0], result["ci_low"]) and _same(ends[1], result["ci_high"])
    if field == "p" and text == "<0.001":
        return result["p_value"] is not None and result["p_value"] < 0.001
    return field in _FIELDS and _same(text, result[_FIELDS[field]], digits=_DIGITS.get(field, _DIGITS_MIN))


def _fault(part: dict[str, str], results: dict[str, Any]) -> str:
    """Say how a number fails to resolve: it refers to nothing, is rounded wrongly, or is another one."""
    text, ref = part["text"], part["ref"]
    name, _, field = ref.partition(".")
    if name not in (*results, "plan", "flow"):
        return f"{text!r} refers to {ref}, which was not released"
    value = results.get(name, {}).get(_FIELDS.get(field, ""))
    if isinstance(value, float) and math.isfinite(value) and value % 1 and _SHOWN.fullmatch(text):
        shown, exact = Decimal(text), Decimal(repr(value))
        last = shown.as_tuple().exponent
        if isinstance(last, int) and abs(shown - exact) < Decimal(1).scaleb(last):
            return f"{text!r} is {ref} rounded wrongly, or to too few digits"
    return f"{text!r} is not {ref}"


def _flow(flow: dict[str, Any], field: str) -> Any:
    if field.startswith("excluded_") and field[9:].isdecimal() and int(field[9:]) < len(flow.get("excluded", [])):
        return flow["excluded"][int(field[9:])]["n"]
    return flow.get(field)


def _same(text: str, value: Any, *, digits: int = _DIGITS_MIN) -> bool:
    """Say whether `text` is `value`, rounded to what `text` shows, which is `digits` significant digits at least."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    if not _SHOWN.fullmatch(text):
        return False
    shown, exact = Decimal(text), Decimal(repr(value))
    if abs(value) < _IN_FULL and value == int(value):
        return shown == exact
    last = shown.as_tuple().exponent
    assert isinstance(last, int)
    if last >= 0:
        last = shown.adjusted() + 1 - len(shown.normalize().as_tuple().digits)
    unit = Decimal(1).scaleb(min(last, exact.adjusted() - digits + 1))
    return abs(shown - exact) <= unit / 2 * (1 + Decimal("1e-9"))
