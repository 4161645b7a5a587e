"""What the pages share: showing our errors, listings and links, with every text quoted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from counterproof.provenance.errors import CounterproofError, VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.ui.quoting import breakable, defused, demoted, plain, tables_apart, visible
from counterproof.ui.subjects import Listing, Sides

ROWS_SHOWN = 1000
CELL = 2000
CODE = 400_000
"""Longest table, cell and code that a browser bears; what is cut says so."""

NAMES: dict[CheckpointKind, str] = {
    CheckpointKind.PLAN: "◆1 Plan",
    CheckpointKind.CODE: "◆2 Code",
    CheckpointKind.RELEASE: "◆3 Release",
    CheckpointKind.SIGNOFF: "◆4 Sign-off",
    CheckpointKind.SPECIFICATION: "◆1 Specification of a synthetic set",
    CheckpointKind.SAMPLE: "◆2 Sample of a synthetic set",
}


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show an error of ours as text in place of what the block would have shown."""
    try:
        yield
    except VerificationFailed as error:
        st.error(f"**Verification failed. Don't sign anything.** {plain(str(error))}")
    except CounterproofError as error:
        st.error(plain(str(error)))


def show_listing(listing: Listing, *, heading: str = "####") -> None:
    """Show rows as a table under their title, or what is said when there are none."""
    st.markdown(f"{heading} {plain(listing.title)}")
    if not listing.rows:
        st.caption(plain(listing.empty) or "None.")
        return
    shown = listing.rows[:ROWS_SHOWN]
    rows = [{plain(name): plain(breakable(visible(cell, longest=CELL))) for name, cell in row.items()} for row in shown]
    st.table(rows, hide_index=True)
    if len(shown) < len(listing.rows):
        st.warning(f"{len(listing.rows) - len(shown):,} more rows are not shown here: `counterproof show` prints all.")


def show_code(text: str, *, language: str | None = None, line_numbers: bool = False, wrap_lines: bool = False) -> None:
    """Show a text to its last character in type of one width; characters that steer a screen are named."""
    named = visible(text, longest=CODE)
    st.code(named, language=language, line_numbers=line_numbers, wrap_lines=wrap_lines)


def show_markdown(markdown: str) -> None:
    """Show Markdown that a model wrote, or that holds its words; tables fit a narrow screen."""
    for part in tables_apart(markdown):
        if isinstance(part, str):
            st.markdown(demoted(defused(part)))
        else:
            head, *rows = part
            st.table([dict(zip(head, map(defused, row), strict=True)) for row in rows], hide_index=True)


def described(text: str) -> None:
    """Show one line of help under a field."""
    if text:
        st.caption(plain(text))


def show_sides(sides: Sides, *, title: str) -> None:
    """Show two texts side by side; on a narrow screen one below the other."""
    st.markdown(f"#### {plain(title)}")
    for column, name, text in zip(
        st.columns(2), (sides.left_name, sides.right_name), (sides.left, sides.right), strict=True
    ):
        with column:
            st.caption(plain(name))
            show_code(text, language="diff")


def asked_page(key: str) -> int:
    """Return which page of a long list was asked for with `pager`."""
    return int(st.session_state.get(key, 1))


def pager(pages: int, *, key: str) -> None:
    """Let a person ask for another page of a long list."""
    if pages > 1:
        st.number_input(f"Page (of {pages})", 1, pages, key=key)
