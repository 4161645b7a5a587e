"""New study: the data with what the model would see of them, the question, the choices, and what it will take."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from counterproof.sandbox import Language
from counterproof.tools.exposure import EXPOSURES, IN_WORDS, THIRD_PARTIES
from counterproof.ui.desk import Desk
from counterproof.ui.making import OTHER_MODEL, NewStudyView, Upload, Wish, make_study, new_study_view, preview
from counterproof.ui.pages.layout import described, errors_shown, show_listing
from counterproof.ui.pages.ways import go
from counterproof.ui.quoting import plain
from counterproof.ui.usage import estimate

_LANGUAGES = get_args(Language)
_PARTIES = {
    "forbidden": "nobody: only a model on this machine",
    "model": "a hosted model may see what the exposure allows",
    "allowed": "and a remote sandbox may hold the data",
}


def show(desk: Desk) -> None:
    """Show the form, and make the study."""
    st.title("New study")
    with errors_shown():
        view = new_study_view(desk)
        st.caption(f"Author: {plain(view.author) or 'you'}. Policy: {plain(view.policy)}.")
        wish = _form(view)
        for upload in wish.uploads:
            with errors_shown():
                _preview(upload, wish)
        st.subheader("What it will take", divider=True)
        taken = estimate(view.rules, question=wish.question, codebook=wish.codebook)
        st.markdown(f"- {taken.calls}\n- {taken.tokens}\n- cost: {plain(taken.cost)}")
        if st.button("Make the study and begin", type="primary"):
            go("study", {"study": make_study(desk, wish)})


def _form(view: NewStudyView) -> Wish:
    st.subheader("Data", divider=True)
    files, entered = [], []
    if view.uploads:
        files = st.file_uploader("Data files", accept_multiple_files=True, key="data")
        described("CSV, TSV, Parquet, JSON lines, SPSS, Stata, rds. They go into the vault; no model sees the files.")
    if view.vault:
        entered = st.multiselect("Data files of the vault", view.vault, format_func=plain, key="entered")
    book = st.file_uploader("Codebook (text)", type=["txt", "md"], key="codebook")
    described("What the columns mean, their units and codes; the model reads it word for word.")
    exposure = st.radio("What may the model see?", EXPOSURES, format_func=lambda one: f"{one}: {IN_WORDS[one]}")
    parties = st.radio("Who else may see that?", THIRD_PARTIES, 1, format_func=lambda one: f"{one}: {_PARTIES[one]}")
    subject = st.text_input("Column that tells persons apart")
    described("Leave it empty where each row is a person, or where its name says it (id, patient, subject).")
    st.subheader("Question", divider=True)
    question = st.text_area("Question", height=120)
    described("What you want to know: in whom, of what, compared with what, measured how.")
    title = st.text_input("Short title")
    st.subheader("Model and programs", divider=True)
    model = st.selectbox("Model", (*view.models, OTHER_MODEL), format_func=plain)
    endpoint = _endpoint() if model == OTHER_MODEL else ("", "", "")
    language = st.selectbox("Language of the primary program", _LANGUAGES)
    replication = st.selectbox("Language of the replication", _LANGUAGES)
    return Wish(
        question=question,
        title=title,
        codebook=book.getvalue().decode("utf-8", errors="replace") if book is not None else "",
        uploads=tuple(Upload(name=file.name, content=file.getvalue()) for file in files),
        entered=tuple(entered),
        model=model,
        endpoint=endpoint,
        exposure=exposure,
        third_parties=parties,
        subject=subject,
        language=language,
        replication=replication,
        share_data=st.checkbox("The data files themselves may go into the bundle"),
    )


def _endpoint() -> tuple[str, str, str]:
    name = st.text_input("Name of the model at the endpoint")
    address = st.text_input("Address of the endpoint", placeholder="http://127.0.0.1:8000/v1")
    variable = st.text_input("Environment variable of the worker that holds the key")
    described("Leave it empty for an endpoint without a key. The key itself is never typed here.")
    return name, address, variable


def _preview(upload: Upload, wish: Wish) -> None:
    found = preview(upload, exposure=wish.exposure, subject=wish.subject.strip())
    with st.expander(plain(f"{found.name}: {found.rows:,} rows, and what the model would see"), expanded=True):
        st.info(f"At this exposure {found.exposure}.")
        for listing in (found.identifiers, found.told, found.held_back):
            show_listing(listing)


if __name__ == "__main__":
    from counterproof.ui.app import main

    main()
