"""The pages in a browser: `streamlit run ui/app.py -- --home FOLDER`; `counterproof ui` starts it with safe options.

Each page shows a view object and calls one function. No page runs a study: it writes decisions and leaves word for the
worker.

It refuses to show anything when it listens on more than this machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

from counterproof.agents.study import Workplace, open_workplace
from counterproof.ui.pages import decide, inbox, study
from counterproof.ui.pages.layout import Go, errors_shown

SINGLE_USER = (
    "Single-user mode: to sign, your key file is opened on this machine by this page's process. "
    "Nobody signs in; whoever can open this page can read it."
)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PAGES: dict[str, tuple[str, Callable[[Workplace, Go], None]]] = {
    "inbox": ("Inbox", inbox.show),
    "decide": ("Decide", decide.show),
    "study": ("Studies", study.show),
}


def main() -> None:
    """Show the page that the address names."""
    st.set_page_config(page_title="Counterproof", layout="wide")
    st.caption(SINGLE_USER)
    if st.get_option("server.address") not in _LOOPBACK or st.get_option("server.enableAgentApi"):
        st.error(
            "These pages are reachable from other machines, or by programs that click. Nothing is shown. "
            "Start them with `counterproof ui`, or with `--server.address=127.0.0.1`."
        )
        return
    home = _home(sys.argv[1:])
    if home is None:
        st.error("No store is named. Start the pages with `counterproof ui`, or name its folder after `-- --home`.")
        return
    with errors_shown():
        workplace = _workplace(home)
        _navigate(workplace)


@st.cache_resource
def _workplace(home: str) -> Workplace:
    return open_workplace(Path(home))


def _navigate(workplace: Workplace) -> None:
    pages: dict[str, Page] = {}

    def go(name: str, where: Mapping[str, str]) -> None:
        st.switch_page(pages[name], query_params=dict(where))

    for name, (title, show) in _PAGES.items():
        pages[name] = st.Page(partial(show, workplace, go), title=title, url_path=name, default=name == "inbox")
    st.navigation(list(pages.values()), position="top").run()


def _home(arguments: list[str]) -> str | None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--home")
    named: str | None = parser.parse_known_args(arguments)[0].home
    return named


if __name__ == "__main__":
    main()
