"""Laying out what each kind of checkpoint shows."""

from __future__ import annotations

from typing import assert_never

import streamlit as st

from counterproof.ui.pages.layout import show_listing, show_markdown
from counterproof.ui.quoting import plain
from counterproof.ui.subjects import CodePart, FileItem, Listing, Part, PlanPart, ProgramView, ReleasePart, SignoffPart


def show_part(part: Part) -> None:
    """Show what is decided on."""
    match part:
        case PlanPart():
            _plan(part)
        case CodePart():
            _code(part)
        case ReleasePart():
            _release(part)
        case SignoffPart():
            _signoff(part)
        case _:
            assert_never(part)


def _plan(part: PlanPart) -> None:
    with st.container(border=True):
        show_markdown(part.markdown)
    for listing in part.listings:
        show_listing(listing)
    st.markdown("#### Codebook")
    st.text(part.codebook or "None was given.")


def _code(part: CodePart) -> None:
    st.info("An approval opens the real data to exactly these programs, once. Both have run on the twin only.")
    for listing in part.listings[:1]:
        show_listing(listing)
    for program in part.programs:
        _program(program)
    for listing in part.listings[1:]:
        show_listing(listing)
    with st.expander("Packages of the environment"):
        st.text(part.packages)


def _program(program: ProgramView) -> None:
    st.subheader(f"The {plain(program.role)} program", divider=True)
    st.caption(f"SHA-256 {program.sha256}")
    show_listing(program.findings)
    if program.diff:
        st.markdown("#### Changed since it was shown last")
        st.code(program.diff, language="diff")
    st.markdown("#### Program")
    st.code(program.code, language=program.language, line_numbers=True)
    with st.container(border=True):
        st.warning(f"SYNTHETIC: what follows was computed from the twin, not from real data. Status: {program.status}")
        show_listing(program.results)
        st.markdown(f"**Participants (synthetic).** {plain(program.flow)}")
        st.markdown(f"**Files it wrote.** {plain(program.outputs)}")
        st.markdown("**What it printed**")
        st.code(program.stdout or "(nothing)", language=None)


def _release(part: ReleasePart) -> None:
    st.warning("Computed from real data and not released: what stands here must not leave this page before you decide.")
    show_listing(part.numbers)
    st.markdown("#### Tables and figures")
    if not part.files:
        st.caption("None.")
    for item in part.files:
        _file(item)
    for listing in part.listings:
        show_listing(listing)


def _file(item: FileItem) -> None:
    with st.container(border=True):
        st.markdown(f"**{plain(item.id)}** · proposed: **{plain(item.verdict)}**")
        for finding in item.findings:
            st.markdown(f"⚠ {plain(finding)}")
        if item.image is not None:
            _figure(item.image)
        elif item.rows:
            show_listing(Listing(title="Content", rows=item.rows), heading="#####")
        else:
            st.code(item.text, language=None)


def _figure(data: bytes) -> None:
    # An <img> runs no script and loads nothing, in an SVG too; what is no image is named instead of shown.
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        try:
            st.image(data)
        except (OSError, ValueError, SyntaxError):
            st.error("This PNG file can't be read. Suppress it, or reject.")
    elif b"<svg" in data[:2000]:
        st.image(data.decode("utf-8", errors="replace"))
    else:
        st.error("This file is no PNG and no SVG, and can't be shown. Suppress it, or reject.")


def _signoff(part: SignoffPart) -> None:
    with st.container(border=True):
        show_markdown(part.markdown)
    show_listing(part.numbers)
    st.markdown("#### Transparency statement, signed with the report")
    st.markdown(f"**{part.summary}.** Other answers (`counterproof statement`) come in with an edit: a new sign-off.")
    show_listing(part.missing)
    with st.expander("The whole statement"):
        st.code(plain(part.statement), language=None, wrap_lines=True)
