"""The inbox: what waits for a person, oldest first. It refreshes by itself."""

from __future__ import annotations

import streamlit as st

from counterproof.ui.desk import Desk
from counterproof.ui.hints import hints_of
from counterproof.ui.pages.layout import NAMES, asked_page, errors_shown, pager
from counterproof.ui.pages.ways import follow, way
from counterproof.ui.quoting import plain
from counterproof.ui.views import InboxRow, inbox_view

REFRESH_S = 2


def show(desk: Desk) -> None:
    """Show what waits."""
    st.title("Inbox")
    _rows(desk)


@st.fragment(run_every=REFRESH_S)
def _rows(desk: Desk) -> None:
    follow()
    with errors_shown():
        view = inbox_view(desk, page=asked_page("inbox-page"))
        if not view.rows:
            st.info("Nothing waits for a decision. This page refreshes by itself.")
            return
        st.caption(f"{view.total:,} for {plain(view.whose)}, oldest first. This page refreshes by itself.")
        pager(view.pages, key="inbox-page")
        for row in view.rows:
            _row(row, _hints(desk, row.checkpoint, row.subject))


@st.cache_data(max_entries=2000, show_spinner=False)
def _hints(_desk: Desk, checkpoint: str, subject: str) -> tuple[str, ...]:  # noqa: ARG001 - names what is cached
    return hints_of(_desk.workplace, checkpoint)


def _row(row: InboxRow, hints: tuple[str, ...]) -> None:
    with st.container(border=True, key=f"row-{row.checkpoint}"):
        st.markdown(f"**{NAMES[row.kind]}** · {plain(row.title)}")
        mode = " · single-user mode" if row.single_user else ""
        st.caption(f"{plain(row.checkpoint)} · for: {' or '.join(row.roles)} · waiting for {row.waits_for}{mode}")
        for hint in hints:
            st.markdown(f"⚠ {plain(hint)}")
        with st.container(horizontal=True):
            here = {"checkpoint": row.checkpoint}
            way("Look and decide", "decide", here, key=f"decide-{row.checkpoint}", style="primary")
            way("Study", "study", {"study": row.study}, key=f"study-{row.checkpoint}")


if __name__ == "__main__":
    from counterproof.ui.app import main

    main()
