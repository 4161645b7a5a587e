"""From one page to another: buttons whose click is not lost while a part of a page refreshes by itself.

A click may be folded into the refresh of a part that is gone by then; Streamlit drops that run, and the click with it
(seen in 1.67). What a button calls back is heard before that. So a button writes down where it leads, and the next run
goes there: of the whole page at its beginning (`arrive`), of a part that refreshes by telling the page (`follow`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import streamlit as st

_GOES_TO = "goes-to"


def way(
    label: str,
    page: str,
    where: Mapping[str, str] | None = None,
    *,
    key: str | None = None,
    style: Literal["primary", "secondary", "tertiary"] = "secondary",
) -> None:
    """Show a button that leads to a page; `where` stands in its address."""
    st.button(label, key=key, type=style, on_click=_head_for, args=(page, where or {}))


def go(page: str, where: Mapping[str, str]) -> None:
    """Lead to a page at once."""
    _head_for(page, where)
    follow()


def follow() -> None:
    """Leave this page when a click leads to another one; the first thing in a part that refreshes by itself."""
    if _GOES_TO in st.session_state:
        st.rerun()


def arrive() -> None:
    """Take the address of the page that a click leads to."""
    if _GOES_TO in st.session_state:
        st.query_params.from_dict(st.session_state.pop(_GOES_TO))


def _head_for(page: str, where: Mapping[str, str]) -> None:
    # Not into the address yet: a refresh that is under way brings the old one along.
    st.session_state[_GOES_TO] = {"page": page, **where}
