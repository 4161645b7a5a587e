"""What a person says of columns that may identify somebody: written down before the intake, and binding from then on.

The words stand in the record as events of the person who said them; the plan checkpoint shows them with what was found,
so the approval of the plan signs them. After the intake nothing can be said any more: profile and twin are made.

It does not cover signing each word: whoever may use the installation's account can name any reviewer here.
"""

from __future__ import annotations

from typing import Any

from counterproof.agents.secure import Asked, FileRules, Word
from counterproof.agents.settings import StudySettings
from counterproof.agents.study import OpenStudy
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import UsageError
from counterproof.provenance.events import Actor
from counterproof.provenance.policy import DataPolicy, Policy
from counterproof.provenance.record import Record
from counterproof.tools.looking import MEANINGS, Said
from counterproof.tools.rowguard import RowInRequest
from counterproof.tools.synth.makers import domains_of
from counterproof.tools.twin.private import Privacy

REVIEWED = "identifiers.reviewed"
FOUND = "identifiers.found"
REFUSED = "request.refused"
_WHY_MAX = 2000


def said_of(record: Record) -> tuple[Said, ...]:
    """Return what was said, oldest first."""
    return tuple(Said(**event.data) for event in record.of_type(REVIEWED))


def undecided(record: Record) -> list[dict[str, Any]]:
    """Return the findings that the intake stopped at and of which nobody said yet what they are."""
    found = record.of_type(FOUND)
    known = {(one.file, one.column) for one in said_of(record)}
    rows: list[dict[str, Any]] = found[-1].data["findings"] if found else []
    return [row for row in rows if (row["file"], row["column"]) not in known]


def intake_question(settings: StudySettings, record: Record, policy: Policy) -> bytes:
    """Return what the secure side is asked with: what is set for each file, and what was said of its columns."""
    rules = {
        file.name: FileRules(
            exposure=file.exposure,
            subject=file.subject,
            k=policy.of_file(file.name).k,
            share_percent=min(policy.of_file(file.name).rounding, 50),
            privacy=_privacy(policy.of_file(file.name)),
        )
        for file in settings.data
    }
    words = tuple(Word(**vars(one)) for one in said_of(record))
    asked = Asked(
        rules=rules,
        said=words,
        exempt=f"{settings.question}\n{settings.whole_codebook}",
        codebook=settings.variables,
    )
    return canonical_json(asked.model_dump(mode="json"))


def _privacy(rules: DataPolicy) -> Privacy | None:
    if not rules.epsilon:
        return None
    return Privacy(epsilon=rules.epsilon, rows_per_person=rules.rows_per_person, domains=domains_of(rules))


def note_refused(record: Record, key: str, body: bytes, error: RowInRequest) -> None:
    """Write down that a request to a model was stopped; its body stays on the secure side, for a person to look at."""
    ref = record.put("request", body, media="application/json", side="secure")
    record.append(REFUSED, data={"key": key, "hits": [vars(hit) for hit in error.hits]}, refs=[ref])


def say(study: OpenStudy, said: Said) -> None:
    """Write down what a person says of a column.

    Raises:
        UsageError: the intake is over, the file or the meaning is not one, or no reason is given.
    """
    if study.record.of_type("intake.finished"):
        raise UsageError(
            f"The intake of study {study.id} is over: profile and twin are made.",
            advice="Make a new study, and say it before it runs.",
        )
    files = [file.name for file in study.settings.data]
    if said.file not in files:
        raise UsageError(f"Study {study.id} has no data file {said.file!r}.", allowed=f"Files: {', '.join(files)}.")
    if said.said not in MEANINGS:
        raise UsageError(f"{said.said!r} is no meaning of a column.", allowed=f"One of: {', '.join(MEANINGS)}.")
    if not said.why.strip() or len(said.why) > _WHY_MAX:
        raise UsageError(
            f"The reason has {len(said.why.strip())} characters.",
            allowed=f"1 to {_WHY_MAX:,}.",
            advice="Say why it is that; it stands in the record.",
        )
    study.record.append(REVIEWED, actor=Actor(kind="human", id=said.by), data=vars(said))
