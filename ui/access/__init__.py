"""Signing in to the pages: local accounts or an OpenID Connect provider, sessions that end, and a history of both.

    accounts.py   who may sign in, and how
    sessions.py   who is signed in, until when
    signins.py    what happened at the door: a hash-chained record
    door.py       the sign-in page, the redirects, and the headers of every answer
    oidc.py       signing in with an OpenID Connect provider

An account belongs to a reviewer: name and roles are those of the registry, read anew for every command. Where no
account exists the pages are in single-user mode.
"""

from counterproof.ui.access.accounts import Accounts
from counterproof.ui.access.sessions import Sessions
from counterproof.ui.access.signins import SignIns

FOLDER = "access"

__all__ = ["FOLDER", "Accounts", "Sessions", "SignIns"]
