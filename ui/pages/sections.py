"""The parts of a study's page, each from a view object of its own."""

from __future__ import annotations

from functools import partial
from typing import TypeVar

import streamlit as st

from counterproof.ui.desk import Desk
from counterproof.ui.exporting import export_view, write_bundle
from counterproof.ui.pages.layout import asked_page, pager, show_code, show_listing, show_markdown, show_sides
from counterproof.ui.pages.parts import show_figure
from counterproof.ui.quoting import file_name, plain, visible
from counterproof.ui.reports import FORMS, as_file
from counterproof.ui.seen import seen_view
from counterproof.ui.usage import Bar, costs_view, trace_view
from counterproof.ui.work import checks_listing, plan_versions, program_versions, results_view

T = TypeVar("T")
_BAR_CHARACTERS = 40


def plan(desk: Desk, study: str) -> None:
    """Show the versions of the plan."""
    versions = plan_versions(desk, study)
    if not versions:
        st.caption("There is no plan yet.")
        return
    version = _chosen("Version", versions, [one.name for one in versions], key="plan-version")
    if version.why:
        st.caption(plain(version.why.removeprefix("- ").capitalize()))
    if version.changes.rows:
        show_listing(version.changes)
    with st.container(border=True):
        show_markdown(version.markdown)


def programs(desk: Desk, study: str) -> None:
    """Show the versions of the programs."""
    versions = program_versions(desk, study)
    if not versions:
        st.caption("No program was written yet.")
        return
    version = _chosen("Program", versions, [one.name for one in versions], key="program-version")
    st.caption(f"{plain(version.language)}, SHA-256 {version.sha256}. Approved: {plain(version.approved) or 'no'}.")
    if version.notes:
        st.markdown(f"**What the model says a reviewer should look at.** {plain(version.notes)}")
    if version.before is not None:
        show_sides(version.before, title="Changed since the version before")
    show_code(version.code, language=version.language, line_numbers=True)


def checks(desk: Desk, study: str) -> None:
    """Show the verdicts of the checks."""
    st.caption("What a check found may hold numbers that are not released: it stands at the release checkpoint.")
    show_listing(checks_listing(desk, study))


def results(desk: Desk, study: str) -> None:
    """Show what was released, and where a number comes from."""
    view = results_view(desk, study, result=st.query_params.get("result", ""))
    show_listing(view.numbers)
    if view.ids:
        start = view.ids.index(view.result) if view.result else None
        asked = st.selectbox("Where does a number come from?", view.ids, index=start, key=f"lineage-{view.result}")
        if asked:
            show_listing(results_view(desk, study, result=asked).lineage)
    for item in view.files:
        st.markdown(f"**{plain(item.name)}**")
        if item.name.startswith("figures/"):
            show_figure(item.content, item.name)
        else:
            show_code(item.content.decode("utf-8", errors="replace"))
    if view.warnings.rows:
        show_listing(view.warnings)
    if view.suppressed:
        st.markdown(f"**Suppressed.** {plain(', '.join(view.suppressed))}")
    if view.flow:
        st.markdown("#### Participants")
        st.image(view.flow, width=640, alt="How many participants there were at each step, as in flow.json")


def costs(desk: Desk, study: str) -> None:
    """Show what the study may use and has used."""
    view = costs_view(desk, study, page=asked_page("costs-page"))
    pager(view.pages, key="costs-page")
    show_listing(view.budgets)
    st.caption("More is signed with `counterproof budget extend`.")
    show_listing(view.calls)


def trace(desk: Desk, study: str) -> None:
    """Show the spans as a waterfall of text, which a screen reader reads line by line."""
    view = trace_view(desk, study)
    if not view.traces:
        st.caption("No spans were kept.")
    for number, bars in enumerate(view.traces, start=1):
        st.markdown(f"#### Trace {number}")
        show_code("\n".join(map(_line, bars)))
    if view.left_out:
        st.caption(f"{view.left_out} earlier spans are in the study's telemetry folder.")


def seen(desk: Desk, study: str) -> None:
    """Show what the model was sent in one call."""
    view = seen_view(desk, study, call=st.session_state.get("seen-call", ""))
    st.caption(plain(view.exposure))
    if view.refused:
        st.warning(f"The guard stopped {view.refused} requests: `counterproof show {plain(study)} --refused`.")
    if not view.calls:
        st.caption("No model was asked yet.")
        return
    st.selectbox("Call", view.calls, index=view.calls.index(view.call), key="seen-call")
    for message in view.messages:
        st.markdown(f"**Message {message.number}** ({plain(message.role)}): {', '.join(message.sources)}")
        show_code(message.text, wrap_lines=True)


def report(desk: Desk, study: str) -> None:
    """Show the report, and what can be taken away."""
    view = export_view(desk, study)
    if view.report is not None:
        with st.container(border=True):
            show_markdown(view.report.markdown)
        with st.container(horizontal=True):
            for ending in FORMS:
                name = file_name(study, ending)
                st.download_button(f"Report ({ending})", partial(as_file, view.report, ending), name, key=ending)
    else:
        st.caption("There is no report yet.")
    st.markdown("#### Bundle")
    st.markdown(f"Review: **{plain(view.label)}**.")
    if view.bundle is not None:
        st.download_button("Download the bundle", view.bundle.read_bytes, file_name(study, ".zip"), type="primary")
        st.caption("Anybody can check it offline with `counterproof verify`, or on the page Verify.")
    elif view.ended and st.button("Write the bundle", type="primary"):
        write_bundle(desk, study)
        st.rerun()
    elif not view.ended:
        st.caption("The bundle is written when the study has ended.")


def _chosen(label: str, values: tuple[T, ...], names: list[str], *, key: str) -> T:
    # What can be chosen is shown as text, without Markdown.
    at = st.selectbox(label, range(len(values)), format_func=lambda number: visible(names[number]), key=key)
    return values[at]


def _line(bar: Bar) -> str:
    left = min(int(bar.start * _BAR_CHARACTERS), _BAR_CHARACTERS - 1)
    width = max(1, min(round(bar.width * _BAR_CHARACTERS), _BAR_CHARACTERS - left))
    drawn = (" " * left + "█" * width).ljust(_BAR_CHARACTERS)
    return f"{drawn} {bar.duration:>9}  {'FAILED ' if bar.failed else ''}{bar.name}"
