"""The plan as a form: each field with its kind of input, its choices, and the line of help under it.

Read from the plan's own schema, so a field that the plan gains has its input. The help is the docstring under the field
(`tools.plan`), which the model gets too: person and model are told the same.

It does not cover whether what was filled in is a plan (`agents.edits`).
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import MaxLen
from pydantic.fields import FieldInfo

from counterproof.tools.plan import Plan
from counterproof.tools.plan.parts import Part

Kind = Literal["line", "text", "lines", "choice", "number", "whole", "flag", "part", "parts"]
_LINE_MAX = 300
"""A text that may be longer gets an area."""


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One field of a form.

    Attributes:
        name: its name in the plan.
        label: what is written above it.
        help: what a statistician expects there.
        kind: its input.
        choices: for a choice, what can be chosen.
        fields: for one or several parts, their fields.
        blank: what a new one begins with.
    """

    name: str
    label: str
    help: str
    kind: Kind
    choices: tuple[Any, ...] = ()
    fields: tuple[FormField, ...] = ()
    blank: Any = ""


def plan_fields() -> tuple[FormField, ...]:
    """Return the fields of a plan, in its order."""
    return _fields(Plan)


def blank(fields: tuple[FormField, ...]) -> dict[str, Any]:
    """Return what a new part begins with."""
    return {field.name: blank(field.fields) if field.kind == "part" else field.blank for field in fields}


@cache
def _fields(part: type[Part]) -> tuple[FormField, ...]:
    return tuple(_field(name, info) for name, info in part.model_fields.items())


def _field(name: str, info: FieldInfo) -> FormField:
    kind, choices, fields = _kind(info.annotation, info)
    start = info.get_default(call_default_factory=False)
    empty: dict[str, Any] = {"lines": [], "parts": [], "flag": False, "choice": choices[0] if choices else ""}
    known = start is not None and isinstance(start, str | int | float)
    return FormField(
        name=name,
        label=name.replace("_", " ").capitalize(),
        help=info.description or "",
        kind=kind,
        choices=choices,
        fields=fields,
        blank=start if known else empty.get(kind, None if kind in ("number", "whole") else ""),
    )


def _kind(annotation: Any, info: FieldInfo) -> tuple[Kind, tuple[Any, ...], tuple[FormField, ...]]:
    base, optional = _bare(annotation)
    if get_origin(base) is Literal:
        return "choice", ((None,) if optional else ()) + get_args(base), ()
    if get_origin(base) is tuple:
        inner, _ = _bare(get_args(base)[0])
        is_part = isinstance(inner, type) and issubclass(inner, Part)
        return ("parts", (), _fields(inner)) if is_part else ("lines", (), ())
    if isinstance(base, type) and issubclass(base, Part):
        return "part", (), _fields(base)
    if base is bool:
        return "flag", (), ()
    if base in (int, float):
        return "whole" if base is int else "number", (), ()
    longest = max((mark.max_length for mark in info.metadata if isinstance(mark, MaxLen)), default=_LINE_MAX)
    return "text" if longest > _LINE_MAX else "line", (), ()


def _bare(annotation: Any) -> tuple[Any, bool]:
    """Return a type without what only limits it, and whether it may be None."""
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [one for one in get_args(annotation) if one is not type(None)]
        return inner[0], True
    while hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    return annotation, False
