"""What makes a checkpoint risky, in a few words: failed checks, findings, disagreement, changes, an earlier rejection.

Read from the exact subject, which never changes, so a page may keep what it was told. A subject that gives no hint is
not thereby harmless.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, assert_never

from counterproof.agents.study import Workplace, open_study, study_of
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.ui.sets import is_of_a_set, set_hints


def hints_of(workplace: Workplace, checkpoint: str) -> tuple[str, ...]:
    """Return the hints of a checkpoint; that it can't be read is one."""
    try:
        study = open_study(workplace, study_of(checkpoint))
        kind = study.checkpoints.get(checkpoint).kind
        return tuple(_hints(kind, study.checkpoints.subject(checkpoint)))
    except VerificationFailed as error:
        return (f"Verification failed: {error}",)


def _hints(kind: CheckpointKind, subject: dict[str, Any]) -> Iterator[str]:
    if subject.get("answered"):
        yield "rejected before"
    match kind:
        case CheckpointKind.PLAN:
            if subject["identifiers"]:
                yield f"{len(subject['identifiers'])} columns may identify a person"
        case CheckpointKind.CODE:
            yield from _of_programs(subject["programs"])
        case CheckpointKind.RELEASE:
            yield from set_hints(subject) if is_of_a_set(subject) else _of_release(subject)
        case CheckpointKind.SIGNOFF:
            if missing := subject["transparency"]["missing"]:
                yield f"{len(missing)} items of the transparency statement are missing"
        case CheckpointKind.SPECIFICATION:
            if subject["reasons"]:
                yield "its sample was rejected before"
        case CheckpointKind.SAMPLE:
            yield from set_hints(subject)
        case _:
            assert_never(kind)


def _of_programs(programs: list[dict[str, Any]]) -> Iterator[str]:
    for program in programs:
        role = program["role"]
        if program["diff_since_last_shown"]:
            yield f"{role}: changed since it was shown last"
        if program["static"]:
            yield f"{role}: {len(program['static'])} static findings"
        yield from (f"{role}: {hint}" for hint in _of_checks(program.get("checks", [])))


def _of_release(subject: dict[str, Any]) -> Iterator[str]:
    yield from _of_checks(subject["checks"])
    apart = sum(not row["agrees"] for row in subject["comparison"])
    if apart:
        yield f"the two programs disagree on {apart} numbers"
    found = sum(bool(item["findings"]) for item in subject["items"])
    if found:
        yield f"{found} of {len(subject['items'])} outputs have disclosure findings"


def _of_checks(checks: list[dict[str, Any]]) -> Iterator[str]:
    verdicts = Counter(check["verdict"] for check in checks)
    for verdict, word in (("fail", "failed"), ("warn", "warned")):
        if verdicts[verdict]:
            yield f"{verdicts[verdict]} checks {word}"
