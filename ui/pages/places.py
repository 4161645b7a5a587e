"""Reviewers and policy, models and budgets, and the system: what holds in this installation, to be read."""

from __future__ import annotations

import streamlit as st

from counterproof.ui.desk import Desk
from counterproof.ui.pages.layout import errors_shown, show_code, show_listing
from counterproof.ui.places import isolation_listing, models_view, reviewers_view, system_view


def reviewers(desk: Desk) -> None:
    """Show who may decide, under which rules."""
    st.title("Reviewers and policy")
    with errors_shown():
        view = reviewers_view(desk)
        st.caption("Changed with `counterproof reviewers` and `counterproof policy set`, on the machine of the store.")
        for listing in (view.people, view.policy, view.permissions, view.commands):
            show_listing(listing)
        with st.expander("The policy as a file"):
            show_code(view.policy_text, language="toml")


def models(desk: Desk) -> None:
    """Show which models may be asked, and how far a study may go."""
    st.title("Models and budgets")
    with errors_shown():
        view = models_view(desk)
        st.caption("Models stand in `models.toml` of the store; budgets in the policy.")
        show_listing(view.models)
        show_listing(view.budgets)


def system(desk: Desk) -> None:
    """Show the parts and versions, and test the isolation when asked to."""
    st.title("System")
    with errors_shown():
        view = system_view(desk)
        show_listing(view.parts)
        if st.button("Test the isolation"):
            with st.spinner("Attacking it from inside"), errors_shown():
                show_listing(isolation_listing(desk))
        show_listing(view.versions)


if __name__ == "__main__":
    from counterproof.ui.app import main

    main()
