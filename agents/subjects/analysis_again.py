"""A checkpoint of an analysis, made again from the papers of its study and from what people signed before.

It does not cover what needs the real data: which findings a disclosure check has beside the data, whether the record of
the intake (profile, twin, what was noticed) is that of the data, and that of an execution what the program gives
(`replay`). Nor the names and packages of the environments: their digest is what the gate goes by.
"""

from __future__ import annotations

from typing import Any

from counterproof.agents.judgement import Judgement, judge
from counterproof.agents.outcomes import executed
from counterproof.agents.releases import check_proposed, outputs_of
from counterproof.agents.study import OpenStudy
from counterproof.agents.subjects.code import code_subject, recorded_runs
from counterproof.agents.subjects.plan import plan_subject
from counterproof.agents.subjects.release import held_back_by, release_subject
from counterproof.agents.subjects.report import report_subject
from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.digests import digest_of
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.sandbox.orders import Order
from counterproof.tools import Item, Plan, ReportText, review_outputs
from counterproof.tools.disclosure import differencing, extremes, small_cells, survival
from counterproof.tools.disclosure.item import make_item
from counterproof.tools.disclosure.review import FINDINGS_MAX, is_cut

_STEPS = (CheckpointKind.PLAN, CheckpointKind.CODE, CheckpointKind.RELEASE, CheckpointKind.SIGNOFF)
_NEED_DATA = frozenset({differencing.CHECK, extremes.CHECK})
_OF_TABLES_NEED_DATA = frozenset({small_cells.CHECK, survival.CHECK})


def analysis_again(study: OpenStudy, checkpoint: Checkpoint, shown: dict[str, Any], *, edited: bool) -> dict[str, Any]:
    """Return what a checkpoint should show, made of the papers and of what is decided on.

    Args:
        study: the study; its decisions were checked.
        checkpoint: which one.
        shown: what it shows.
        edited: whether it follows on an edit of its kind.

    Raises:
        ToolFailed: a release of a run on the twin.
        VerificationFailed: it would let something else go, leaves findings out, or stands on a plan, on executions or
            on a release that nobody approved.
    """
    _check_records(study)
    number = int(checkpoint.id.rpartition(".")[2])
    match checkpoint.kind:
        case CheckpointKind.PLAN:
            document = Plan.model_validate(shown["editable"]).model_dump(mode="json")
            return plan_subject(study, document, number=number)
        case CheckpointKind.CODE:
            plan, programs, environments = _locked(study), shown["editable"], shown["environments"]
            digests = {role: environment["digest"] for role, environment in environments.items()}
            runs = recorded_runs(study, programs, study.plan(plan), environments=digests)
            return code_subject(study, programs, runs, plan=plan, environments=environments, number=number)
        case CheckpointKind.RELEASE:
            return _release(study, checkpoint, shown, edited=edited)
        case CheckpointKind.SIGNOFF:
            written = ReportText.model_validate(shown["editable"])
            return report_subject(study, written, plan=_locked(study), released=_released(study))
        case _:
            raise VerificationFailed(f"{checkpoint.id} is of a synthetic set, and the study is none.")


def _approved(study: OpenStudy, kind: CheckpointKind) -> str:
    """Return the checkpoint of a kind that was approved last; what was approved before it, it rests on."""
    decisions = study.checkpoints.decisions()
    begun = max((at for at, one in enumerate(decisions, start=1) if one.decision == "replan"), default=0)
    made = [
        one for one in decisions[begun:] if one.decision == "approve" and _STEPS.index(one.kind) <= _STEPS.index(kind)
    ]
    if not made or made[-1].kind is not kind:
        raise VerificationFailed(f"No {kind} of this study is approved, or what it rests on was approved anew.")
    return made[-1].checkpoint


def _check_records(study: OpenStudy) -> None:
    """Refuse plans that are locked and were not approved, and a second record of the intake."""
    approved = [
        one for one in study.checkpoints.decisions() if (one.kind, one.decision) == (CheckpointKind.PLAN, "approve")
    ]
    plans = [(one.checkpoint, digest_of(study.checkpoints.subject(one.checkpoint)["editable"])) for one in approved]
    locked = [(event.data["checkpoint"], event.ref("plan").sha256) for event in study.record.of_type("plan.locked")]
    if locked != plans:
        raise VerificationFailed("The plans that are locked are not those that were approved.")
    if len(study.record.of_type("intake.finished")) != 1:
        raise VerificationFailed("The record holds more than one intake of the data.")


def _locked(study: OpenStudy) -> str:
    """Return the digest of the plan that was approved last, and is not sent back."""
    _approved(study, CheckpointKind.PLAN)
    return study.record.of_type("plan.locked")[-1].ref("plan").sha256


def _released(study: OpenStudy) -> str:
    """Return the digest of what was released last, which must be what its release was put up with."""
    approved, released = _approved(study, CheckpointKind.RELEASE), study.record.of_type("results.released")[-1]
    digest, blobs = released.ref("released").sha256, study.record.blobs
    put_up = blobs.get(study.checkpoints.proposed(approved))
    if (released.data["checkpoint"], blobs.get(digest)) != (approved, put_up):
        raise VerificationFailed(f"The document {digest[:12]}… is not what {approved} let go.")
    return digest


def _executions(study: OpenStudy) -> dict[str, str]:
    """Return what the programs of the code that was approved last gave on the real data, by role."""
    approved = _approved(study, CheckpointKind.CODE)
    subject = study.checkpoints.subject(approved)
    if subject["plan"] != _locked(study):
        raise VerificationFailed(f"{approved} is of another plan than the one that is locked.")
    ran = executed(study.record, synthetic=False)
    orders = [Order.model_validate(order) for order in subject["orders"]]
    return {order.role: ran[order.digest] for order in orders}


def _release(study: OpenStudy, checkpoint: Checkpoint, shown: dict[str, Any], *, edited: bool) -> dict[str, Any]:
    check_proposed(study.record, study.checkpoints, checkpoint.id)
    executions = _executions(study)
    judged = judge(study, executions, plan=_locked(study))
    if judged.halting:
        raise VerificationFailed(
            f"{checkpoint.id} was put up after failed checks that end a study: {', '.join(judged.halting)}."
        )
    items = [Item.model_validate(item) for item in shown["items"]]
    _check_findings(study, checkpoint, items, judged)
    if not edited:
        _check_verdicts(checkpoint, items, judged)
    return release_subject(items, judged, execution=executions["primary"])


def _check_verdicts(checkpoint: Checkpoint, items: list[Item], judged: Judgement) -> None:
    """Refuse verdicts other than the findings propose, where no person has signed others."""
    for item in items:
        proposed = make_item(item.id, item.shows, item.sha256, list(item.findings)).verdict
        if item.verdict != ("suppress" if judged.failed else proposed):
            raise VerificationFailed(f"{checkpoint.id} proposes to {item.verdict} {item.id} against what was found.")


def _check_findings(study: OpenStudy, checkpoint: Checkpoint, items: list[Item], judged: Judgement) -> None:
    """Refuse a release that leaves out what can be found without the data.

    Three checks are left to those beside the data. What a number is called tells of an extreme only where the data
    don't; they tell which columns of a table are levels, and how many persons a curve has; and which results are
    released tells what is compared.
    """
    held, beside = held_back_by(judged.failed), {"warnings": judged.warnings, "streams": judged.streams}
    shown = {item.id: item for item in items}
    for item in review_outputs(outputs_of(study.record, judged.primary, **beside), ()):
        looked = shown[item.id]
        if (looked.shows, looked.sha256) != (item.shows, item.sha256):
            raise VerificationFailed(f"{checkpoint.id} shows something else than the program gave: {item.id}.")
        found = {one for one in item.findings if one.check not in _NEED_DATA}
        if item.id.startswith("tables/"):
            found = {one for one in found if one.check not in _OF_TABLES_NEED_DATA}
        if len(item.findings) > FINDINGS_MAX or is_cut(looked.findings):
            found = set()  # the list of a table ends there, and it is not to be released
        if not found | ({held} if held else set()) <= set(looked.findings):
            raise VerificationFailed(f"{checkpoint.id} leaves out what was found in {item.id}.")
