"""`counterproof data`: the real data of this installation, the terms under which they are here, and their keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from counterproof.agents.study import Workplace, open_study
from counterproof.provenance.errors import UsageError
from counterproof.provenance.ledger import EXPOSURES, Entry, Exposure
from counterproof.provenance.store import ENDED, Status
from counterproof.provenance.vault_keys import (
    Protector,
    VaultKeys,
    key_file_protector,
    keyring_protector,
    passphrase_protector,
)
from counterproof.sandbox import Mount
from counterproof.tools import take_file
from counterproof.tools.identifiers import check_names
from counterproof.ui.common import home_option, workplace
from counterproof.ui.environment import user_name
from counterproof.ui.kms import BUILT_IN, kms_protector
from counterproof.ui.output import emit, json_option, say
from counterproof.ui.vaults import ask_passphrase, seal_new, vault_state


@click.group(name="data")
def command() -> None:
    """Add, list and forget data of the vault; protect its keys."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--exposure",
    type=click.Choice(EXPOSURES),
    default="metadata",
    show_default=True,
    help="The most that the model may see of it.",
)
@click.option("--third-party", is_flag=True, help="It may be given to somebody else's machines (E2B).")
@click.option("--share", is_flag=True, help="The file itself may go into a bundle.")
@click.option(
    "--epsilon",
    type=click.FloatRange(0),
    help="The most that all its twins and sets with differential privacy may take together; 0 for no limit.  "
    "[default: as it was, else no limit]",
)
@click.option("--source", default="", help="Where it is from, and under which agreement.")
@click.option("--licence", default="", help="Its licence, an SPDX identifier where there is one.")
@home_option
@json_option
def add(
    file: Path,
    exposure: Exposure,
    third_party: bool,
    share: bool,
    epsilon: float | None,
    source: str,
    licence: str,
    home: Path,
    as_json: bool,
) -> None:
    """Put FILE into the vault, under the SHA-256 of its bytes; adding it again changes its terms."""
    place = workplace(home)
    vault = place.vault
    taken = take_file(file, room=vault.room)
    table, original = taken.table, taken.original
    check_names(table)
    Mount(host=file, target=table.name)
    seal_new(place)
    digest = vault.put(taken.content)
    known = vault.ledger.entries().get(digest)
    if epsilon is None:
        epsilon = known.epsilon if known is not None else 0.0
    entry = Entry(
        sha256=digest,
        name=table.name,
        size=table.size,
        exposure=exposure,
        third_party=third_party,
        share=share,
        epsilon=epsilon,
        source=source,
        licence=licence,
        original=original.name if original else "",
        original_sha256=original.sha256 if original else "",
    )
    made = vault.ledger.added(entry, by=user_name())
    say(f"{made.name}: {table.rows} rows, {len(table.columns)} columns, {'sealed' if vault.sealed else 'not sealed'}.")
    if original:
        say(f"It was made from {original.name}, which programs don't read; labels in it need a codebook (`new`).")
    emit(msgspec.to_builtins(made), made.sha256, as_json=as_json)


@command.command(name="list")
@click.option("--all", "forgotten_too", is_flag=True, help="Also what was forgotten.")
@home_option
@json_option
def list_(forgotten_too: bool, home: Path, as_json: bool) -> None:
    """List what is in the vault, and under which terms."""
    place = workplace(home)
    entries = [one for one in place.vault.ledger.entries().values() if forgotten_too or not one.forgotten_at]
    say(f"The vault is {vault_state(place)}.")
    taken = {entry.sha256: place.vault.ledger.taken(entry.sha256) for entry in entries}
    lines = [_line(entry, taken[entry.sha256]) for entry in entries]
    told = [{**msgspec.to_builtins(entry), "epsilon_taken": taken[entry.sha256]} for entry in entries]
    emit(told, "\n".join(lines) or "The vault is empty.", as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why; it is kept.")
@click.option("--force", is_flag=True, help="Even where a study that has not ended needs it; that study ends there.")
@home_option
@json_option
def forget(name: str, reason: str, force: bool, home: Path, as_json: bool) -> None:
    """Destroy NAME (a file name or digest) for good: its key, and what is stored.

    The ledger keeps its digest, who forgot it, and why; bundles of studies that used it stay verifiable. Copies in
    backups of a sealed vault can't be read any more, unless somebody also copied its keys.
    """
    place = workplace(home)
    entry = place.vault.ledger.find(name)
    if not reason.strip():
        raise UsageError("The reason is empty.", advice="Say with --reason why the file is forgotten.")
    needed = _needing(place, entry)
    if needed and not force:
        raise UsageError(
            f"{entry.name} is needed by {', '.join(needed)}.",
            allowed="Data of studies that have ended can be forgotten.",
            advice="End the study (`counterproof decide … withdraw`), or say --force: it then can't go on.",
        )
    made = place.vault.ledger.forgotten(entry.sha256, by=user_name(), reason=reason.strip())
    place.vault.destroy(entry.sha256)
    say(f"{made.name} is forgotten." + (f" {', '.join(needed)} can't go on." if needed else ""))
    emit(msgspec.to_builtins(made), made.sha256, as_json=as_json)


@command.command()
@click.argument("kind")
@click.option("--key-file", type=click.Path(path_type=Path), help="For key-file: where; made where it is missing.")
@click.option("--name", default="counterproof-vault", show_default=True, help="For keyring: what the key is called.")
@click.option(
    "--set", "settings", metavar="NAME=VALUE", multiple=True, help="For a KMS: what it needs; may be repeated."
)
@home_option
def protect(kind: str, key_file: Path | None, name: str, settings: tuple[str, ...], home: Path) -> None:
    """Put the vault's keys under KIND; seal what is not sealed.

    KIND is `passphrase`, `key-file` (elsewhere), `keyring` (the desktop's), or the name of a key management service
    that an installed package brings (docs/vault.md).

    The same holds for the keys of what was computed from real data. The new passphrase is asked for in the terminal. No
    data file of a sealed vault is written anew.
    """
    place = workplace(home)
    vault = place.vault
    every = [keys for keys in (vault.keys, place.body_keys) if keys is not None]
    for keys in every:
        if keys.are_there:
            keys.unlock()
    protector = _protector(kind, key_file, name, _named(settings))
    for keys in every:
        if keys.are_there:
            keys.protect(protector)
        else:
            VaultKeys.create(keys.folder, protector)
    sealed = vault.seal_all()
    say(f"The vault's keys are under a {kind} now." + (f" {sealed} files were sealed." if sealed else ""))


@command.command()
@home_option
@json_option
def rotate(home: Path, as_json: bool) -> None:
    """Make a new master key and wrap each file's key with it; finish a rotation that was interrupted."""
    place = workplace(home)
    if not place.vault.sealed:
        raise UsageError("The vault is not sealed.", advice="`counterproof data protect` seals it.")
    wrapped = place.vault.keys.rotate()
    if place.body_keys is not None and place.body_keys.are_there:
        wrapped += place.body_keys.rotate()
    emit({"wrapped": wrapped}, f"{wrapped} keys are under a new master key.", as_json=as_json)


def _named(settings: tuple[str, ...]) -> dict[str, str]:
    """Return what `--set` gave."""
    found = [setting.partition("=") for setting in settings]
    wrong = next(
        (setting for setting, (name, equals, _) in zip(settings, found, strict=True) if not name or not equals), None
    )
    if wrong is not None:
        raise UsageError(f"--set {wrong!r} has no name or no value.", allowed="NAME=VALUE.")
    return {name: value for name, _, value in found}


def _protector(kind: str, key_file: Path | None, name: str, settings: Mapping[str, str]) -> Protector:
    if settings and kind in BUILT_IN:
        raise UsageError(
            f"The kind is {kind!r} and --set is given.", allowed="A key management service, and only that, needs it."
        )
    if (kind == "key-file") != (key_file is not None):
        raise UsageError(
            f"The kind is {kind!r} and --key-file is {'given' if key_file else 'missing'}.",
            allowed="A key file, and only that, needs a path.",
        )
    if key_file is not None:
        return key_file_protector(key_file.absolute(), make=True)
    if kind == "keyring":
        return keyring_protector(name, make=True)
    if kind == "passphrase":
        return passphrase_protector(ask_passphrase(new=True))
    return kms_protector({**settings, "kind": kind})


def _needing(place: Workplace, entry: Entry) -> list[str]:
    """Return the studies that have not ended and use a file."""
    going = [row["id"] for row in place.store.studies() if Status(row["status"]) not in ENDED]
    return [
        study for study in going if any(file.sha256 == entry.sha256 for file in open_study(place, study).settings.data)
    ]


def _line(entry: Entry, taken: float) -> str:
    terms = [f"exposure {entry.exposure}"]
    terms += ["third parties allowed"] if entry.third_party else []
    terms += ["may be shared"] if entry.share else []
    terms += [f"epsilon {taken:g} taken of {entry.epsilon:g}"] if entry.epsilon else []
    terms += [f"epsilon {taken:g} taken"] if taken and not entry.epsilon else []
    terms += [entry.licence] if entry.licence else []
    terms += [f"made from {entry.original}"] if entry.original else []
    terms += [f"forgotten {entry.forgotten_at[:10]}: {entry.reason}"] if entry.forgotten_at else []
    return f"{entry.sha256[:12]}  {entry.size:>12,}  {entry.name}  ({', '.join(terms)})"
