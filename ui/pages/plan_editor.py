"""The plan as a form: one input for every field, with a line of help; parts can be added and taken away."""

from __future__ import annotations

from typing import Any

import streamlit as st

from counterproof.ui.pages.layout import described
from counterproof.ui.plan_form import FormField, blank, plan_fields
from counterproof.ui.quoting import plain

_AREA_FROM = 90
"""A longer text gets an area of several lines."""


def edit_plan(plan: dict[str, Any], *, key: str) -> dict[str, Any]:
    """Show the form, filled with a plan, and return what stands in it now."""
    return _part(plan_fields(), plan, key)


def _part(fields: tuple[FormField, ...], value: dict[str, Any], key: str) -> dict[str, Any]:
    filled = {field.name: _input(field, value.get(field.name, field.blank), f"{key}-{field.name}") for field in fields}
    return {name: one for name, one in filled.items() if one is not None}


def _input(field: FormField, value: Any, key: str) -> Any:
    match field.kind:
        case "part":
            with st.container(border=True):
                st.markdown(f"**{field.label}**")
                st.caption(plain(field.help))
                return _part(field.fields, value or blank(field.fields), key)
        case "parts":
            return _parts(field, value, key)
        case _:
            found = _plain_input(field, value, key)
            described(field.help)
            return found


def _plain_input(field: FormField, value: Any, key: str) -> Any:
    match field.kind:
        case "choice":
            return st.selectbox(
                field.label,
                field.choices,
                index=field.choices.index(value) if value in field.choices else 0,
                format_func=lambda one: "(as the plan)" if one is None else str(one).replace("_", " ") or "(none)",
                key=key,
            )
        case "flag":
            return st.checkbox(field.label, bool(value), key=key)
        case "number":
            return st.number_input(field.label, value=value, format="%g", step=0.0001, key=key)
        case "whole":
            return st.number_input(field.label, value=value, step=1, key=key)
        case "lines":
            text = st.text_area(
                f"{field.label} (one a line)", "\n".join(map(str, value or [])), height="content", key=key
            )
            return [line.strip() for line in text.splitlines() if line.strip()]
        case "text":
            return st.text_area(field.label, value or "", height="content", key=key)
        case _:
            if len(value or "") > _AREA_FROM:
                return st.text_area(field.label, value, height="content", key=key)
            return st.text_input(field.label, value or "", key=key)


def _parts(field: FormField, values: Any, key: str) -> list[dict[str, Any]]:
    """Show parts below each other; which of them are there is kept by number, so that inputs keep their words."""
    rows: list[dict[str, Any]] = list(values or [])
    there: list[int] = st.session_state.setdefault(f"{key}-there", list(range(len(rows))))
    st.markdown(f"**{field.label}**")
    st.caption(plain(field.help))
    found = []
    for place, number in enumerate(list(there), start=1):
        row = rows[number] if number < len(rows) else blank(field.fields)
        with st.expander(_headline(field, row, place, key=f"{key}-{number}")):
            found.append(_part(field.fields, row, f"{key}-{number}"))
            if st.button(f"Take {field.label.lower()} {place} away", key=f"{key}-{number}-away"):
                there.remove(number)
                st.rerun()
    if st.button(f"Add to {field.label.lower()}", key=f"{key}-add"):
        there.append(max([len(rows) - 1, *there]) + 1)
        st.rerun()
    return found


def _headline(field: FormField, row: dict[str, Any], place: int, *, key: str) -> str:
    first = field.fields[0].name
    name = st.session_state.get(f"{key}-{first}", row.get(first))
    return plain(f"{field.label} {place}: {str(name or 'new')[:80]}")
