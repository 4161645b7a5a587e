"""What a checkpoint rests on is what people signed: an event that nobody signed for does not count, whoever added it.

Whoever runs an installation can append to its record, and has the service key. The forged events here are written by
the nodes of the graph themselves, so that record and graph agree on them.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from counterproof.agents.context import StudyContext
from counterproof.agents.judgement import Judgement
from counterproof.agents.subjects.again import check_shown
from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import Event
from counterproof.provenance.reviewers import CheckpointKind, Reviewer
from counterproof.provenance.store import Status
from counterproof.tools import Item

from ..endpoint import Endpoint
from ..lab import ADA, PRIMARY, REPLICATION, Lab, planned, program, script, written
from .shown import show

# The package of the nodes has functions of the same names.
_check, _report, _release = (
    importlib.import_module(f"counterproof.agents.nodes.{name}") for name in ("check", "report", "release_checkpoint")
)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A model that answers well."""
    with Endpoint(script()) as answers:
        yield answers


def _refused(lab: Lab, study: str, says: str) -> None:
    with pytest.raises(VerificationFailed, match=says):
        check_shown(lab.study(study), lab.waiting(study), reviewer=ADA)


@pytest.mark.attack
def test_a_report_of_other_numbers_than_were_released_is_not_signed(
    lab: Lab, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_up = _release.check_proposed

    def other(*given: Any) -> tuple[bytes, Any]:
        body, files = put_up(*given)
        document = json.loads(body)
        document["results"][0]["value"] = 42.0
        return canonical_json(document), files

    study = lab.new()
    monkeypatch.setattr(_release, "check_proposed", other)
    assert lab.run(study, endpoint.base_url, "approve", "approve", "approve") is Status.WAITING
    assert "42" in lab.study(study).checkpoints.subject(lab.waiting(study).id)["markdown"]
    _refused(lab, study, r"is not what .*release\.1 let go")


@pytest.mark.attack
def test_a_release_by_another_plan_than_was_approved_is_not_signed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = _check.judge

    def by_another(ctx: StudyContext, executions: dict[str, str], *, plan: str) -> Judgement:
        wider = ctx.json(plan)
        for result in wider["results"]:
            result["tolerance"] = 0.1
        ref = ctx.put_json("plan", wider)
        locked = ctx.record.of_type("plan.locked")[-1]
        ctx.record.append("plan.locked", data=locked.data, refs=[ref])
        made: Judgement = judge(ctx, executions, plan=ref.sha256)
        return made

    study = lab.new()
    monkeypatch.setattr(_check, "judge", by_another)
    other = program("The replication.", middle="import statistics", formula="statistics.fmean(of) * 1.01")
    with Endpoint(script(replication=[written(other)])) as answers:
        assert lab.run(study, answers.base_url, "approve", "approve") is Status.WAITING
    _refused(lab, study, "plans that are locked are not those that were approved")


def _nobody(decided: Event) -> dict[str, Any]:
    return {**decided.data, "checkpoint": decided.data["checkpoint"].replace("code.1", "code.9")}


@pytest.mark.attack
@pytest.mark.parametrize("forged", [_nobody, lambda decided: decided.data], ids=["never put up", "twice"])
def test_a_report_after_a_decision_that_nobody_signed_is_not_signed(
    lab: Lab, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, forged: Callable[[Event], dict[str, Any]]
) -> None:
    render = _report.report_subject

    def with_another(ctx: StudyContext, *given: Any, **more: Any) -> dict[str, Any]:
        decided = ctx.record.of_type("decision.recorded")[1]
        ctx.record.append("decision.recorded", data=forged(decided), refs=decided.refs, actor=decided.actor)
        made: dict[str, Any] = render(ctx, *given, **more)
        return made

    study = lab.new()
    monkeypatch.setattr(_report, "report_subject", with_another)
    assert lab.run(study, endpoint.base_url, "approve", "approve", "approve") is Status.WAITING
    _refused(lab, study, "decides a checkpoint twice, or one that was never put up")


@pytest.mark.attack
def test_a_decision_of_which_the_record_says_another_name_does_not_count(
    lab: Lab, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dump(self: Reviewer, **given: Any) -> dict[str, Any]:
        return {**BaseModel.model_dump(self, **given), "name": "The data monitoring board"}

    study = lab.new()
    lab.run(study, endpoint.base_url)
    with monkeypatch.context() as patched:
        patched.setattr(Reviewer, "model_dump", dump)
        lab.decide(study)
    with pytest.raises(VerificationFailed, match=r"says something else of the decision on .*plan\.1 than was signed"):
        lab.run(study, endpoint.base_url)


def _add(lab: Lab, study: str, type_: str, **changed: Any) -> None:
    """Append an event like the last one of its type, as whoever has the store can."""
    record = lab.study(study).record
    last = record.of_type(type_)[-1]
    record.append(type_, actor=last.actor, data={**last.data, **changed}, refs=last.refs)


@pytest.mark.attack
def test_a_second_intake_of_other_data_is_seen(lab: Lab, endpoint: Endpoint) -> None:
    study = lab.new()
    lab.run(study, endpoint.base_url, "approve")
    check_shown(lab.study(study), lab.waiting(study), reviewer=ADA)
    _add(lab, study, "intake.finished", rows={"trial.csv": 5})
    _refused(lab, study, "more than one intake of the data")


@pytest.mark.attack
def test_a_second_outcome_of_one_order_is_seen(lab: Lab, endpoint: Endpoint) -> None:
    """The replication is said to have given what the primary program gave."""
    study = lab.new()
    lab.run(study, endpoint.base_url, "approve", "approve")
    record = lab.study(study).record
    replication, primary = (
        next(event for event in record.of_type("effect.finished") if f"execute/{role}" in event.data["key"])
        for role in ("replication", "primary")
    )
    record.append("effect.finished", data=replication.data, refs=primary.refs)
    _refused(lab, study, "says two things of the execution of the order")


@pytest.mark.attack
def test_no_program_that_is_said_to_be_written_takes_the_place_of_an_edited_plan(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = lab.new()
    show(monkeypatch, CheckpointKind.PLAN, lambda subject: subject["editable"].update(title="As before"), number=3)
    with Endpoint(script(planner=[planned(), planned(title="Another")])) as answers:
        lab.run(study, answers.base_url, "approve", "replan")
        before = lab.study(study).checkpoints.subject(lab.waiting(study).id)["editable"]
        lab.decide(study, "edit", edited={**before, "title": "As edited"})
        _add(lab, study, "program.written")
        lab.run(study, answers.base_url)
    _refused(lab, study, r"not what was signed as the edit of .*plan\.2")


@pytest.mark.attack
def test_a_checkpoint_out_of_its_turn_is_seen(lab: Lab, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    put_up = Checkpoints.open

    def later(self: Checkpoints, kind: CheckpointKind, number: int, *given: Any, **more: Any) -> Checkpoint:
        return put_up(self, kind, number + 999, *given, **more)

    study = lab.new()
    monkeypatch.setattr(Checkpoints, "open", later)
    lab.run(study, endpoint.base_url)
    _refused(lab, study, r"plan\.1000 was not put up in its turn")


@pytest.mark.attack
def test_a_plan_that_nobody_approved_is_not_what_a_new_one_replaces(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script(planner=[planned(), planned(title="Another")])) as answers:
        lab.run(study, answers.base_url, "approve")
        _add(lab, study, "plan.locked")
        lab.decide(study, "replan")
        lab.run(study, answers.base_url)
    _refused(lab, study, "plans that are locked are not those that were approved")


@pytest.mark.attack
def test_a_proposal_against_the_findings_is_not_signed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = _check.held_back

    def all_go(items: list[Item], failed: list[str]) -> list[Item]:
        return [item.model_copy(update={"verdict": "release"}) for item in hold(items, failed)]

    study = lab.new()
    monkeypatch.setattr(_check, "held_back", all_go)
    few = [code.replace('"n": len(rows)', '"n": 3') for code in (PRIMARY, REPLICATION)]
    with Endpoint(script(primary=[written(few[0])], replication=[written(few[1])])) as answers:
        assert lab.run(study, answers.base_url, "approve", "approve") is Status.WAITING
    _refused(lab, study, "proposes to release result:difference against what was found")


_WRITES = """import warnings
warnings.warn("patient 4711 has 987.654321", RuntimeWarning)
tables = Path(os.environ["COUNTERPROOF_OUT"], "tables")
tables.mkdir()
tables.joinpath("a.csv").write_text("site,note\\nN,QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\\n")
"""


@pytest.mark.attack
@pytest.mark.parametrize("left_out", ["warning:1", "tables/a.csv"])
def test_a_finding_that_needs_no_data_is_not_left_out(lab: Lab, monkeypatch: pytest.MonkeyPatch, left_out: str) -> None:
    look = _check.release_items

    def without(ctx: StudyContext, judged: Judgement) -> list[Item]:
        bare = {"findings": (), "verdict": "release"}
        items: list[Item] = look(ctx, judged)
        assert next(item.findings for item in items if item.id == left_out), "there must be one"
        return [item.model_copy(update=bare) if item.id == left_out else item for item in items]

    study = lab.new()
    monkeypatch.setattr(_check, "release_items", without)
    with Endpoint(script(primary=[written(program("The primary program.", middle=_WRITES))])) as answers:
        assert lab.run(study, answers.base_url, "approve", "approve") is Status.WAITING
    _refused(lab, study, f"leaves out what was found in {left_out}")


def test_a_number_that_is_called_an_extreme_and_is_one_can_be_approved(lab: Lab) -> None:
    """Beside the data it is found to be one; without them it is found to be called so."""
    more = ("results = [", 'results = [result("max_score", max(scores["0"] + scores["1"])), ')
    study = lab.new()
    primary, replication = ([written(code.replace(*more))] for code in (PRIMARY, REPLICATION))
    with Endpoint(script(primary=primary, replication=replication)) as answers:
        assert lab.run(study, answers.base_url, "approve", "approve", "approve") is Status.WAITING
    assert lab.waiting(study).kind == "signoff"


def test_an_edit_that_fails_on_the_twin_and_is_repaired_can_be_approved(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script(primary=[written(PRIMARY), written(PRIMARY + "# repaired\n")])) as answers:
        lab.run(study, answers.base_url, "approve")
        before = lab.study(study).checkpoints.subject(lab.waiting(study).id)["editable"]
        lab.decide(study, "edit", edited={**before, "primary": "raise ValueError\n" + before["primary"]})
        assert lab.run(study, answers.base_url, "approve") is Status.WAITING
    assert lab.waiting(study).kind == "release"


def test_programs_run_on_the_twin_again_where_their_environment_was_changed(lab: Lab, endpoint: Endpoint) -> None:
    study = lab.new()
    lab.run(study, endpoint.base_url, "approve")
    before = lab.study(study).checkpoints.subject(lab.waiting(study).id)["editable"]
    lab.environment = dataclasses.replace(lab.environment, lock_sha256="f" * 64)
    lab.decide(study, "edit", edited={**before, "primary": before["primary"] + "# a comment\n"})
    assert lab.run(study, endpoint.base_url) is Status.WAITING
    check_shown(lab.study(study), lab.waiting(study), reviewer=ADA)
    twins = [event.data for event in lab.events(study, "effect.finished") if "dry_run/" in event.data["key"]]
    assert [data["key"].split("/")[1] for data in twins].count("replication") == 2
