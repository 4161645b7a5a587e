"""`counterproof decide`: sign a decision."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.agents.edits import check_edit
from counterproof.agents.study import open_study, study_of
from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.errors import UsageError
from counterproof.provenance.signing import load_key
from counterproof.ui import environment
from counterproof.ui.common import home_option, traced, workplace
from counterproof.ui.output import emit, json_option, say


@click.command(name="decide")
@click.argument("checkpoint")
@click.argument("decision", type=click.Choice(["approve", "edit", "reject", "withdraw"]))
@click.option("--as", "reviewer", required=True, help="The reviewer's id.")
@click.option("--comment", required=True, help="What you looked at, and why you decide so; stands in the record.")
@click.option("--seen", help="Digest of what you looked at, or its first 12 characters; refused if it is another now.")
@click.option("--file", "edited", type=click.Path(path_type=Path), help="For edit: the new content, as JSON.")
@click.option("--key", type=click.Path(path_type=Path), help="Private key; default: keys/REVIEWER in the store.")
@home_option
@json_option
def command(
    checkpoint: str,
    decision: str,
    reviewer: str,
    comment: str,
    seen: str | None,
    edited: Path | None,
    key: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Sign DECISION on CHECKPOINT with a reviewer's SSH key.

    The signature covers the digest of exactly what `counterproof show CHECKPOINT` shows. The passphrase is asked for in
    the terminal, or taken from COUNTERPROOF_PASSPHRASE. After it, `counterproof run STUDY` goes on.
    """
    place = workplace(home)
    study = open_study(place, study_of(checkpoint))
    waiting = study.checkpoints.get(checkpoint)
    person = place.registry.get(reviewer)
    if seen is not None and (len(seen) < 12 or not waiting.subject.startswith(seen)):
        raise UsageError(
            f"Checkpoint {checkpoint} holds {waiting.subject}, and --seen is {seen!r}.",
            allowed="--seen is that digest, or at least its first 12 characters.",
            advice=f"Look at it again with `counterproof show {checkpoint}`.",
        )
    if edited is not None and decision != "edit":
        raise UsageError(
            f"--file was given, and the decision is {decision!r}.",
            allowed="Only an edit hands in new content.",
            advice="Leave --file away, or decide `edit`.",
        )
    content = check_edit(waiting.kind, study.checkpoints.subject(checkpoint), _json(edited)) if edited else None
    private = _open(key or home / "keys" / person.id)
    with traced(place, study.id):
        signed = study.checkpoints.decide(
            checkpoint,
            private,
            reviewer=person.id,
            decision=cast(DecisionKind, decision),
            comment=comment,
            seen=waiting.subject,
            edited=content,
        )
    made = signed.decision
    say(f"Signed as {made.name} ({made.role}), meaning: {made.meaning}.")
    say(f"Go on with: counterproof run {study.id}")
    text = f"{checkpoint}: {decision} over {made.subject}"
    emit(made.model_dump(mode="json"), text, as_json=as_json)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"The file {path} does not exist.") from error
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The file {path} is no JSON: {error}.",
            advice="`counterproof show CHECKPOINT --editable` prints what to start from.",
        ) from error


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
        given = click.prompt(f"Passphrase of {path.name}", hide_input=True, err=True)
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
