"""Who is there: from the token of a browser to a reviewer with the roles that the registry gives now."""

from __future__ import annotations

from counterproof.provenance.reviewers import Registry
from counterproof.ui.access.accounts import Accounts
from counterproof.ui.access.sessions import Sessions
from counterproof.ui.desk import NotAllowed, Person


def person_of(registry: Registry, accounts: Accounts, sessions: Sessions, token: str) -> Person:
    """Return who is signed in with this token.

    Raises:
        NotAllowed: nobody is, the session ended, or the reviewer or the account is no more.
    """
    account = sessions.account(token) if token else ""
    if not account or account not in accounts.listed():
        raise NotAllowed("Nobody is signed in here, or the session has ended.", advice="Nothing was changed. Sign in.")
    found = next((one for one in registry.active() if one.id == account and not one.replay), None)
    if found is None:
        raise NotAllowed(f"The reviewer {account} was revoked.", advice="Ask whoever keeps the reviewers.")
    return Person(id=found.id, name=found.name, roles=found.roles)
