"""A part of step 11: each transparency statement in the record is made again from the record up to it, and compared.

The sign-off's signature covers its subject, the subject holds the digests of statement and answers, and both are what
the record before them gives: so what was signed is what was there.

It does not cover whether an answer is true.
"""

from __future__ import annotations

from typing import Any

from counterproof.provenance.errors import CounterproofError, VerificationFailed
from counterproof.provenance.events import Event
from counterproof.provenance.readable import SIGNED
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.transparency import Statement, make_statement, parse_answers
from counterproof.provenance.transparency.evidence import counted
from counterproof.provenance.transparency.recorded import (
    STATEMENT,
    answers_of,
    signed_part,
    signed_statement,
    statements,
)
from counterproof.provenance.verify.reading import Bundle
from counterproof.provenance.verify.remaking import BundleBlobs, Remade, explained, other_version


def check_statements(bundle: Bundle) -> Remade:
    """Check every statement in the record, and that each sign-off shows its own.

    A redacted bundle lacks bodies that a statement rests on, so it is not made again there; what was signed still has
    to be what the record holds.

    Raises:
        VerificationFailed: one is missing, is too many, or is not what the record gives.
    """
    shown = _sign_offs(bundle)
    made = {event.data["checkpoint"]: event for event in statements(bundle.events)}
    if len(made) != len(statements(bundle.events)) or set(made) - {""} != set(shown):
        raise VerificationFailed(f"The record has statements for {sorted(made)}, and sign-offs {sorted(shown)}.")
    left = []
    for checkpoint, event in made.items():
        statement = None if bundle.profile == "redacted" else _made_again(bundle, event)
        if statement is None:
            left.append(f"the statement of event {event.seq}")
        if checkpoint and not (
            event.seq < shown[checkpoint].seq
            and _is_of(bundle.body(shown[checkpoint], "subject")["transparency"], event, statement)
        ):
            raise VerificationFailed(f"Event {shown[checkpoint].seq} shows another statement than was made for it.")
    signed, last = signed_statement(bundle.events), statements(bundle.events)[-1:]
    done = bundle.of_type("study.ended")[-1].data["ended"] == "done"
    if not last or last != ([signed] if done else [made.get("")]):
        raise VerificationFailed("The last statement of the record is not the one that was signed off.")
    by = "signed off" if signed else "signed by nobody"
    again = counted(len(made) - len(left), "transparency statement")
    return Remade(found=f"{again} of the record, the same when made again; the last {by}", left=tuple(left))


def _is_of(part: dict[str, Any], event: Event, statement: Statement | None) -> bool:
    """Say whether the part of a sign-off's subject shows the statement of an event."""
    if statement is not None:
        return part == signed_part(statement)
    return (part["statement"], part["answers"]) == (event.ref(STATEMENT).sha256, answers_of(event))


def _sign_offs(bundle: Bundle) -> dict[str, Event]:
    opened = bundle.of_type("checkpoint.opened")
    return {event.data["id"]: event for event in opened if event.data["kind"] == CheckpointKind.SIGNOFF}


def _made_again(bundle: Bundle, event: Event) -> Statement | None:
    """Return the statement of an event; None where another version may have made other bytes of it, and did."""
    before, digest = bundle.events[: event.seq], answers_of(event)
    given = bundle.blob(digest) if digest else b""
    try:
        answers = parse_answers(given, source=f"event {event.seq}")
        statement = make_statement(before, BundleBlobs(bundle=bundle), answers)
    except (CounterproofError, OSError):
        raise
    except Exception as error:
        raise VerificationFailed(f"Event {event.seq}: its statement can't be made again: {error!r}.") from error
    if statement.to_json() != bundle.blob(event.ref(STATEMENT).sha256):
        if explained(bundle, SIGNED):
            return None
        raise VerificationFailed(
            f"Event {event.seq} holds another statement than the record before it gives{other_version(bundle)}."
        )
    return statement
