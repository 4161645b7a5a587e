"""Comparisons of models: how far each is, live, and its table when it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from counterproof.ui.desk import Desk
from counterproof.ui.pages.layout import described, errors_shown, show_listing
from counterproof.ui.pages.ways import follow, way
from counterproof.ui.quoting import file_name, plain

if TYPE_CHECKING:
    from counterproof.ui.campaigns import CampaignRow, CampaignView

REFRESH_S = 5


def show(desk: Desk) -> None:
    """Show the comparison that the address names, or the list of all."""
    name = st.query_params.get("campaign", "")
    with errors_shown():
        if not name:
            _all(desk)
            return
        view = _view(desk, name)
        if view.row.going_on:
            _live(desk, name)
        else:
            _one(view)


def _view(desk: Desk, name: str) -> CampaignView:
    from counterproof.ui.campaigns import campaign_view  # lazy: what does comparisons takes seconds to import

    return campaign_view(desk, name)


def _all(desk: Desk) -> None:
    from counterproof.ui.campaigns import campaigns_view  # lazy: see above

    st.title("Comparisons of models")
    rows = campaigns_view(desk)
    if not rows:
        st.info("There is no comparison in the store. `counterproof compare dream-style` starts one.")
    for row in rows:
        with st.container(border=True):
            st.markdown(f"**{plain(row.title)}**")
            st.caption(_standing(row))
            way("Open", "compare", {"campaign": row.name}, key=row.name)


@st.fragment(run_every=REFRESH_S)
def _live(desk: Desk, name: str) -> None:
    follow()
    with errors_shown():
        _one(_view(desk, name))


def _one(view: CampaignView) -> None:
    st.title(plain(view.row.title))
    st.caption(_standing(view.row))
    if view.row.going_on:
        st.progress(view.row.done / view.row.cells)
        st.info("It is going on, or was stopped: the same command goes on. This page refreshes by itself.")
    st.caption("Programs ran without approval, on open or simulated data; answers were read by the scoring alone.")
    show_listing(view.models)
    for listing in view.tasks:
        show_listing(listing)
    described(view.note)
    show_listing(view.categories)
    if view.report is not None:
        st.download_button(
            "Download the report with its figures", view.report.read_bytes, file_name(view.row.name, ".html")
        )


def _standing(row: CampaignRow) -> str:
    return f"{plain(row.name)} · {row.done:,} of {row.cells:,} cells · begun {row.since[:16]} UTC"


if __name__ == "__main__":
    from counterproof.ui.app import main

    main()
