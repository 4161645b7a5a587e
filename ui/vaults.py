"""The vault of this installation, and where its secret comes from: a key file, a passphrase, the OS keyring, a KMS.

A new vault is sealed under a key file in the store (`keys/vault.key`), because nobody can be asked for a passphrase
when a study is made; `counterproof data protect` moves its keys under something better (docs/vault.md).

A key management service is an entry point of the group `counterproof.protectors`: a function that takes what the vault
says of it and returns a `provenance.vault_keys.Protector`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from counterproof.provenance.errors import UsageError
from counterproof.provenance.vault import Vault
from counterproof.provenance.vault_keys import (
    Protector,
    VaultKeys,
    key_file_protector,
    keyring_protector,
    passphrase_protector,
)
from counterproof.ui import environment

if TYPE_CHECKING:
    from counterproof.agents.study import Workplace

KMS_GROUP = "counterproof.protectors"


def open_vault(folder: Path, *, passphrase: Callable[[], str] | None = None) -> Vault:
    """Return the vault in a folder; what unlocks it is asked for when it is needed.

    Args:
        folder: the vault's.
        passphrase: gives its passphrase; None for the environment or the terminal.
    """
    return Vault(folder, protector=lambda described: protector_of(described, passphrase or ask_passphrase))


def open_body_keys(folder: Path) -> VaultKeys:
    """Return the keys of secure bodies; what unlocks them is asked for when it is needed."""
    return VaultKeys(folder, protector=lambda described: protector_of(described, ask_passphrase))


def seal_new(place: Workplace) -> None:
    """Give a vault that has nothing in it yet keys, and the bodies of studies, under a key file; leave others be."""
    key = place.store.home / "keys" / "vault.key"
    vault, bodies = place.vault, place.body_keys
    if not vault.sealed and not any((vault.folder / name).exists() for name in ("sha256", "ledger")):
        VaultKeys.create(vault.folder, key_file_protector(key, make=True))
    if bodies is not None and not bodies.are_there:
        VaultKeys.create(bodies.folder, key_file_protector(key, make=True))


def protector_of(described: Mapping[str, Any], passphrase: Callable[[], str]) -> Protector:
    """Return what unwraps the keys of a vault.

    Raises:
        UsageError: nobody gives the secret, or the vault needs something that is not installed.
    """
    match described.get("kind"):
        case "key-file":
            return key_file_protector(Path(described["path"]))
        case "passphrase":
            return passphrase_protector(passphrase(), described)
        case "keyring":
            return keyring_protector(described["name"])
        case kind:
            return kms_protector(str(kind), described)


def kms_protector(kind: str, described: Mapping[str, Any]) -> Protector:
    """Return the protector that another package brings.

    Raises:
        UsageError: none does.
    """
    found = [point for point in entry_points(group=KMS_GROUP) if point.name == kind]
    if not found:
        known = ", ".join(sorted(point.name for point in entry_points(group=KMS_GROUP))) or "none"
        raise UsageError(
            f"The keys of the vault are under {kind!r}, which is not installed.",
            allowed=f"Built in: key-file, passphrase, keyring. Installed: {known}.",
            advice=f"Install the package that brings the entry point {kind!r} of the group {KMS_GROUP}.",
        )
    made: Protector = found[0].load()(described)
    return made


def ask_passphrase(*, new: bool = False) -> str:
    """Return the passphrase of the vault, from the environment or the terminal.

    Raises:
        UsageError: there is neither.
    """
    given = environment.vault_passphrase()
    if given:
        return given
    if not sys.stdin.isatty():
        raise UsageError(
            "The vault needs its passphrase, and there is no terminal to ask for it.",
            advice="Set COUNTERPROOF_VAULT_PASSPHRASE, or keep its keys under a key file: `counterproof data protect`.",
        )
    text: str = click.prompt("Passphrase of the vault", hide_input=True, confirmation_prompt=new, err=True)
    return text
