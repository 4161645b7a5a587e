"""`counterproof reviewers`: who may decide."""

from __future__ import annotations

import sys
from pathlib import Path, PurePath

import click

from counterproof.provenance.errors import UsageError
from counterproof.provenance.events import now
from counterproof.provenance.reviewers import ROLES_OF, Reviewer, Role
from counterproof.provenance.signing import check_public_line, check_reviewer_line, load_key, make_key, public_line
from counterproof.ui import environment
from counterproof.ui.common import home_option, workplace
from counterproof.ui.output import emit, json_option, say


@click.group(name="reviewers")
def command() -> None:
    """Add, list and revoke those who may decide."""


@command.command()
@click.argument("reviewer")
@click.option("--name", required=True, help="Printed name, as it stands in the report.")
@click.option("--orcid", default="", help="ORCID iD, 0000-0002-1825-0097.")
@click.option("--affiliation", default="", help="Name of the institution, as it stands in the bundle.")
@click.option("--ror", default="", help="ROR id of the institution, 03yrm5c26.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="May be repeated.",
)
@click.option(
    "--public-key", help="Use this Ed25519 SSH key, also of a hardware key, and make none: .pub file or its line."
)
@click.option("--no-passphrase", is_flag=True, help="Make a key without a passphrase: whoever has the file can sign.")
@home_option
@json_option
def add(
    reviewer: str,
    name: str,
    orcid: str,
    affiliation: str,
    ror: str,
    roles: tuple[str, ...],
    public_key: str | None,
    no_passphrase: bool,
    home: Path,
    as_json: bool,
) -> None:
    """Add REVIEWER, and make an Ed25519 SSH key for signing unless --public-key names one.

    The passphrase is asked for in the terminal, or taken from COUNTERPROOF_PASSPHRASE.
    """
    place = workplace(home)
    _check_words(reviewer, name)
    key = home / "keys" / reviewer
    made = public_key is None
    line = _make(key, reviewer, no_passphrase=no_passphrase) if public_key is None else _read(public_key)
    person = Reviewer(
        id=reviewer,
        name=name,
        orcid=orcid,
        affiliation=affiliation,
        ror=ror.removeprefix("https://ror.org/"),
        roles=tuple(Role(role) for role in roles),
        public_key=line,
    )
    try:
        added = place.registry.add(person, by=environment.user_name())
    except UsageError:
        if made:
            for path in (key, key.with_name(key.name + ".pub")):
                path.unlink(missing_ok=True)
        raise
    may = ", ".join(kind for kind in ROLES_OF if added.role_for(kind))
    say(f"{added.name} may decide: {may}.")
    text = f"{added.id} {added.fingerprint}" + (f" {key}" if made else "")
    emit({**added.model_dump(mode="json"), "fingerprint": added.fingerprint}, text, as_json=as_json)


@command.command(name="list")
@click.option("--all", "everybody", is_flag=True, help="Those who were revoked, too.")
@home_option
@json_option
def list_(everybody: bool, home: Path, as_json: bool) -> None:
    """List those who may decide now, with who added them and when."""
    people = [one for one in workplace(home).registry.registered() if everybody or one.is_active(now())]
    rows = [
        {
            **one.reviewer.model_dump(mode="json"),
            "fingerprint": one.reviewer.fingerprint,
            "added": {"by": one.added_by, "at": one.added_at},
            "revoked": {"by": one.revoked_by, "from": one.revoked_from} if one.revoked_from else None,
        }
        for one in people
    ]
    lines = [
        f"{one.reviewer.id}  {one.reviewer.name}  {', '.join(one.reviewer.roles)}  {one.reviewer.fingerprint}"
        + f"  added by {one.added_by} {one.added_at[:10]}"
        + (f"  revoked by {one.revoked_by} from {one.revoked_from}" if one.revoked_from else "")
        + ("  (replay reviewer: scenarios only)" if one.reviewer.replay else "")
        for one in people
    ]
    emit(rows, "\n".join(lines) or "There is no reviewer yet.", as_json=as_json)


@command.command()
@click.argument("reviewer")
@click.option("--since", default="", help="From when on, like 2026-11-20 or with a time; default: now.")
@home_option
def revoke(reviewer: str, since: str, home: Path) -> None:
    """From a time on REVIEWER decides nothing. What was decided before stands; what came later opens nothing.

    For a key that was stolen, name the time of the theft with --since.
    """
    workplace(home).registry.revoke(reviewer, by=environment.user_name(), since=since)
    say(f"{reviewer} is revoked.")


def _check_words(reviewer: str, name: str) -> None:
    """Refuse what must not even be tried: an id that names a file elsewhere, a name that can't be printed."""
    if PurePath(reviewer).name != reviewer:
        raise UsageError(
            f"{reviewer!r} can't be a reviewer's id.",
            allowed="Lower-case letters, digits, '.', '_' and '-', at most 40, a letter first.",
        )
    if not name.isprintable():
        raise UsageError(f"The name {name!r} holds control characters.", advice="Give it as one line of plain text.")


def _make(key: Path, reviewer: str, *, no_passphrase: bool) -> str:
    if key.exists():
        raise UsageError(
            f"There is a key at {key} already.",
            advice="Give its public half with --public-key, or move it away.",
        )
    passphrase = None if no_passphrase else environment.passphrase() or _ask()
    return check_public_line(make_key(key, passphrase=passphrase, comment=reviewer))


def _ask() -> str:
    if not sys.stdin.isatty():
        raise UsageError(
            "A key needs a passphrase, and there is no terminal to ask for it.",
            advice="Set COUNTERPROOF_PASSPHRASE, or say --no-passphrase.",
        )
    passphrase: str = click.prompt("Passphrase for the new key", hide_input=True, confirmation_prompt=True, err=True)
    return passphrase


def _read(given: str) -> str:
    """Return the public line that is meant by a line, by a `.pub` file or by a private key."""
    if given.startswith(("ssh-", "sk-")) and " " in given:
        return check_reviewer_line(given)
    path = Path(given)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"The key file {path} can't be read: {error}.") from error
    if "PRIVATE KEY" in text:
        return public_line(load_key(path, passphrase=environment.passphrase()).public_key())
    return check_reviewer_line(text)
