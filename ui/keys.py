"""Whose key signs: a file that is opened here, with its passphrase, or ssh-agent.

It does not cover what is signed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.errors import UsageError
from counterproof.provenance.reviewers import Reviewer
from counterproof.provenance.signers import AgentSigner, KeySigner, Signer
from counterproof.provenance.signing import load_key
from counterproof.ui import environment
from counterproof.ui.output import say


def signer_of(person: Reviewer, *, home: Path, key: Path | None, agent: bool) -> Signer:
    """Return what signs for a reviewer.

    Raises:
        UsageError: agent and key file were both named, or the key can't be opened.
    """
    if agent and key is not None:
        raise UsageError(
            f"--agent and --key {key} were both given.",
            allowed="A decision is signed once: by ssh-agent, or with a key file.",
            advice="Leave one of them away.",
        )
    return _agent(person) if agent else KeySigner(key=_open(key or home / "keys" / person.id))


def _agent(person: Reviewer) -> Signer:
    """Return what asks the agent; the agent itself asks for PIN and touch."""
    if person.public_key.startswith("sk-"):
        say("Type the PIN of the hardware key if the agent asks for it, and touch the key when it blinks.")
    return AgentSigner(
        public_line=person.public_key, socket=environment.agent_socket(), search_path=environment.search_path()
    )


def _open(path: Path) -> Ed25519PrivateKey:
    """Open a key, with its passphrase when it has one.

    Raises:
        UsageError: it can't be opened; the text says whether the passphrase is missing or wrong.
    """
    given = environment.passphrase()
    locked = path.is_file() and _is_locked(path)
    if locked and given is None:
        if not sys.stdin.isatty():
            raise UsageError(
                f"The key {path} has a passphrase, and there is no terminal to ask for it.",
                advice="Set COUNTERPROOF_PASSPHRASE, or decide in a terminal.",
            )
        try:
            given = click.prompt(f"Passphrase of {path.name}", hide_input=True, err=True)
        except click.Abort as error:
            raise UsageError(
                f"No passphrase was given for the key {path}: the input ended.", advice="Nothing was signed."
            ) from error
    try:
        return load_key(path, passphrase=given if locked else None)
    except UsageError as error:
        if not locked:
            raise
        raise UsageError(
            f"The key {path} does not open with this passphrase.", advice="Give the one that it was made with."
        ) from error


def _is_locked(path: Path) -> bool:
    """Say whether a key has a passphrase: opening it without is then the wrong kind of call, not a wrong file."""
    try:
        load_key(path, passphrase=None)
    except UsageError as error:
        return isinstance(error.__cause__, TypeError)
    return False
