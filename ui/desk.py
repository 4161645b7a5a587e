"""The desk at which a person sits: the installation, who is there, and what that person may do.

Every command of the pages asks `Desk.require` first; it reads who is there and in which roles anew each time, so a
session that ended or a reviewer who was revoked a moment ago does nothing more. In single-user mode nobody signs in,
and whoever can open the pages may do everything but sign, for which a key is needed.

It does not cover which checkpoint a role may decide (`provenance.permissions` and the study's policy, under every
signature), nor signing in (`access`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from counterproof.agents.study import Workplace
from counterproof.provenance.errors import UsageError
from counterproof.provenance.reviewers import Role

Command = Literal["read", "sign", "make a study", "go on with a study", "say what a column is", "export", "rate"]

COMMANDS: dict[Command, frozenset[Role]] = {
    "read": frozenset(Role),
    "sign": frozenset(Role),
    "make a study": frozenset({Role.INVESTIGATOR, Role.STATISTICIAN}),
    "go on with a study": frozenset({Role.INVESTIGATOR, Role.STATISTICIAN}),
    "say what a column is": frozenset({Role.INVESTIGATOR, Role.CUSTODIAN}),
    "export": frozenset({Role.INVESTIGATOR, Role.CUSTODIAN}),
    "rate": frozenset(Role),
}
"""In which roles a person may do what on the pages."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who is signed in: a reviewer of the registry.

    Attributes:
        id: the reviewer's id.
        name: the printed name.
        roles: what the registry says now.
    """

    id: str
    name: str
    roles: tuple[Role, ...]


class NotAllowed(UsageError):
    """Who is there may not do this, or nobody is there; the person reads it."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The installation and who uses it.

    Attributes:
        workplace: the installation.
        who: returns who is signed in now, and raises `NotAllowed` when nobody is; None in single-user mode.
    """

    workplace: Workplace
    who: Callable[[], Person] | None = None

    def person(self) -> Person | None:
        """Return who is there; None in single-user mode.

        Raises:
            NotAllowed: the session ended, or the reviewer was revoked.
        """
        return None if self.who is None else self.who()

    def require(self, command: Command) -> Person | None:
        """Return who is there, if that person may do this.

        Raises:
            NotAllowed: nobody is there, or somebody in none of the roles for it.
        """
        person = self.person()
        if person is not None and not COMMANDS[command] & set(person.roles):
            roles = " or ".join(role for role in Role if role in COMMANDS[command])
            raise NotAllowed(
                f"{person.name} is {' and '.join(person.roles)} and may not {command}.",
                allowed=f"It needs the role {roles}.",
                advice="Ask somebody in that role.",
            )
        return person
