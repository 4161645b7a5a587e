"""`counterproof decide`: sign a decision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast, get_args

import click

from counterproof.agents.edits import check_answers, check_edit, check_raters
from counterproof.agents.study import open_study, study_of
from counterproof.agents.subjects.again import check_shown
from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.errors import UsageError
from counterproof.tools.synth.studies import SETS
from counterproof.ui.common import home_option, traced, workplace
from counterproof.ui.keys import signer_of
from counterproof.ui.output import emit, json_option, say


@click.command(name="decide")
@click.argument("checkpoint")
@click.argument("decision", type=click.Choice(get_args(DecisionKind)))
@click.option("--as", "reviewer", required=True, help="The reviewer's id.")
@click.option("--comment", required=True, help="What you looked at, and why you decide so; stands in the record.")
@click.option("--seen", help="Digest of what you looked at, or its first 12 characters; refused if it is another now.")
@click.option("--file", "edited", type=click.Path(path_type=Path), help="For edit: the new content, as JSON.")
@click.option("--key", type=click.Path(path_type=Path), help="Private key; default: keys/REVIEWER in the store.")
@click.option("--agent", is_flag=True, help="Sign with the reviewer's key in ssh-agent; no key file is opened.")
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
    agent: bool,
    home: Path,
    as_json: bool,
) -> None:
    """Sign DECISION on CHECKPOINT with a reviewer's SSH key.

    The signature covers the digest of exactly what `counterproof show CHECKPOINT` shows. The passphrase is asked for in
    the terminal, or taken from COUNTERPROOF_PASSPHRASE. With --agent, the ssh-agent at SSH_AUTH_SOCK signs, also with a
    hardware key that it knows. After it, `counterproof run STUDY` goes on.
    """
    place = workplace(home)
    study = open_study(place, study_of(checkpoint))
    waiting = study.checkpoints.get(checkpoint)
    try:
        person = place.registry.get(reviewer)
    except UsageError as error:
        study.checkpoints.refused(checkpoint, reviewer=reviewer, why=error)
        raise
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
    subject, answers = study.checkpoints.subject(checkpoint), study.answers_digest()
    content = check_edit(waiting.kind, subject, _json(edited), answers=answers) if edited else None
    if decision == "approve":
        check_answers(waiting.kind, subject, checkpoint=checkpoint, answers=answers)
        check_raters(waiting.kind, subject, sets=home / SETS)
        check_shown(study, waiting, reviewer=person.id)
    try:
        signer = signer_of(person, home=home, key=key, agent=agent)
    except UsageError as error:
        study.checkpoints.refused(checkpoint, reviewer=person.id, why=error)
        raise
    with traced(place, study.id):
        signed = study.checkpoints.decide(
            checkpoint,
            signer,
            reviewer=person.id,
            decision=cast(DecisionKind, decision),
            comment=comment,
            seen=waiting.subject,
            edited=content,
        )
    made = signed.decision
    say(f"Signed as {made.name} ({made.role}), meaning: {made.meaning}.")
    if study.checkpoints.waiting() == waiting:
        say("The policy asks for two signatures: the checkpoint waits for another person's.")
    else:
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
