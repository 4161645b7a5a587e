"""The pages in a browser, as one script of Streamlit; `served` serves it, and `counterproof ui` starts that.

Each page shows a view object and calls one function. No page runs a study: it writes decisions and leaves word for the
worker.

It refuses to show anything when it listens on more than this machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from counterproof.agents.study import Workplace
from counterproof.ui.access import FOLDER, Accounts, Sessions
from counterproof.ui.access.door import SIGN_IN, SIGN_OUT, cookie_name
from counterproof.ui.access.people import person_of
from counterproof.ui.common import workplace
from counterproof.ui.desk import Desk, NotAllowed, Person
from counterproof.ui.history import only_example
from counterproof.ui.pages import compare, decide, inbox, new, places, study, synthetic, verify
from counterproof.ui.pages.layout import errors_shown
from counterproof.ui.pages.ways import arrive, way
from counterproof.ui.quoting import plain

SINGLE_USER = (
    "Single-user mode: to sign, your key file is opened on this machine by this page's process. "
    "Nobody signs in; whoever can open this page can read it."
)
# Streamlit 1.67 fades captions to a contrast of less than 4.5 to 1 (WCAG 2.1, 1.4.3), and lets the longest word of a
# Markdown table push it beyond a narrow screen.
_STYLE = (
    "<style>[data-testid=stCaptionContainer], [data-testid=stCaptionContainer] * "
    "{color: inherit !important; opacity: 1 !important}"
    "[data-testid=stMarkdownContainer] :is(td, th) {overflow-wrap: anywhere !important}</style>"
)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PAGES: dict[str, tuple[str, Callable[[Desk], None]]] = {
    "inbox": ("Inbox", inbox.show),
    "decide": ("Decide", decide.show),
    "new": ("New study", new.show),
    "study": ("Studies", study.show),
    "verify": ("Verify", verify.show),
    "synthetic": ("Synthetic", synthetic.show),
    "compare": ("Compare", compare.show),
    "reviewers": ("Reviewers and policy", places.reviewers),
    "models": ("Models and budgets", places.models),
    "system": ("System", places.system),
}


def main() -> None:
    """Show the page that the address names (`?page=decide&checkpoint=…`).

    One page for Streamlit: between several of its own, a refresh of the inbox that is under way while somebody goes
    to another one blanks that one (seen in 1.67: the late run carries the old page's hash).
    """
    st.set_page_config(page_title="Counterproof", layout="wide")
    st.navigation([st.Page(_show, title="Counterproof", default=True)], position="hidden").run()


def named_home(arguments: list[str]) -> Path | None:
    """Return the folder of the store that the command line names."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--home", type=Path)
    named: Path | None = parser.parse_known_args(arguments)[0].home
    return named


def _show() -> None:
    st.html(_STYLE)
    if st.get_option("server.address") not in _LOOPBACK or st.get_option("server.enableAgentApi"):
        st.error(
            "These pages are reachable from other machines, or by programs that click. Nothing is shown. "
            "Start them with `counterproof ui`, or with `--server.address=127.0.0.1`."
        )
        return
    home = named_home(sys.argv[1:])
    if home is None:
        st.error("No store is named. Start the pages with `counterproof ui`, or name its folder after `-- --home`.")
        return
    with errors_shown():
        _show_page(_desk(_workplace(str(home))))


@st.cache_resource
def _workplace(home: str) -> Workplace:
    return workplace(Path(home))


def _desk(place: Workplace) -> Desk:
    folder = place.store.home / FOLDER
    if not Accounts(folder).exist():
        return Desk(workplace=place)
    token = st.context.cookies.get(cookie_name(place.registry.installation()), "")

    def who() -> Person:
        return person_of(place.registry, Accounts(folder), Sessions(folder), token)

    return Desk(workplace=place, who=who)


def _show_page(desk: Desk) -> None:
    if not _head(desk):
        return
    arrive()
    with st.container(horizontal=True):
        for name, (title, _) in _PAGES.items():
            way(title, name, key=f"go-{name}", style="tertiary")
    if "page" not in st.query_params and (example := only_example(desk)):
        st.query_params.from_dict({"page": "study", "study": example})
    _, show = _PAGES.get(st.query_params.get("page", ""), _PAGES["inbox"])
    show(desk)


def _head(desk: Desk) -> bool:
    """Say who is there; return whether there is anything to show."""
    try:
        person = desk.person()
    except NotAllowed as error:
        st.error(plain(str(error)))
        st.html(f'<a href="{SIGN_IN}" target="_self">Sign in</a>')
        return False
    if person is None:
        st.caption(SINGLE_USER)
        return True
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{plain(person.name)}, {', '.join(person.roles)}")
        st.html(f'<form method="post" action="{SIGN_OUT}"><button type="submit">Sign out</button></form>')
    return True


if __name__ == "__main__":
    main()
