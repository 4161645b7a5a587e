"""Laying out what each kind of checkpoint shows."""

from __future__ import annotations

from typing import assert_never
from urllib.parse import quote

import streamlit as st

from counterproof.ui.pages.layout import show_code, show_listing, show_markdown, show_sides
from counterproof.ui.quoting import defused, plain
from counterproof.ui.subjects import (
    CheckProgramView,
    CodePart,
    FileItem,
    Listing,
    Part,
    PlanPart,
    ProgramView,
    ReleasePart,
    ReportText,
    SetPart,
    SignoffPart,
)


def show_part(part: Part, *, study: str) -> None:
    """Show what is decided on in a study."""
    match part:
        case PlanPart():
            _plan(part)
        case CodePart():
            _code(part)
        case ReleasePart():
            _release(part)
        case SignoffPart():
            _signoff(part, study)
        case SetPart():
            _set(part)
        case _:
            assert_never(part)


def _linked(text: ReportText, study: str) -> str:
    if not text.result:
        return defused(text.text)
    return f"[{plain(text.text)}](?page=study&study={quote(study)}&section=results&result={quote(text.result)})"


def _set(part: SetPart) -> None:
    st.info(plain(part.notice))
    if part.markdown:
        with st.container(border=True):
            show_markdown(part.markdown)
    for listing in part.listings:
        show_listing(listing)
    for number, item in enumerate(part.items, start=1):
        st.markdown(f"#### Item {number}")
        show_code(item, wrap_lines=True)
        if part.images[number - 1]:
            show_figure(part.images[number - 1], f"The image of item {number}")


def _plan(part: PlanPart) -> None:
    if part.changes.rows:
        show_listing(part.changes)
    with st.container(border=True):
        show_markdown(part.markdown)
    for listing in part.listings:
        show_listing(listing)
    st.markdown("#### Codebook")
    show_code(part.codebook or "None was given.")


def _code(part: CodePart) -> None:
    st.info("An approval opens the real data to exactly these programs, once. They have run on the twin only.")
    for listing in part.listings[:1]:
        show_listing(listing)
    for program in part.programs:
        _program(program)
    if part.against is not None:
        with st.expander("The primary program beside the replication"):
            show_sides(part.against, title="Where they differ")
    for checker in part.checkers:
        _checker(checker)
    for listing in part.listings[1:]:
        show_listing(listing)
    with st.expander("Packages of the environment"):
        show_code(part.packages, wrap_lines=True)


def _checker(checker: CheckProgramView) -> None:
    st.subheader(f"The check program ({plain(checker.name)})", divider=True)
    st.markdown(
        "Made by Counterproof, not by the model. It runs the primary program once more on the real data, under "
        "observation, and an approval opens the data to it as well."
    )
    st.caption(f"{plain(checker.language)}, {len(checker.code):,} characters, SHA-256 {checker.sha256}")
    with st.expander("Its text"):
        show_code(checker.code, language=checker.language, line_numbers=True)


def _program(program: ProgramView) -> None:
    st.subheader(f"The {plain(program.role)} program", divider=True)
    st.caption(f"SHA-256 {program.sha256}")
    show_listing(program.findings)
    for finding in program.noted:
        st.markdown(f"⚠ {plain(finding.text)}")
        show_code(finding.lines)
    if program.since_approved is not None:
        show_sides(program.since_approved, title="Changed since it was approved last")
    if program.diff:
        st.markdown("#### Changed since it was shown last")
        show_code(program.diff, language="diff")
    st.markdown("#### Program")
    show_code(program.code, language=program.language, line_numbers=True)
    with st.container(border=True):
        st.warning(f"SYNTHETIC: what follows was computed from the twin, not from real data. Status: {program.status}")
        show_listing(program.results)
        st.markdown(f"**Participants (synthetic).** {plain(program.flow)}")
        st.markdown(f"**Files it wrote.** {plain(program.outputs)}")
        st.markdown("**What it printed**")
        show_code(program.stdout or "(nothing)")


def _release(part: ReleasePart) -> None:
    st.warning("Computed from real data and not released: what stands here must not leave this page before you decide.")
    show_listing(part.numbers)
    st.markdown("#### Tables and figures")
    if not part.files:
        st.caption("None.")
    for item in part.files:
        _file(item)
    for listing in (part.warnings, *part.listings):
        show_listing(listing)


def _file(item: FileItem) -> None:
    with st.container(border=True):
        st.markdown(f"**{plain(item.id)}** · proposed: **{plain(item.verdict)}**")
        for finding in item.findings:
            st.markdown(f"⚠ {plain(finding)}")
        if item.image is not None:
            show_figure(item.image, item.id)
        elif item.rows:
            show_listing(Listing(title="Content", rows=item.rows), heading="#####")
        else:
            show_code(item.text)


def show_figure(data: bytes, name: str) -> None:
    """Show a picture that a program made, or say that it can't be shown; its name stands for it where nobody sees."""
    # An <img> runs no script and loads nothing, in an SVG too; what is no image is named instead of shown.
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        try:
            st.image(data, alt=name)
        except (OSError, ValueError, SyntaxError):
            st.error("This PNG file can't be read. Suppress it, or reject.")
    elif b"<svg" in data[:2000]:
        st.image(data.decode("utf-8", errors="replace"), alt=name)
    else:
        st.error("This file is no PNG and no SVG, and can't be shown. Suppress it, or reject.")


def _signoff(part: SignoffPart, study: str) -> None:
    with st.container(border=True):
        show_markdown(part.markdown)
    with st.expander("The text with each number linked to where it comes from"):
        for section in part.sections:
            st.markdown(f"#### {plain(section.name.capitalize())}")
            st.markdown("".join(_linked(text, study) for text in section.texts))
    show_listing(part.numbers)
    st.markdown("#### Transparency statement, signed with the report")
    st.markdown(f"**{part.summary}.** Other answers (`counterproof statement`) come in with an edit: a new sign-off.")
    show_listing(part.missing)
    with st.expander("The whole statement"):
        show_code(plain(part.statement), wrap_lines=True)
