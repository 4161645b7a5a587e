"""A checkpoint of an analysis, made again from the papers of its study.

It does not cover what needs the real data: which findings a disclosure check has beside the data, and whether the
record of an execution is what the program gives (`replay`). Nor the names and packages of the environments: their
digest is what the gate goes by.
"""

from __future__ import annotations

from typing import Any

from counterproof.agents.judgement import judge
from counterproof.agents.outcomes import recorded_outcome
from counterproof.agents.releases import check_proposed, outputs_of
from counterproof.agents.study import OpenStudy
from counterproof.agents.subjects.code import code_subject, recorded_runs
from counterproof.agents.subjects.plan import plan_subject
from counterproof.agents.subjects.release import held_back_by
from counterproof.agents.subjects.report import report_subject
from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.sandbox.orders import Order
from counterproof.tools import Item, Plan, ReportText, review_outputs
from counterproof.tools.disclosure import differencing


def analysis_again(study: OpenStudy, checkpoint: Checkpoint, shown: dict[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint should show, made of the papers and of what is decided on.

    Raises:
        ToolFailed: a release of a run on the twin.
        VerificationFailed: it would let something else go, leaves findings out, or stands on executions that there are
            not.
    """
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
            check_proposed(study.record, study.checkpoints, checkpoint.id)
            _check_findings(study, checkpoint, shown)
            executions = _approved_executions(study)
            judgement = judge(study, executions, plan=_locked(study))
            if judgement.halting:
                raise VerificationFailed(
                    f"{checkpoint.id} was put up after failed checks that end a study: {', '.join(judgement.halting)}."
                )
            items = {name: shown[name] for name in ("items", "editable")}  # `check_proposed`
            return {**judgement.shown(), **items, "execution": executions["primary"]}
        case CheckpointKind.SIGNOFF:
            released = study.record.of_type("results.released")[-1].ref("released").sha256
            written = ReportText.model_validate(shown["editable"])
            return report_subject(study, written, plan=_locked(study), released=released)
        case _:
            raise VerificationFailed(f"{checkpoint.id} is of a synthetic set, and the study is none.")


def _locked(study: OpenStudy) -> str:
    return study.record.of_type("plan.locked")[-1].ref("plan").sha256


def _approved_executions(study: OpenStudy) -> dict[str, str]:
    """Return what the programs of the code that was approved last gave on the real data, by role."""
    approved = [
        event.data["subject"]
        for event in study.record.of_type("decision.recorded")
        if (event.data["kind"], event.data["decision"]) == (CheckpointKind.CODE, "approve")
    ]
    orders = [Order.model_validate(order) for order in study.json(approved[-1])["orders"]]
    ran = {
        event.data["order"]: event.ref("response").sha256
        for event in study.record.of_type("effect.finished")
        if event.data["kind"] == "execution" and not event.data["synthetic"]
    }
    return {order.role: ran[order.digest] for order in orders}


def _check_findings(study: OpenStudy, checkpoint: Checkpoint, shown: dict[str, Any]) -> None:
    """Refuse a release that leaves out what can be found without the data in a number, the participants or a figure.

    Of tables the data tell which columns are levels, and of results together which are released: those are left to the
    checks beside the data.
    """
    outcome = recorded_outcome(study.record, shown["execution"])
    looked = {item["id"]: Item.model_validate(item) for item in shown["items"]}
    failed = [made["id"] for made in shown["checks"] if made["verdict"] == "fail"]
    held = held_back_by(failed)
    for item in review_outputs(outputs_of(study.record, outcome), ()):
        found = () if item.id.startswith("tables/") else item.findings
        wanted = {one for one in found if one.check != differencing.CHECK} | ({held} if held else set())
        if not wanted <= set(looked[item.id].findings):
            raise VerificationFailed(f"{checkpoint.id} leaves out what was found in {item.id}.")
