"""The transparency statement that goes into the record: under a sign-off, or at the end of a study without one.

It is made from the record up to there and the answers that are kept at that moment, once for each checkpoint, however
often the process dies. A replay takes it from the bundle: it speaks of times and hashes that a replay can't have.

It does not cover who signs it (the sign-off's subject holds its digest) nor making it again (`verify` does).
"""

from __future__ import annotations

from typing import Any

from counterproof.agents.context import StudyContext
from counterproof.provenance.transparency import Statement, make_statement, parse_answers
from counterproof.provenance.transparency.recorded import ANSWERS, MADE, STATEMENT, signed_part


def make_statement_for(ctx: StudyContext, checkpoint: str) -> dict[str, Any]:
    """Write the statement down and return what the reviewer is shown of it.

    Args:
        ctx: the study.
        checkpoint: the sign-off that it is made for; "" at the end of a study that was not signed off.

    Raises:
        UsageError: the kept answers are not of their form.
    """
    data = {"checkpoint": checkpoint}
    with ctx.record.exclusive():
        bodies = ctx.journal.noted(MADE, data) or _made(ctx)
        media = {STATEMENT: "application/json", ANSWERS: "application/toml"}
        refs = [ctx.record.put(role, body, media=media[role]) for role, body in bodies.items()]
        ctx.note_once(MADE, data, refs)
    return signed_part(Statement.model_validate_json(bodies[STATEMENT]))


def _made(ctx: StudyContext) -> dict[str, bytes]:
    answers = ctx.answers()
    # The record keeps errors: the file is named without its folder.
    given = parse_answers(answers, source="answers.toml")
    made = make_statement(ctx.record.events(), ctx.record.blobs, given)
    return {STATEMENT: made.to_json(), **({ANSWERS: answers} if answers else {})}
