"""What a checkpoint of an analysis shows is made again before it is approved: nothing in it is taken on trust.

A reviewer reads checks, comparisons, runs on the twin and changes of a plan, and signs because of them. Whoever runs
the study, and holds the service key, could show others than there are. So the signing side makes the subject again from
the papers of the study, and refuses to sign another; the refusal is written down. What goes at a release is compared
with what was put up, too (`agents.releases`).

It does not cover what needs the real data: which findings a disclosure check has beside the data, and whether the
record of an execution is what the program gives (`replay`). Nor what a model says of its own work, the names and
packages of the environments (their digest is what the gate goes by), the transparency statement (`verify` makes it
again), and checkpoints of a synthetic set.
"""

from __future__ import annotations

import json
from typing import Any, assert_never

from counterproof.agents.judgement import judge
from counterproof.agents.outcomes import recorded_outcome
from counterproof.agents.papers import Papers
from counterproof.agents.reasons import asked
from counterproof.agents.releases import check_proposed, outputs_of
from counterproof.agents.study import OpenStudy
from counterproof.agents.subjects.code import code_subject, recorded_runs
from counterproof.agents.subjects.head import head_of
from counterproof.agents.subjects.plan import plan_subject
from counterproof.agents.subjects.release import held_back_by
from counterproof.agents.subjects.report import report_subject
from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import CounterproofError, VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.sandbox.orders import Order
from counterproof.tools import Item, Plan, ReportText, review_outputs
from counterproof.tools.disclosure import differencing

_ADVICE = (
    "Don't approve. If Counterproof was updated since it was put up, edit or reject it: it is put up anew. Otherwise "
    "look into who changed the store."
)
_OF_A_MODEL = frozenset({"answered", "transparency"})
"""What is not made again: see above."""


def check_shown(study: OpenStudy, checkpoint: Checkpoint, *, reviewer: str) -> None:
    """Refuse to approve a checkpoint that shows something else than the papers of its study say.

    Raises:
        ToolFailed: a release of a run on the twin.
        VerificationFailed: it shows something else, or would let something else go; the text names what.
    """
    if study.settings.purpose != "analysis":
        return
    try:
        _check(study, checkpoint)
    except CounterproofError as error:
        study.checkpoints.refused(checkpoint.id, reviewer=reviewer, why=error)
        raise


def _check(study: OpenStudy, checkpoint: Checkpoint) -> None:
    papers, shown = Papers(settings=study.settings, record=study.record), study.checkpoints.subject(checkpoint.id)
    try:
        if checkpoint.kind is CheckpointKind.RELEASE:
            check_proposed(study.record, study.checkpoints, checkpoint.id)
            _check_findings(papers, checkpoint, shown)
        made = {**head_of(study.settings, study.id, checkpoint.kind), **_made(papers, checkpoint, shown)}
        _check_answered(papers, checkpoint, shown.get("answered", []))
    except (LookupError, TypeError, ValueError, StopIteration) as error:
        raise VerificationFailed(
            f"{checkpoint.id} is not of the form of a {checkpoint.kind} checkpoint: {error!r}.", advice=_ADVICE
        ) from error
    again = json.loads(canonical_json(made))
    names = (again.keys() | shown.keys()) - _OF_A_MODEL
    same = {name for name in again.keys() & shown.keys() if again[name] == shown[name]}
    if others := sorted(names - same):
        raise VerificationFailed(
            f"{checkpoint.id} shows something else than the papers of the study say: {', '.join(others)}.",
            advice=_ADVICE,
        )


def _made(papers: Papers, checkpoint: Checkpoint, shown: dict[str, Any]) -> dict[str, Any]:
    """Return what the checkpoint should show, made of the papers and of what is decided on."""
    number = int(checkpoint.id.rpartition(".")[2])
    match checkpoint.kind:
        case CheckpointKind.PLAN:
            document = Plan.model_validate(shown["editable"]).model_dump(mode="json")
            return plan_subject(papers, document, number=number)
        case CheckpointKind.CODE:
            plan, programs, environments = _locked(papers), shown["editable"], shown["environments"]
            digests = {role: environment["digest"] for role, environment in environments.items()}
            runs = recorded_runs(papers, programs, papers.plan(plan), environments=digests)
            return code_subject(papers, programs, runs, plan=plan, environments=environments, number=number)
        case CheckpointKind.RELEASE:
            executions = _approved_executions(papers)
            judged = judge(papers, executions, plan=_locked(papers))
            if judged.halting:
                raise VerificationFailed(
                    f"{checkpoint.id} was put up after failed checks that end a study: {', '.join(judged.halting)}.",
                    advice=_ADVICE,
                )
            items = {name: shown[name] for name in ("items", "editable")}  # `check_proposed`
            return {**judged.shown(), **items, "execution": executions["primary"]}
        case CheckpointKind.SIGNOFF:
            released = papers.record.of_type("results.released")[-1].ref("released").sha256
            written = ReportText.model_validate(shown["editable"])
            return report_subject(papers, written, plan=_locked(papers), released=released)
        case CheckpointKind.SPECIFICATION | CheckpointKind.SAMPLE:
            raise VerificationFailed(f"{checkpoint.id} is of a synthetic set, and the study is none.", advice=_ADVICE)
        case _:
            assert_never(checkpoint.kind)


def _locked(papers: Papers) -> str:
    return papers.record.of_type("plan.locked")[-1].ref("plan").sha256


def _approved_executions(papers: Papers) -> dict[str, str]:
    """Return what the programs of the code that was approved last gave on the real data, by role."""
    approved = [
        event.data["subject"]
        for event in papers.record.of_type("decision.recorded")
        if (event.data["kind"], event.data["decision"]) == (CheckpointKind.CODE, "approve")
    ]
    orders = [Order.model_validate(order) for order in papers.json(approved[-1])["orders"]]
    ran = {
        event.data["order"]: event.ref("response").sha256
        for event in papers.record.of_type("effect.finished")
        if event.data["kind"] == "execution" and not event.data["synthetic"]
    }
    return {order.role: ran[order.digest] for order in orders}


def _check_findings(papers: Papers, checkpoint: Checkpoint, shown: dict[str, Any]) -> None:
    """Refuse a release that leaves out what can be found without the data in a number, the participants or a figure.

    Of tables the data tell which columns are levels, and of results together which are released: those are left to the
    checks beside the data.
    """
    outcome = recorded_outcome(papers.record, shown["execution"])
    looked = {item["id"]: Item.model_validate(item) for item in shown["items"]}
    failed = [made["id"] for made in shown["checks"] if made["verdict"] == "fail"]
    held = held_back_by(failed)
    for item in review_outputs(outputs_of(papers.record, outcome), ()):
        found = () if item.id.startswith("tables/") else item.findings
        wanted = {one for one in found if one.check != differencing.CHECK} | ({held} if held else set())
        if not wanted <= set(looked[item.id].findings):
            raise VerificationFailed(f"{checkpoint.id} leaves out what was found in {item.id}.", advice=_ADVICE)


def _check_answered(papers: Papers, checkpoint: Checkpoint, rows: list[dict[str, str]]) -> None:
    """Refuse answers to what nobody asked, or to reasons that somebody else gave."""
    (opened,) = (event for event in papers.record.of_type("checkpoint.opened") if event.data["id"] == checkpoint.id)
    reasons = asked(papers, checkpoint.kind, before=opened.seq)
    for row in rows:
        if {name: row[name] for name in ("checkpoint", "by", "reason")} not in reasons:
            raise VerificationFailed(
                f"{checkpoint.id} shows an answer to a reason that nobody gave: {row['reason'][:200]!r}.",
                advice=_ADVICE,
            )
