"""A study: where it stands, and behind one row of buttons each part of its work. It refreshes by itself.

Only the part that is looked at is read.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from counterproof.provenance.store import ENDED, Status
from counterproof.ui.commanding import ask_run, say_meaning
from counterproof.ui.desk import Desk
from counterproof.ui.history import StudyView, study_list, study_view, timeline
from counterproof.ui.pages import sections
from counterproof.ui.pages.layout import NAMES, asked_page, errors_shown, pager, show_listing
from counterproof.ui.pages.ways import follow, way
from counterproof.ui.quoting import plain
from counterproof.ui.subjects import Listing

REFRESH_S = 2
_BADGES = {"done": "green", "now": "blue", "to come": "gray", "not reached": "gray"}
_MARKS = {"done": "✓ ", "now": "▶ ", "to come": "", "not reached": "– "}


def show(desk: Desk) -> None:
    """Show the study named in the address, or the list of all."""
    study = st.query_params.get("study", "")
    if not study:
        with errors_shown():
            _all(desk)
        return
    with errors_shown():
        view = study_view(desk, study)
        st.title(plain(view.title))
        st.caption(f"{plain(view.id)} · model {plain(view.model)}")
        if view.notice:
            st.warning(view.notice)
        if view.is_scenario:
            st.warning("This study is a scenario: its decisions are scripted, and no person reviewed it.")
        st.markdown(f"**Question.** {plain(view.question)}")
        if view.status in ENDED:
            _standing(desk, view)
        else:
            _live(desk, study)
        _section(desk, study)


@st.fragment(run_every=REFRESH_S)
def _live(desk: Desk, study: str) -> None:
    follow()
    with errors_shown():
        _standing(desk, study_view(desk, study))


def _standing(desk: Desk, view: StudyView) -> None:
    steps = [f":{_BADGES[step.standing]}-badge[{_MARKS[step.standing]}{step.name}]" for step in view.path]
    st.markdown(" → ".join(steps))
    st.markdown(f"Status: **{view.status}** {plain(_detail(view))}")
    if view.waits is not None:
        _waits(view)
    elif view.asked_to_run:
        st.info("It asked to go on and waits for the worker. Is one running? `counterproof worker` starts it.")
    elif view.may_run and not view.undecided and st.button("Ask the worker to go on", type="primary"):
        ask_run(desk, view.id)
        st.rerun()
    for column in view.undecided:
        _undecided(desk, view, column.file, column.column, column.reason)
    if view.bundle is not None:
        st.success("The bundle is written. Take it from Report and bundle; anybody can check it offline.")
    if view.noticed is not None:
        show_listing(view.noticed)


def _undecided(desk: Desk, view: StudyView, file: str, column: str, reason: str) -> None:
    with st.form(f"column-{file}-{column}"):
        st.warning(f"The column {plain(column)} of {plain(file)} may identify a person: {plain(reason)}.")
        meaning = st.radio("What is it?", view.meanings, index=None, horizontal=True, key=f"meaning-{file}-{column}")
        why = st.text_input("Why is it that? (stands in the record)", key=f"why-{file}-{column}")
        by = "" if desk.who is not None else st.text_input("Your reviewer id", key=f"by-{file}-{column}")
        if st.form_submit_button("Say so"):
            say_meaning(desk, view.id, file=file, column=column, meaning=meaning, why=why, by=by)
            st.rerun()


def _detail(view: StudyView) -> str:
    return f"· {view.detail}" if view.detail and view.status is not Status.WAITING else ""


def _waits(view: StudyView) -> None:
    assert view.waits is not None
    st.info(f"Waits for {' or '.join(view.waits.roles)}: {NAMES[view.waits.kind]}, for {view.waits.waits_for}.")
    way("Look and decide", "decide", {"checkpoint": view.waits.checkpoint}, style="primary")


def _timeline(desk: Desk, study: str) -> None:
    view = timeline(desk, study, page=asked_page("timeline-page"))
    pager(view.pages, key="timeline-page")
    rows = [
        {"#": str(row.seq), "time (UTC)": row.at, "who": row.who, "event": row.event, "what": row.what}
        for row in view.rows
    ]
    show_listing(Listing(title="What happened", rows=tuple(rows)))


SECTIONS: dict[str, tuple[str, Callable[[Desk, str], None]]] = {
    "timeline": ("Timeline", _timeline),
    "plan": ("Plan", sections.plan),
    "programs": ("Programs", sections.programs),
    "checks": ("Checks", sections.checks),
    "results": ("Results", sections.results),
    "costs": ("Costs", sections.costs),
    "trace": ("Trace", sections.trace),
    "seen": ("What the model saw", sections.seen),
    "report": ("Report and bundle", sections.report),
}


def _section(desk: Desk, study: str) -> None:
    chosen = st.query_params.get("section", "timeline")
    chosen = chosen if chosen in SECTIONS else "timeline"
    with st.container(horizontal=True, key="sections"):
        for name, (title, _) in SECTIONS.items():
            here = {"study": study, "section": name}
            way(title, "study", here, key=f"section-{name}", style="primary" if name == chosen else "secondary")
    with errors_shown():
        SECTIONS[chosen][1](desk, study)


def _all(desk: Desk) -> None:
    st.title("Studies")
    view = study_list(desk, page=asked_page("studies-page"))
    pager(view.pages, key="studies-page")
    if not view.rows:
        st.info("There is no study yet. Make one on the page New study, or with `counterproof new`.")
    for row in view.rows:
        with st.container(border=True):
            st.markdown(f"**{plain(row.title)}**")
            st.caption(f"{plain(row.id)} · {row.status}")
            way("Open", "study", {"study": row.id}, key=row.id)


if __name__ == "__main__":
    from counterproof.ui.app import main

    main()
