"""Verify: drop a bundle of anybody's, and see the numbered verification; no study of this store is needed."""

from __future__ import annotations

import streamlit as st

from counterproof.ui.checking_bundles import bundle_view
from counterproof.ui.desk import Desk
from counterproof.ui.pages.layout import described, errors_shown, show_listing
from counterproof.ui.quoting import plain


def show(desk: Desk) -> None:
    """Verify what is dropped."""
    st.title("Verify a bundle")
    with errors_shown():
        desk.require("read")
        file = st.file_uploader("Bundle", type=["zip"], key="bundle")
        authority = st.file_uploader("Certificates of a time-stamping authority", type=["pem", "crt"], key="authority")
        described("Only if you trust one: then the bundle must have its time stamp.")
        if file is None:
            st.info("Nothing leaves this machine, and nothing of the bundle is kept.")
            return
        view = bundle_view(file.getvalue(), authority=authority.getvalue() if authority is not None else b"")
        (st.success if view.ok else st.error)(plain(view.verdict))
        show_listing(view.about)
        show_listing(view.steps)
        show_listing(view.events)
        if view.record_page:
            st.download_button("Keep the record as a page", view.record_page, "record.html")


if __name__ == "__main__":
    from counterproof.ui.app import main

    main()
