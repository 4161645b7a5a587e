"""Deciding from a page: a draft of what is to be signed, then the signature, then word for the worker.

The draft carries the checkpoint and the digest that were on screen; nothing is read again between looking and signing.

Single-user mode: the key file is opened by the process of the page, on this machine, and forgotten after the signature.
It does not cover keys in ssh-agent or in hardware tokens (`counterproof decide --agent`), nor keys that never leave a
person's own machine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterproof.agents.edits import check_answers, check_edit, check_raters
from counterproof.agents.study import open_study
from counterproof.agents.subjects.again import check_shown
from counterproof.provenance.decisions import COMMENT_MAX, DecisionKind, SignedDecision
from counterproof.provenance.errors import UsageError
from counterproof.provenance.reviewers import CheckpointKind, meaning_of
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.signing import load_key
from counterproof.ui.desk import Desk, NotAllowed
from counterproof.ui.views import DecisionView, Signer


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A decision that is ready to be signed."""

    study: str
    checkpoint: str
    kind: CheckpointKind
    digest: str
    signer: Signer
    decision: DecisionKind
    meaning: str
    comment: str
    edited: Any


def draft_decision(
    view: DecisionView,
    *,
    signer: Signer | None,
    decision: DecisionKind | None,
    comment: str,
    edited: Any = None,
) -> Draft:
    """Check what was filled in and return what is to be signed. Nothing is written.

    Args:
        view: what was on screen.
        signer: who decides.
        decision: what is decided.
        comment: the reason.
        edited: for an edit, what stands in place of the view's `editable`.

    Raises:
        UsageError: nobody or nothing was chosen, the reason is missing, or the edit can't be used.
    """
    if signer is None:
        raise UsageError("No reviewer is chosen.", advice="Choose who decides.")
    if decision is None:
        raise UsageError(
            "No decision is chosen.", allowed=f"{', '.join(view.decisions[:-1]).capitalize()} or {view.decisions[-1]}."
        )
    reason = comment.strip()
    if not 0 < len(reason) <= COMMENT_MAX:
        raise UsageError(
            f"The reason has {len(reason):,} characters.",
            allowed=f"A decision needs a reason of 1 to {COMMENT_MAX:,} characters.",
            advice="Say what you looked at and why you decide so.",
        )
    content, subject = None, json.loads(view.subject)
    if decision == "edit":
        content = check_edit(view.kind, subject, edited, answers=view.answers)
    elif decision == "approve":
        check_answers(view.kind, subject, checkpoint=view.checkpoint, answers=view.answers)
        check_raters(view.kind, subject, sets=view.sets)
    return Draft(
        study=view.study,
        checkpoint=view.checkpoint,
        kind=view.kind,
        digest=view.digest,
        signer=signer,
        decision=decision,
        meaning=meaning_of(view.kind, decision),
        comment=reason,
        edited=content,
    )


def sign_draft(desk: Desk, draft: Draft, *, key: str, passphrase: str) -> SignedDecision:
    """Sign a draft, record it, and leave word for a worker to go on.

    Args:
        desk: who is there; somebody who signed in signs as nobody else, and with the key that is kept here for them.
        draft: what is signed.
        key: the key file, in single-user mode.
        passphrase: the key's.

    Raises:
        NotAllowed: nobody is there, or somebody else than the signer.
        UsageError: the key can't be opened or is another's, or somebody decided before; nothing was changed.
        VerificationFailed: the record was changed.
        MachineTrouble: the record can't be written.
    """
    person = desk.require("sign")
    if person is not None and person.id != draft.signer.id:
        raise NotAllowed(
            f"{person.name} is signed in, and the decision is to be signed by {draft.signer.name}.",
            allowed="Everybody signs as themselves.",
            advice="Sign out, and let the other person sign in.",
        )
    named = key.strip() if person is None else str(draft.signer.key)
    if not named:
        raise UsageError("No key file is named.", allowed=f"{draft.signer.name}'s is usually {draft.signer.key}.")
    own = _opened(Path(named).expanduser(), passphrase)
    study = open_study(desk.workplace, draft.study)
    if draft.decision == "approve":
        check_shown(study, study.checkpoints.get(draft.checkpoint), reviewer=draft.signer.id)
    signed = study.checkpoints.decide(
        draft.checkpoint,
        own,
        reviewer=draft.signer.id,
        decision=draft.decision,
        comment=draft.comment,
        seen=draft.digest,
        edited=draft.edited,
    )
    desk.workplace.store.ask_run(draft.study)
    return signed


def _opened(path: Path, passphrase: str) -> KeySigner:
    try:
        return KeySigner(key=load_key(path, passphrase=passphrase or None))
    except UsageError as error:
        # `cryptography` 50 calls a wrong passphrase "Corrupt data: broken checksum".
        if not isinstance(error.__cause__, ValueError | TypeError):
            raise
        raise UsageError(
            f"The key {path} can't be opened {'with this passphrase' if passphrase else 'without a passphrase'}.",
            advice="Nothing was signed. Type the passphrase again, and name the private key, not the .pub file.",
        ) from error
