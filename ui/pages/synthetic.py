"""Synthetic data: the sets of the store with their cards, and rating what is real and what is not, blinded."""

from __future__ import annotations

import streamlit as st

from counterproof.tools.synth.review import SCORES
from counterproof.ui.desk import Desk
from counterproof.ui.pages.layout import described, errors_shown, show_code, show_listing, show_markdown
from counterproof.ui.pages.parts import show_figure
from counterproof.ui.pages.ways import way
from counterproof.ui.quoting import file_name, plain
from counterproof.ui.synthetic_sets import RatingView, rate_item, rating_view, set_view, sets_view

_HELP = {
    "realism": "1: nobody would take it for real. 5: it could well be.",
    "plausibility": "1: medical nonsense. 5: medically sound.",
}


def show(desk: Desk) -> None:
    """Show the set or the session that the address names, or the list of all."""
    name, rated = st.query_params.get("set", ""), st.query_params.get("rate", "")
    with errors_shown():
        if rated:
            _rate(desk, rated)
        elif name:
            _set(desk, name)
        else:
            _all(desk)


def _all(desk: Desk) -> None:
    st.title("Synthetic data")
    rows = sets_view(desk)
    if not rows:
        st.info("There is no synthetic set in the store. `counterproof synth make FILE` makes one and judges it.")
    for row in rows:
        with st.container(border=True):
            st.markdown(f"**{plain(row.title)}**")
            st.caption(plain(row.about))
            with st.container(horizontal=True):
                way("Look at the card", "synthetic", {"set": row.name}, key=f"set-{row.name}")
                if row.session:
                    way(f"Rate ({row.session})", "synthetic", {"rate": row.name}, key=f"rate-{row.name}")


def _set(desk: Desk, name: str) -> None:
    view = set_view(desk, name)
    st.title(plain(view.title))
    st.warning("Synthetic, never real: no finding about people can rest on it.")
    if view.flagged:
        st.error(view.flagged)
    show_markdown(view.summary)
    show_listing(view.measures)
    for listing in view.said:
        show_listing(listing)
    st.markdown("#### Its files")
    for path in view.files:
        st.download_button(plain(path.name), path.read_bytes, file_name(path.stem, path.suffix), key=path.name)
    for large in view.too_large:
        st.caption(f"{plain(large)} is too large to be loaded here: take it from the folder.")


def _rate(desk: Desk, name: str) -> None:
    st.title("Real or synthetic?")
    person = desk.require("rate")
    rater = person.id if person is not None else st.text_input("Your name, as a rater", key="rater").strip()
    if not rater:
        st.info("Items come in an order of your own. Stop when you like: it goes on where you left it.")
        return
    view = rating_view(desk, name, rater=rater)
    st.progress((view.number - bool(view.item)) / view.total)
    if not view.item:
        st.success("Everything is rated. Thank you.")
        way("Back to the list", "synthetic")
        return
    _item(desk, name, rater, view)


def _item(desk: Desk, name: str, rater: str, view: RatingView) -> None:
    st.caption(f"{view.number} of {view.total}")
    show_code(view.text, wrap_lines=True)
    if view.image:
        show_figure(view.image, "The image that belongs to it")
    with st.form(f"rating-{view.item}"):
        guess = st.radio("This is", ["real", "synthetic"], index=None, horizontal=True, key=f"guess-{view.item}")
        scores = {}
        for score in SCORES:
            key = f"{score}-{view.item}"
            scores[score] = st.radio(score.capitalize(), range(1, 6), index=None, horizontal=True, key=key)
            described(_HELP[score])
        if not st.form_submit_button("Next", type="primary"):
            return
    rate_item(desk, name, rater=rater, item=view.item, guess=guess, **scores)
    st.rerun()


if __name__ == "__main__":
    from counterproof.ui.app import main

    main()
