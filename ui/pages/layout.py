"""What the pages share: showing our errors, listings and links, with every text quoted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import streamlit as st

from counterproof.provenance.errors import CounterproofError, VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.ui.quoting import breakable, defused, demoted, plain, tables_apart
from counterproof.ui.subjects import Listing

Go = Callable[[str, Mapping[str, str]], None]
"""Leads to another page: its name, and what stands in its address."""

NAMES: dict[CheckpointKind, str] = {
    CheckpointKind.PLAN: "◆1 Plan",
    CheckpointKind.CODE: "◆2 Code",
    CheckpointKind.RELEASE: "◆3 Release",
    CheckpointKind.SIGNOFF: "◆4 Sign-off",
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
    rows = [{plain(name): plain(breakable(cell)) for name, cell in row.items()} for row in listing.rows]
    st.table(rows, hide_index=True)


def show_markdown(markdown: str) -> None:
    """Show Markdown that a model wrote, or that holds its words; tables fit a narrow screen."""
    for part in tables_apart(markdown):
        if isinstance(part, str):
            st.markdown(demoted(defused(part)))
        else:
            head, *rows = part
            st.table([dict(zip(head, map(defused, row), strict=True)) for row in rows], hide_index=True)
