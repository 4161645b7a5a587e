"""The server of the pages: Streamlit's, behind the door. `counterproof ui` starts it with safe options.

It does not cover what the pages show (`app`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from counterproof.ui.access import FOLDER, Accounts, Sessions, SignIns
from counterproof.ui.access.door import Door, Guarded, cookie_name
from counterproof.ui.access.oidc import read_provider
from counterproof.ui.app import named_home
from counterproof.ui.common import workplace
from counterproof.ui.web import HOSTS


def door_of(home: Path) -> Door:
    """Return the door of a store."""
    folder, place = home / FOLDER, workplace(home)
    return Door(
        accounts=Accounts(folder),
        sessions=Sessions(folder),
        signins=SignIns(folder),
        registry=place.registry,
        cookie=cookie_name(place.registry.installation()),
        hosts=HOSTS,
        provider=read_provider(home),
    )


def _failed(error: Exception) -> bool:
    """Say that something went wrong, without what it was: that goes to the log."""
    st.error("Something went wrong on this page. Nothing was changed; the log of the server says what it was.")
    print(f"Page failed: {error!r}", file=sys.stderr)
    return True


_home = named_home(sys.argv[1:])
_door = door_of(_home) if _home is not None else None
app = st.App(
    Path(__file__).with_name("app.py"),
    routes=_door.routes() if _door else [],
    middleware=[Middleware(Guarded, door=_door)] if _door else [],
    on_script_error=_failed,
)
