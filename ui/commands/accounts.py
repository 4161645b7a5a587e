"""`counterproof accounts`: who may sign in to the pages."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from counterproof.provenance.errors import UsageError
from counterproof.ui import environment
from counterproof.ui.access import FOLDER, Accounts, Sessions, SignIns
from counterproof.ui.common import home_option, workplace
from counterproof.ui.output import emit, json_option, say


@click.group(name="accounts")
def command() -> None:
    """Let reviewers sign in to the pages. As soon as one account exists, everybody signs in."""


@command.command()
@click.argument("reviewer")
@click.option("--issuer", default="", help="Address of an OpenID Connect provider, as in oidc.toml; with --subject.")
@click.option("--subject", default="", help="Whom the provider knows the reviewer as (claim `sub`).")
@home_option
def add(reviewer: str, issuer: str, subject: str, home: Path) -> None:
    """Let REVIEWER sign in with a password, or as whom a provider knows; replaces how it was before.

    The password is asked for in the terminal, or taken from COUNTERPROOF_PASSWORD.
    """
    person = workplace(home).registry.get(reviewer)
    if person.replay:
        raise UsageError("The replay reviewer signs in nowhere.", advice="Name a person.")
    accounts = Accounts(home / FOLDER)
    if issuer or subject:
        accounts.set_identity(person.id, issuer=issuer.rstrip("/"), subject=subject)
    else:
        accounts.set_password(person.id, _password())
    ended = Sessions(home / FOLDER).end_all(person.id)
    _note(home, person.id, f"signs in with {accounts.listed()[person.id]}")
    say(f"{person.name} signs in as {person.id}." + (f" {ended} sessions were ended." if ended else ""))


@command.command()
@click.argument("reviewer")
@home_option
def remove(reviewer: str, home: Path) -> None:
    """Take REVIEWER's account away and end its sessions. With the last one the pages are in single-user mode again."""
    Accounts(home / FOLDER).remove(reviewer)
    ended = Sessions(home / FOLDER).end_all(reviewer)
    _note(home, reviewer, "removed")
    say(f"{reviewer} signs in no more; {ended} sessions were ended.")


@command.command(name="list")
@home_option
@json_option
def list_(home: Path, as_json: bool) -> None:
    """List who may sign in, and how."""
    found = Accounts(home / FOLDER).listed()
    text = "\n".join(f"{name}  {how}" for name, how in found.items()) or "Nobody signs in: single-user mode."
    emit(found, text, as_json=as_json)


@command.command()
@home_option
@json_option
def log(home: Path, as_json: bool) -> None:
    """Show who signed in, was refused or signed out, oldest first."""
    rows = [{"at": event.ts, "what": event.type, **event.data} for event in SignIns(home / FOLDER).events()]
    lines = [f"{row['at'][:19]}  {row['what']:<16} {row['account']}  {row['how']}  {row['why']}" for row in rows]
    emit(rows, "\n".join(line.rstrip() for line in lines) or "Nobody came yet.", as_json=as_json)


def _note(home: Path, account: str, why: str) -> None:
    SignIns(home / FOLDER).note("account.changed", account=account, how=environment.user_name(), why=why)


def _password() -> str:
    given = environment.password()
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise UsageError(
            "An account needs a password, and there is no terminal to ask for it.", advice="Set COUNTERPROOF_PASSWORD."
        )
    asked: str = click.prompt("Password of the account", hide_input=True, confirmation_prompt=True, err=True)
    return asked
