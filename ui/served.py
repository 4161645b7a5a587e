"""The server of the pages: Streamlit's, behind the door. `counterproof ui` starts it with safe options.

It does not cover what the pages show (`app`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from counterproof.ui.access import FOLDER, Accounts, Sessions, SignIns
from counterproof.ui.access.door import Door, Guarded, cookie_name
from counterproof.ui.access.oidc import read_provider
from counterproof.ui.app import named_home
from counterproof.ui.common import workplace
from counterproof.ui.web import HOSTS

_SCRIPT = Path(__file__).with_name("app.py")


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


def _around(home: Path | None) -> dict[str, Any]:
    """Return what stands around the script of the pages: the door, where a store is named, and what errors say."""
    door = door_of(home) if home is not None else None
    return {
        "routes": door.routes() if door else [],
        "middleware": [Middleware(Guarded, door=door)] if door else [],
        "on_script_error": _failed,
    }


# Streamlit 1.67 finds the server in the text of this file: `app` must be made by a call of `st.App` right here.
app = st.App(_SCRIPT, **_around(named_home(sys.argv[1:])))
