"""Decide: the subject exactly as it will be signed, then the decision, then the signature.

Every widget is named after the digest that is on screen: when another subject comes up, what was filled in or clicked
for the old one counts for nothing.
"""

from __future__ import annotations

from typing import cast, get_args

import streamlit as st

from counterproof.agents.study import Workplace
from counterproof.provenance.decisions import COMMENT_MAX, DecisionKind
from counterproof.ui.deciding import Draft, draft_decision, editable_texts, sign_draft
from counterproof.ui.pages.layout import NAMES, Go, errors_shown, show_listing
from counterproof.ui.pages.parts import show_part
from counterproof.ui.quoting import plain
from counterproof.ui.views import DECISIONS, Decided, DecisionView, decision_view


def show(workplace: Workplace, go: Go) -> None:
    """Show one checkpoint, named in the address."""
    checkpoint = st.query_params.get("checkpoint", "")
    if not checkpoint:
        st.title("Decide")
        st.info("No checkpoint is chosen.")
        if st.button("Go to the inbox"):
            go("inbox", {})
        return
    with errors_shown():
        view = decision_view(workplace, checkpoint)
        _head(view)
        if view.answered.rows:
            show_listing(view.answered)
        show_part(view.part)
        _exact(view)
        if view.decided is not None:
            _done(view.decided)
        else:
            _ask(workplace, view)
        if st.button("Go to the study"):
            go("study", {"study": view.study})


def _head(view: DecisionView) -> None:
    st.title(f"{NAMES[view.kind]}: {plain(view.title)}")
    if view.decided is not None:
        st.success(f"Decided: {view.decided.decision} by {plain(view.decided.by)}.")
    if view.is_scenario:
        st.warning("This study is a scenario: its decisions are scripted, and nothing of it counts as reviewed.")
    if view.notice:
        st.warning(view.notice)
    if view.signed_by and view.decided is None:
        st.info(f"Signed by {plain(', '.join(view.signed_by))}. It needs the signature of another person, too.")
    st.markdown(f"**Question.** {plain(view.question)}")
    st.caption(f"Checkpoint {plain(view.checkpoint)}. SHA-256 of what is shown here, which the signature covers:")
    st.code(view.digest, language=None, wrap_lines=True)


def _exact(view: DecisionView) -> None:
    if st.toggle("Show the exact bytes that are signed", key=f"exact-{view.digest}"):
        before = f", with 32 bytes of salt before them: {view.salt}" if view.salt else ""
        st.caption(f"{len(view.subject):,} bytes of canonical JSON{before}.")
        st.code(view.subject.decode(), language=None, wrap_lines=True)


def _done(decided: Decided) -> None:
    st.subheader("Decided", divider=True)
    st.markdown(f"**{decided.decision}** by {plain(decided.by)} ({decided.role}), {decided.at}")
    st.markdown(f"Reason: {plain(decided.comment)}")
    st.caption("The worker goes on with the study.")


def _ask(workplace: Workplace, view: DecisionView) -> None:
    st.subheader("Your decision", divider=True)
    if not view.signers:
        st.warning("No reviewer may decide this checkpoint. Add one with `counterproof reviewers add`.")
        return
    signer = st.selectbox(
        "Reviewer",
        view.signers,
        format_func=lambda person: f"{person.name} ({person.id}), as {person.role}",
        key=f"signer-{view.digest}",
    )
    decision = st.radio(
        "Decision",
        get_args(DecisionKind),
        index=None,
        format_func=lambda kind: DECISIONS[cast(DecisionKind, kind)],
        key=f"decision-{view.digest}",
    )
    texts = _editor(view) if decision == "edit" else None
    comment = st.text_area(
        "Reason (stands in the record and in the signature)", max_chars=COMMENT_MAX, key=f"reason-{view.digest}"
    )
    if st.button("Go to signing", type="primary", key=f"sign-{view.digest}"):
        with errors_shown():
            confirm(workplace, draft_decision(view, signer=signer, decision=decision, comment=comment, texts=texts))


def _editor(view: DecisionView) -> dict[str, str]:
    st.caption("Change what should be different. It is checked now, and comes back as a checkpoint of its own.")
    st.html("<style>.st-key-editor textarea { font-family: monospace }</style>")
    with st.container(key="editor"):
        return {
            name: st.text_area(f"New {name}", text, height=400, key=f"edit-{name}-{view.digest}")
            for name, text in editable_texts(view).items()
        }


@st.dialog("Sign this decision", width="medium", on_dismiss="rerun")
def confirm(workplace: Workplace, draft: Draft) -> None:
    """Show what is signed, by whom and in what meaning; sign it with the key."""
    st.markdown(
        f"**{draft.decision}** {NAMES[draft.kind]} ({plain(draft.checkpoint)})\n\n"
        f"by **{plain(draft.signer.name)}** as **{draft.signer.role}**; meaning of the signature: **{draft.meaning}**."
    )
    st.markdown(f"Reason: {plain(draft.comment)}")
    st.caption("SHA-256 of what you saw:" + (" (the edit is signed with it)" if draft.decision == "edit" else ""))
    st.code(draft.digest, language=None, wrap_lines=True)
    with st.form(f"key-{draft.digest}", border=False):
        key = st.text_input("Key file", str(draft.signer.key))
        passphrase = st.text_input("Passphrase", type="password", autocomplete="off")
        pressed = st.form_submit_button("Sign", type="primary")
    if pressed:
        with errors_shown():
            sign_draft(workplace, draft, key=key, passphrase=passphrase)
            st.rerun()


if __name__ == "__main__":
    from counterproof.ui.app import main

    main()
