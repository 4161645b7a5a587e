"""The report: text by the model, numbers by the renderer.

The model writes three sections in which every number is a reference: `{{hr.value}}`, `{{hr.ci}}`, `{{hr.p}}`,
`{{hr.n}}` to a released result, `{{plan.alpha}}`, `{{plan.ci_level}}` or `{{plan.seed}}` to the plan. The renderer
fills them in. A numeral that is not a reference is an error, and so is a report without any reference: zero numbers
found is a failure, not a pass. Citations (`[@key]`) may hold digits.

The result is a list of parts, text or number, from which the Markdown is put together; whoever has the parts and the
released results can check each number without this module (`provenance.verify` does).

It does not cover whether the words fit the numbers: that is for the person who signs.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from counterproof.provenance.errors import ModelMayRetry
from counterproof.provenance.numbers import names_of, without_names
from counterproof.tools.plan import Plan
from counterproof.tools.results import Result

_REFERENCE = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\.([a-z_]+)\s*\}\}")
_SIGN = re.compile(r"[\s(\[<>=~≈][-−–+]$")
_NUMERAL = re.compile(r"[\w.,]+")
_GLUE = re.compile(r"[.,]?|[eE][-+]?")
SECTIONS = ("methods", "results", "limitations")
NEVER_RELEASED = "No number of this study was released."


class ReportText(BaseModel):
    """What the model writes. Markdown without headings, numbers only as references."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    methods: str = Field(min_length=1, max_length=20_000)
    """What was done."""
    results: str = Field(min_length=1, max_length=20_000)
    """What was found."""
    limitations: str = Field(min_length=1, max_length=20_000)
    """What it does not show."""


class Part(BaseModel):
    """A stretch of the report: literal text, or a number with what it refers to."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["text", "number"]
    """What it is."""
    text: str
    """What stands in the report."""
    ref: str = ""
    """For a number: `<result>.<field>` or `plan.<field>`."""


def render(text: ReportText, *, plan: Plan, released: dict[str, Result]) -> dict[str, list[Part]]:
    """Fill the references of each section in.

    Args:
        text: the model's sections.
        plan: the locked plan.
        released: the released results by id.

    Returns:
        The parts of each section.

    Raises:
        ModelMayRetry: a numeral stands in the text, a reference does not resolve, or there is none at all.
    """
    sections = {name: _parts(name, getattr(text, name), plan, released) for name in SECTIONS}
    numbers = [part for parts in sections.values() for part in parts if part.kind == "number"]
    if not any(not part.ref.startswith("plan.") for part in numbers):
        raise ModelMayRetry(
            "The report refers to no result at all.",
            allowed=f"Released results: {', '.join(sorted(released)) or 'none'}.",
            advice="Refer to them as {{id.value}}, {{id.ci}}, {{id.p}}, {{id.n}}.",
        )
    return sections


def format_number(result: Result, field: str) -> str | None:
    """Return a result's field as it stands in a report; None where the result has no such field.

    `value`, `ci` and `ci_low`/`ci_high` show three significant digits (whole numbers in full), `p` two, and "<0.001"
    below that.
    """
    if field == "value":
        return _significant(result.value)
    if field == "n":
        return str(result.n)
    if field == "p" and result.p_value is not None:
        return "<0.001" if result.p_value < 0.001 else _significant(result.p_value, digits=2)
    if result.ci_low is None or result.ci_high is None:
        return None
    low, high = _significant(result.ci_low), _significant(result.ci_high)
    return {"ci": f"{low} to {high}", "ci_low": low, "ci_high": high}.get(field)


def _parts(section: str, text: str, plan: Plan, released: dict[str, Result]) -> list[Part]:
    parts: list[Part] = []
    names = names_of(plan.model_dump(mode="json"))
    at = 0
    for match in _REFERENCE.finditer(text):
        between = text[at : match.start()]
        if _SIGN.search(between if parts else f" {between}") or (parts and _GLUE.fullmatch(between)):
            raise ModelMayRetry(
                f"Section {section!r} changes a number by what stands before {match.group()!r}.",
                allowed="A reference stands alone: no sign before it, and a space or word between two.",
            )
        parts.append(_literal(section, between, names, follows=bool(parts), leads=True))
        name, field = match.groups()
        parts.append(Part(kind="number", ref=f"{name}.{field}", text=_resolve(section, name, field, plan, released)))
        at = match.end()
    parts.append(_literal(section, text[at:], names, follows=bool(parts), leads=False))
    return [part for part in parts if part.text]


def _literal(section: str, text: str, names: frozenset[str], *, follows: bool, leads: bool) -> Part:
    if "{{" in text or "}}" in text:
        raise ModelMayRetry(
            f"Section {section!r} has a reference that can't be read near {text[-60:]!r}.",
            allowed="References look like {{id.value}}.",
        )
    shown = without_names(text, names, follows=follows, leads=leads)
    at = next((at for at, sign in enumerate(shown) if unicodedata.category(sign) in ("Nd", "No")), None)
    if at is not None:
        run = _NUMERAL.match(shown, at)
        numeral = run.group() if run else shown[at]
        raise ModelMayRetry(
            f"Section {section!r} holds the numeral {numeral!r} (…{shown[max(0, at - 30) : at + 10]!r}…).",
            allowed="Numbers stand in a report as references only; small counts may be written as words, names with "
            "digits as the plan has them.",
        )
    return Part(kind="text", text=text)


def _resolve(section: str, name: str, field: str, plan: Plan, released: dict[str, Result]) -> str:
    if name == "plan":
        values = {
            "alpha": f"{plan.alpha:g}",
            "ci_level": f"{plan.ci_level * 100:g}%",
            "seed": str(plan.seed),
            "sides": str(plan.sides),
        }
        if field not in values:
            raise ModelMayRetry(
                f"Section {section!r} refers to plan.{field}.", allowed=f"The plan has: {', '.join(values)}."
            )
        return values[field]
    if name not in released:
        raise ModelMayRetry(
            f"Section {section!r} refers to {name!r}, which is not a released result.",
            allowed=f"Released: {', '.join(sorted(released)) or 'none'}.",
        )
    text = format_number(released[name], field)
    if text is None:
        raise ModelMayRetry(
            f"Section {section!r} refers to {name}.{field}, which that result does not have.",
            allowed="Fields: value, n, and where given ci, ci_low, ci_high, p.",
        )
    return text


def _significant(number: float, *, digits: int = 3) -> str:
    if abs(number) < 1e15 and number == int(number):
        return str(int(number))
    text = f"{number:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text and abs(number) < 1e15 else text
