"""The vault of this installation, and where its secret comes from: a key file, a passphrase, the OS keyring, a KMS.

A new vault is sealed under a key file in the store (`keys/vault.key`), because nobody can be asked for a passphrase
when a study is made; `counterproof data protect` moves its keys under something better (docs/vault.md).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
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
from counterproof.ui.kms import kms_protector

if TYPE_CHECKING:
    from counterproof.agents.study import Workplace


def open_vault(folder: Path, *, passphrase: Callable[[], str] | None = None, laid: Path | None = None) -> Vault:
    """Return the vault in a folder; what unlocks it is asked for when it is needed.

    Args:
        folder: the vault's.
        passphrase: gives its passphrase; None for the environment or the terminal.
        laid: where data may lie in the clear for a while; None for what the environment says.
    """
    return Vault(
        folder,
        protector=lambda described: protector_of(described, passphrase or ask_passphrase),
        laid=laid or environment.laid(),
    )


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
        case _:
            return kms_protector(described)


def vault_state(place: Workplace) -> str:
    """Say in words what is in the vault, and what its keys are under."""
    vault = place.vault
    entries = vault.ledger.entries().values()
    there = sum(not entry.forgotten_at for entry in entries)
    files = f"{there} files, {len(entries) - there} forgotten"
    if vault.sealed:
        return f"sealed under {_in_words(vault.keys.described(), place.store.home)}; {files}"
    return (
        f"not sealed, `counterproof data protect` seals it; {files}"
        if entries
        else "empty; sealed from the first file on"
    )


def bodies_state(place: Workplace) -> str:
    """Say in words what the keys are under of what programs computed from real data and of messages."""
    keys = place.body_keys
    if keys is None or not keys.are_there:
        return "not sealed"
    return f"sealed under {_in_words(keys.described(), place.store.home)}"


def _in_words(described: Mapping[str, Any], home: Path) -> str:
    match described["kind"]:
        case "key-file":
            inside = Path(described["path"]).is_relative_to(home.absolute())
            whoever = " in this store: whoever can read the store can read the data" if inside else ""
            return f"the key file {described['path']}{whoever}"
        case "passphrase":
            return "a passphrase"
        case "keyring":
            return f"the key {described['name']!r} of the desktop's keyring"
        case kind:
            return f"the key management service {kind!r}"


def variables_of(described: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the environment variables without which another process can't unwrap the keys of a vault."""
    return environment.KEYRING if described.get("kind") == "keyring" else tuple(described.get("variables", ()))


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
