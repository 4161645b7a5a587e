"""Decide: the subject exactly as it will be signed, then the decision, then the signature.

Every widget is named after the digest that is on screen: when another subject comes up, what was filled in or clicked
for the old one counts for nothing.
"""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from counterproof.provenance.decisions import COMMENT_MAX
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.ui.deciding import Draft, draft_decision, sign_draft
from counterproof.ui.desk import Desk
from counterproof.ui.differences import changes
from counterproof.ui.output import json_text
from counterproof.ui.pages.layout import NAMES, errors_shown, show_code, show_listing
from counterproof.ui.pages.parts import show_part
from counterproof.ui.pages.plan_editor import edit_plan
from counterproof.ui.pages.ways import way
from counterproof.ui.quoting import plain
from counterproof.ui.views import DECISIONS, Decided, DecisionView, decision_view

_VERDICTS = ("release", "suppress")


def show(desk: Desk) -> None:
    """Show one checkpoint, named in the address."""
    checkpoint = st.query_params.get("checkpoint", "")
    if not checkpoint:
        st.title("Decide")
        st.info("No checkpoint is chosen.")
        way("Go to the inbox", "inbox")
        return
    with errors_shown():
        view = decision_view(desk, checkpoint)
        _head(view)
        if view.answered.rows:
            show_listing(view.answered)
        show_part(view.part, study=view.study)
        _exact(view)
        if view.decided is not None:
            _done(view.decided)
        else:
            _ask(desk, view)
        way("Go to the study", "study", {"study": view.study})


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
    show_code(view.digest, wrap_lines=True)


def _exact(view: DecisionView) -> None:
    if st.toggle("Show the exact bytes that are signed", key=f"exact-{view.digest}"):
        before = f", with 32 bytes of salt before them: {view.salt}" if view.salt else ""
        st.caption(f"{len(view.subject):,} bytes of canonical JSON{before}.")
        show_code(view.subject.decode(), wrap_lines=True)


def _done(decided: Decided) -> None:
    st.subheader("Decided", divider=True)
    st.markdown(f"**{decided.decision}** by {plain(decided.by)} ({decided.role}), {decided.at}")
    st.markdown(f"Reason: {plain(decided.comment)}")
    st.caption("The worker goes on with the study.")


def _ask(desk: Desk, view: DecisionView) -> None:
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
        view.decisions,
        index=None,
        format_func=DECISIONS.__getitem__,
        key=f"decision-{view.digest}",
    )
    edited = _editor(view) if decision == "edit" else None
    comment = st.text_area(
        "Reason (stands in the record and in the signature)", max_chars=COMMENT_MAX, key=f"reason-{view.digest}"
    )
    if st.button("Go to signing", type="primary", key=f"sign-{view.digest}"):
        with errors_shown():
            confirm(desk, draft_decision(view, signer=signer, decision=decision, comment=comment, edited=edited))


def _editor(view: DecisionView) -> Any:
    st.caption("Change what should be different. It is checked now, and comes back as a checkpoint of its own.")
    match view.kind:
        case CheckpointKind.PLAN:
            edited = edit_plan(view.editable, key=f"edit-{view.digest}")
        case CheckpointKind.RELEASE:
            edited = _verdicts(view)
        case CheckpointKind.SPECIFICATION:
            return _document(view)
        case _:
            edited = _texts(view)
    with st.expander("What your edit changes"):
        show_listing(changes(view.editable, edited, title="Your edit against what was put up"))
    return edited


def _verdicts(view: DecisionView) -> dict[str, str]:
    return {
        item: st.radio(
            plain(item), _VERDICTS, _VERDICTS.index(verdict), horizontal=True, key=f"item-{item}-{view.digest}"
        )
        for item, verdict in view.editable.items()
    }


def _document(view: DecisionView) -> Any:
    """Return an edited document, as JSON; text that is none is refused with its place when it is checked."""
    text = st.text_area("New specification", json_text(view.editable), height=500, key=f"edit-{view.digest}")
    try:
        return json.loads(text)
    except ValueError as error:
        st.error(f"This is no JSON: {plain(str(error))}")
        return None


def _texts(view: DecisionView) -> dict[str, str]:
    st.html("<style>.st-key-editor textarea { font-family: monospace }</style>")
    with st.container(key="editor"):
        return {
            name: st.text_area(f"New {name}", text, height=400, key=f"edit-{name}-{view.digest}")
            for name, text in view.editable.items()
        }


@st.dialog("Sign this decision", width="medium", on_dismiss="rerun")
def confirm(desk: Desk, draft: Draft) -> None:
    """Show what is signed, by whom and in what meaning; sign it with the key."""
    st.markdown(
        f"**{draft.decision}** {NAMES[draft.kind]} ({plain(draft.checkpoint)})\n\n"
        f"by **{plain(draft.signer.name)}** as **{draft.signer.role}**; meaning of the signature: **{draft.meaning}**."
    )
    st.markdown(f"Reason: {plain(draft.comment)}")
    st.caption("SHA-256 of what you saw:" + (" (the edit is signed with it)" if draft.decision == "edit" else ""))
    show_code(draft.digest, wrap_lines=True)
    with st.form(f"key-{draft.digest}", border=False):
        key = "" if desk.who is not None else st.text_input("Key file", str(draft.signer.key))
        passphrase = st.text_input("Passphrase", type="password", autocomplete="off")
        pressed = st.form_submit_button("Sign", type="primary")
    if pressed:
        with errors_shown():
            sign_draft(desk, draft, key=key, passphrase=passphrase)
            st.rerun()


if __name__ == "__main__":
    from counterproof.ui.app import main

    main()
