"""What a reviewer may hand in as an edit, checked before it is signed; and that a sign-off is about the answers of now.

An edit replaces the `editable` part of a checkpoint's subject; it makes a new checkpoint, which needs its own approval.
At the sign-off the answers to the transparency statement are taken anew, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_never

from pydantic import ValidationError

from counterproof.agents.set_limits import SetLimits
from counterproof.provenance.errors import UsageError
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.tools import Plan, ReportText, check_source, faults
from counterproof.tools.synth.review import open_session, ratings_of, who_rated_all
from counterproof.tools.synth.specification import SetSpecification
from counterproof.tools.synth.studies import SESSION

_FORMS: dict[CheckpointKind, type[Plan] | type[ReportText] | type[SetSpecification]] = {
    CheckpointKind.PLAN: Plan,
    CheckpointKind.SIGNOFF: ReportText,
    CheckpointKind.SPECIFICATION: SetSpecification,
}
_ADVICE = "`counterproof show CHECKPOINT --editable` prints what to start from."


def check_edit(kind: CheckpointKind, subject: dict[str, Any], content: Any, *, answers: str = "") -> Any:
    """Return the edited content in the form in which it is stored.

    Args:
        kind: which checkpoint.
        subject: what it holds.
        content: what the reviewer hands in.
        answers: digest of the answers that are kept now; others than were put up are a change too.

    Raises:
        UsageError: it is not of the form, or the same as before.
    """
    match kind:
        case CheckpointKind.PLAN | CheckpointKind.SIGNOFF:
            checked = in_form(kind, content)
        case CheckpointKind.CODE:
            checked = _programs(subject, content)
        case CheckpointKind.SPECIFICATION:
            checked = in_form(kind, content)
            SetLimits.model_validate(subject["limits"]).check(SetSpecification.model_validate(checked))
        case CheckpointKind.SAMPLE:
            raise UsageError("A sample is not edited.", advice="Reject it with a reason: it is made anew.")
        case CheckpointKind.RELEASE:
            checked = _verdicts(subject["editable"], content)
        case _:
            assert_never(kind)
    if checked == subject["editable"] and not _other_answers(kind, subject, answers):
        raise UsageError("The edit changes nothing.", advice="Approve the checkpoint as it is, or change something.")
    return checked


def in_form(kind: CheckpointKind, content: Any) -> Any:
    """Return an edit that was signed, in the form in which the next checkpoint of its kind shows it.

    Raises:
        UsageError: it is not of the form.
    """
    form = _FORMS.get(kind)
    return content if form is None else _model(form, content)


def check_answers(kind: CheckpointKind, subject: dict[str, Any], *, checkpoint: str, answers: str) -> None:
    """Refuse to approve a sign-off that was put up with other answers than are kept now.

    Raises:
        UsageError: they are others; the text says how to get a sign-off that covers them.
    """
    if _other_answers(kind, subject, answers):
        raise UsageError(
            f"{checkpoint} was put up with {_named(subject['transparency']['answers'])} to the transparency statement, "
            f"and now there are {_named(answers)}.",
            allowed="A signature covers the answers that were put up, and no others.",
            advice="Decide `edit`, the report changed or not: it comes back as a new sign-off with the answers of now. "
            "Or keep the old answers again with `counterproof statement STUDY --answers FILE`.",
        )


def check_raters(kind: CheckpointKind, subject: dict[str, Any], *, sets: Path) -> None:
    """Refuse to approve a sample that fewer people have rated than its specification asks for.

    Args:
        kind: which checkpoint.
        subject: what it holds.
        sets: the folder of the store with the sets.

    Raises:
        UsageError: they are too few; the text says how many, and where they rate.
    """
    if kind is not CheckpointKind.SAMPLE or not subject["session"]["raters"]:
        return
    wanted, folder = subject["session"]["raters"], sets / subject["session"]["set"] / SESSION
    done = who_rated_all(open_session(folder), ratings_of(folder))
    if len(done) < wanted:
        raise UsageError(
            f"{len(done)} people have rated every item of the sample ({', '.join(done) or 'nobody'}).",
            allowed=f"The specification asks for {wanted} before the sample is approved.",
            advice=f"Rate on the page Synthetic, or `counterproof synth review rate {folder} --as NAME`.",
        )


def _other_answers(kind: CheckpointKind, subject: dict[str, Any], answers: str) -> bool:
    return bool(kind is CheckpointKind.SIGNOFF and subject["transparency"]["answers"] != answers)


def _named(answers: str) -> str:
    return f"the answers {answers[:12]}…" if answers else "no answers"


def _model(form: type[Plan] | type[ReportText] | type[SetSpecification], content: Any) -> Any:
    try:
        return form.model_validate(content).model_dump(mode="json")
    except ValidationError as error:
        raise UsageError(f"The edit is not of the required form: {faults(error)}.", advice=_ADVICE) from error


def _programs(subject: dict[str, Any], content: Any) -> dict[str, str]:
    before: dict[str, str] = subject["editable"]
    languages = {program["role"]: program["language"] for program in subject["programs"]}
    if not isinstance(content, dict) or set(content) != set(before):
        raise UsageError("The edit does not hold both programs.", allowed=f"Keys: {', '.join(before)}.", advice=_ADVICE)
    for role, code in content.items():
        if not isinstance(code, str):
            raise UsageError(f"The {role} program is no text.", advice=_ADVICE)
        errors = [found for found in check_source(code, languages[role]) if found.level == "error"]
        if errors:
            raise UsageError(f"The {role} program, line {errors[0].line}: {errors[0].text}.")
    return dict(content)


def _verdicts(before: dict[str, str], content: Any) -> dict[str, str]:
    if not isinstance(content, dict) or set(content) != set(before):
        raise UsageError("The edit does not hold a verdict for each item.", advice=_ADVICE)
    for item, verdict in content.items():
        if verdict not in ("release", "suppress"):
            raise UsageError(f"The verdict of {item} is {verdict!r}.", allowed="'release' or 'suppress'.")
    return dict(content)
