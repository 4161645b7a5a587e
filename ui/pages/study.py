"""A study: where it stands, what waits, and what happened. It refreshes by itself while it goes on."""

from __future__ import annotations

import streamlit as st

from counterproof.agents.study import Workplace
from counterproof.provenance.store import ENDED, Status
from counterproof.ui.history import StudyView, studies, study_view
from counterproof.ui.pages.layout import NAMES, Go, errors_shown, show_listing
from counterproof.ui.quoting import plain
from counterproof.ui.subjects import Listing

REFRESH_S = 2


def show(workplace: Workplace, go: Go) -> None:
    """Show the study named in the address, or the list of all."""
    study = st.query_params.get("study", "")
    if not study:
        _all(workplace, go)
        return
    with errors_shown():
        view = study_view(workplace, study)
        st.title(plain(view.title))
        st.caption(f"{plain(view.id)} · model {plain(view.model)}")
        if view.notice:
            st.warning(view.notice)
        st.markdown(f"**Question.** {plain(view.question)}")
        if view.status in ENDED:
            _standing(workplace, view, go)
        else:
            _live(workplace, study, go)


@st.fragment(run_every=REFRESH_S)
def _live(workplace: Workplace, study: str, go: Go) -> None:
    with errors_shown():
        _standing(workplace, study_view(workplace, study), go)


def _standing(workplace: Workplace, view: StudyView, go: Go) -> None:
    st.markdown(f"Status: **{view.status}** {plain(_detail(view))}")
    if view.is_scenario:
        st.warning("This study is a scenario: its decisions are scripted, and no person reviewed it.")
    if view.waits is not None:
        _waits(view, go)
    elif view.asked_to_run:
        st.info("It asked to go on and waits for the worker. Is one running? `counterproof worker` starts it.")
    elif view.may_run and st.button("Ask the worker to go on"):
        workplace.store.ask_run(view.id)
        st.rerun()
    if view.bundle is not None:
        st.success("The bundle is written. Anybody can check it offline with `counterproof verify`.")
        st.code(str(view.bundle), language=None, wrap_lines=True)
    if view.noticed is not None:
        show_listing(view.noticed)
    rows = [
        {"#": str(row.seq), "time (UTC)": row.at, "who": row.who, "event": row.event, "what": row.what}
        for row in view.timeline
    ]
    show_listing(Listing(title="What happened", rows=tuple(rows)))
    with st.expander("What the model saw"):
        st.caption(plain(view.exposure))
        for message in view.seen:
            st.markdown(f"**{plain(message['call'])}**, message {message['number']}: {', '.join(message['sources'])}")
            st.code(message["text"], language=None, wrap_lines=True)


def _detail(view: StudyView) -> str:
    return f"· {view.detail}" if view.detail and view.status is not Status.WAITING else ""


def _waits(view: StudyView, go: Go) -> None:
    assert view.waits is not None
    st.info(f"Waits for {' or '.join(view.waits.roles)}: {NAMES[view.waits.kind]}, for {view.waits.waits_for}.")
    if st.button("Look and decide", type="primary"):
        go("decide", {"checkpoint": view.waits.checkpoint})


def _all(workplace: Workplace, go: Go) -> None:
    st.title("Studies")
    with errors_shown():
        rows = studies(workplace)
        if not rows:
            st.info("There is no study yet. Make one with `counterproof new`.")
        for row in rows:
            with st.container(border=True):
                st.markdown(f"**{plain(row.title)}**")
                st.caption(f"{plain(row.id)} · {row.status}")
                if st.button("Open", key=row.id):
                    go("study", {"study": row.id})


if __name__ == "__main__":
    from counterproof.ui.app import main

    main()
