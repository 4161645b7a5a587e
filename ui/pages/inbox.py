"""The inbox: what waits for a person, oldest first. It refreshes by itself."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from counterproof.agents.study import Workplace
from counterproof.ui.pages.layout import NAMES, Go, errors_shown
from counterproof.ui.quoting import plain
from counterproof.ui.views import InboxRow, inbox

REFRESH_S = 2


def show(workplace: Workplace, go: Go) -> None:
    """Show what waits."""
    st.title("Inbox")
    _rows(workplace, go)


@st.fragment(run_every=REFRESH_S)
def _rows(workplace: Workplace, go: Go) -> None:
    with errors_shown():
        rows = inbox(workplace)
        if not rows:
            st.info("Nothing waits for a decision. This page refreshes by itself.")
        for row in rows:
            _row(row, go)


def _row(row: InboxRow, go: Go) -> None:
    with st.container(border=True, key=f"row-{row.checkpoint}"):
        st.markdown(f"**{NAMES[row.kind]}** · {plain(row.title)}")
        mode = " · single-user mode" if row.single_user else ""
        st.caption(f"{plain(row.checkpoint)} · for: {' or '.join(row.roles)} · waiting for {row.waits_for}{mode}")
        with st.container(horizontal=True):
            _button("Look and decide", "decide", {"checkpoint": row.checkpoint}, go)
            _button("Study", "study", {"study": row.study}, go)


def _button(label: str, page: str, where: Mapping[str, str], go: Go) -> None:
    if st.button(label, key=f"{page}-{'-'.join(where.values())}", type="primary" if page == "decide" else "secondary"):
        go(page, where)


if __name__ == "__main__":
    from counterproof.ui.app import main

    main()
