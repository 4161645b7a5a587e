"""Tables of a study by the makers `dp` and `model`: what binds them, what they take, and what the model sees."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from counterproof.agents.edits import check_edit
from counterproof.agents.models import ModelConfig
from counterproof.agents.set_papers import (
    approved_limits,
    approved_specification,
    making_order,
    making_request,
)
from counterproof.provenance.budgets import epsilon_spent
from counterproof.provenance.errors import UsageError
from counterproof.provenance.permissions import CheckpointKind
from counterproof.provenance.store import Status
from counterproof.provenance.verify import verify_bundle
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.sandbox.errors import GateRefused
from counterproof.scenarios.server import TurnServer
from counterproof.tools.data import read_file
from counterproof.tools.synth.marks import read_cells
from counterproof.tools.synth.specification import SetSpecification
from counterproof.ui.sets import set_text, specification_part

from ..lab import NOWHERE, Lab
from ..tools.synth.test_private_maker import PUBLIC
from .made_sets import LBW, MAY, MAY_NOT, new_table
from .set_scenarios import start, turns_of
from .test_synthesis import answer_with_rows, shown_examples, sound, told_in

pytestmark = pytest.mark.synthetic
PRIVATE = SetSpecification(kind="table", maker="dp", epsilon=3, rows=120, may=MAY, may_not=MAY_NOT)
ROWS = SetSpecification(
    kind="table", maker="model", rows=40, about="Births at a hospital.", may=MAY, may_not=MAY_NOT, rules=("low <= 1",)
)
MADE_UP = ModelConfig(model="made-up", base_url=NOWHERE, api_key_env="")


@pytest.fixture
def lab(tmp_path: Path, sandbox: LocalSandbox, environment: Environment) -> Lab:
    """An installation without a study."""
    return Lab(home=tmp_path / "home", sandbox=sandbox, environment=environment)


def _verified(lab: Lab, study: str) -> dict[str, str]:
    found = verify_bundle(lab.study(study).folder / "bundle.zip")
    assert found.ok, [step for step in found.steps if step.outcome == "failed"]
    return {step.name: step.outcome for step in found.steps}


def _card(lab: Lab, study: str) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((lab.home / "synthetic" / study / "card.json").read_bytes())
    return card


def _reject_and_approve_again(lab: Lab, study: str) -> None:
    lab.decide(study, "reject", comment="Once more.")
    assert lab.run(study) is Status.WAITING
    lab.decide(study)


def test_a_private_set_goes_from_its_specification_to_a_verified_bundle(lab: Lab) -> None:
    study = new_table(lab, PRIVATE, policy=PUBLIC)
    assert lab.run(study, NOWHERE, "approve", "approve", "approve") is Status.DONE
    assert _verified(lab, study)["making"] == "ok"
    maker = _card(lab, study)["provenance"]["maker"]
    assert {name: maker[name] for name in ("maker", "epsilon", "delta", "epsilon_of_study", "epsilon_allowed")} == {
        "maker": "dp",
        "epsilon": 3.0,
        "delta": 0.0,
        "epsilon_of_study": 3.0,
        "epsilon_allowed": 8.0,
    }
    assert [event.data["epsilon"] for event in lab.events(study, "gate.opened")] == [3.0]


def test_each_private_set_of_a_study_takes_of_the_same_budget(lab: Lab) -> None:
    study = new_table(lab, PRIVATE, policy=PUBLIC)
    assert lab.run(study, NOWHERE, "approve") is Status.WAITING
    _reject_and_approve_again(lab, study)
    assert lab.run(study) is Status.WAITING
    assert [event.data["epsilon"] for event in lab.events(study, "gate.opened")] == [3.0, 3.0]
    one, other = (event.ref("file:lbw.synthetic.csv").sha256 for event in lab.events(study, "set.made"))
    assert one != other
    lab.decide(study, "reject", comment="Once more.")
    assert lab.run(study) is Status.WAITING
    subject = lab.study(study).checkpoints.subject(lab.waiting(study).id)
    assert subject["limits"] == {"model": "", "exposure": "metadata", "epsilon": 8.0, "spent": 6.0}
    with pytest.raises(UsageError, match=r"allows an epsilon of 8 for all sets.*took 6, and 2\.5 is asked for"):
        check_edit(CheckpointKind.SPECIFICATION, subject, {**subject["editable"], "epsilon": 2.5})
    assert check_edit(CheckpointKind.SPECIFICATION, subject, {**subject["editable"], "epsilon": 2})["epsilon"] == 2


@pytest.mark.attack
def test_the_gate_refuses_more_than_the_policy_allows_whoever_approves(lab: Lab) -> None:
    study = new_table(lab, PRIVATE, policy=PUBLIC)
    assert lab.run(study, NOWHERE, "approve") is Status.WAITING
    _reject_and_approve_again(lab, study)
    assert lab.run(study) is Status.WAITING
    _reject_and_approve_again(lab, study)
    with pytest.raises(GateRefused, match="epsilon of 8 for all sets of this study; they took 6, and 3 is asked for"):
        lab.run(study)
    assert len(lab.events(study, "gate.opened")) == 2


@pytest.mark.attack
def test_private_twins_and_sets_of_all_studies_keep_to_the_terms_of_the_file(lab: Lab) -> None:
    study = new_table(lab, PRIVATE, policy=PUBLIC)
    ledger = lab.workplace.vault.ledger
    (entry,) = ledger.entries().values()
    ledger.added(msgspec.structs.replace(entry, epsilon=12.0), by="ada")
    assert lab.run(study, NOWHERE, "approve") is Status.WAITING
    assert ledger.taken(entry.sha256) == 8.0 + 3.0  # the twin of the intake, and the set
    _reject_and_approve_again(lab, study)
    refused = r"added with an epsilon of 12 for all its private twins and sets; they took 11, and 3 is asked for"
    with pytest.raises(GateRefused, match=refused):
        lab.run(study)
    (said,) = lab.events(study, "gate.refused")
    assert re.search(refused, said.data["why"])
    assert len(lab.events(study, "gate.opened")) == 1
    another = new_table(lab, PRIVATE, policy=PUBLIC)
    with pytest.raises(UsageError, match="they took 11, and 8 is asked for"):
        lab.run(another)
    ledger.added(msgspec.structs.replace(entry, epsilon=30.0), by="ada")
    assert lab.run(study) is Status.WAITING
    assert lab.run(another) is Status.WAITING
    assert ledger.taken(entry.sha256) == 8.0 + 3.0 + 3.0 + 8.0


@pytest.mark.attack
def test_an_agent_can_not_give_the_gate_the_rows_of_a_private_set(lab: Lab) -> None:
    study = new_table(lab, PRIVATE, policy=PUBLIC)
    assert lab.run(study) is Status.WAITING
    lab.decide(study)
    ctx = lab.runner()._context(lab.study(study))
    request = making_request(ctx, approved_specification(ctx), approved_limits(ctx))
    with pytest.raises(GateRefused, match="rows were given, and no model writes those of this set"):
        ctx.secure.make(making_order(ctx, request), request, effect="make/1", written=b"low\n1\n")
    assert lab.events(study, "gate.opened") == []


@pytest.mark.crash
def test_a_private_making_that_was_killed_is_tried_again_and_counts_once(lab: Lab) -> None:
    study = new_table(lab, PRIVATE.model_copy(update={"epsilon": 8.0}), policy=PUBLIC)
    assert lab.run(study) is Status.WAITING
    lab.decide(study)
    ctx = lab.runner()._context(lab.study(study))
    request = making_request(ctx, approved_specification(ctx), approved_limits(ctx))
    order = making_order(ctx, request)
    ctx.secure.make(order, request, effect=f"make/{order.digest[:16]}")  # killed before anything of it was written down
    assert lab.run(study, NOWHERE, "approve", "approve") is Status.DONE
    assert len(lab.events(study, "gate.opened")) == 2
    assert epsilon_spent(lab.events(study, "gate.opened")) == 8
    (file,) = lab.study(study).settings.data
    assert lab.workplace.vault.ledger.taken(file.sha256) == 8 + 8  # the twin, and one set
    _verified(lab, study)


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "more epsilon than the policy": ({"epsilon": 9}, {"policy": PUBLIC}, r"allows an epsilon of 8.*9 is asked for"),
    "a policy without one": ({}, {}, r"allows an epsilon of 0"),
    "several rows a person": (
        {},
        {"policy": PUBLIC.replace(b"epsilon = 8", b"epsilon = 8\nrows_per_person = 2")},
        "up to 2 rows",
    ),
    "a model that nobody named": ({"maker": "model", "epsilon": 0}, {}, "no model was chosen"),
    "a model that is not asked": ({}, {"policy": PUBLIC, "model": MADE_UP}, "the table is made by 'dp'"),
    "rows that it may not see": (
        {"maker": "model", "epsilon": 0, "examples": 3},
        {"model": MADE_UP},
        "3 real rows, and the exposure is 'metadata'",
    ),
}


@pytest.mark.parametrize(("changed", "options", "says"), REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_made_is_refused_at_once(
    lab: Lab, changed: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        new_table(lab, SetSpecification(**{**PRIVATE.model_dump(), **changed}), **options)
    assert lab.workplace.store.studies() == []


def test_rows_of_a_kept_model_go_from_their_specification_to_a_verified_bundle(lab: Lab) -> None:
    turns = turns_of("births")
    assert {turn.origin["origin"] for turn in turns} == {"authored"}
    with TurnServer(turns) as server:
        study = start(lab, "births")
        assert lab.run(study, server.base_url, "approve", "approve", "approve") is Status.DONE
        assert (server.drifts, server.unused) == ([], [])
    assert _verified(lab, study)["making"] == "ok"
    card = _card(lab, study)["provenance"]
    assert (card["rows"], card["maker"]["maker"], card["maker"]["how"]) == (
        40,
        "model",
        "guided by what a person knows",
    )
    cells = read_cells((lab.home / "synthetic" / study / "lbw.synthetic.csv").read_bytes())
    rows = set(zip(*(cells[name] for name in card["maker"]["asked_for"]), strict=True))
    assert len(rows) == 40


@pytest.mark.canary
def test_the_model_of_a_table_is_told_no_extreme_and_no_row(lab: Lab) -> None:
    study = new_table(lab, ROWS, model=MADE_UP)
    with TurnServer([], source=answer_with_rows(sound)) as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
        asked = [turn.request for turn in server.turns]
    weights = sorted(next(column for column in read_file(LBW)[1].columns if column.name == "bwt").values)
    (bwt,) = (one for one in told_in(asked[0])["columns"] if one["name"] == "bwt")
    assert weights[0] < bwt["from"]
    assert bwt["to"] < weights[-1]
    assert [shown_examples(request) for request in asked] == [[]] * len(asked)
    assert "Births at a hospital." in asked[0]["messages"][1]["content"]


def test_open_data_give_the_model_of_a_study_examples(lab: Lab) -> None:
    study = new_table(lab, ROWS.model_copy(update={"examples": 3}), model=MADE_UP, exposure="rows")
    with TurnServer([], source=answer_with_rows(sound)) as server:
        assert lab.run(study, server.base_url, "approve", "approve", "approve") is Status.DONE
        assert len(shown_examples(server.turns[0].request)) == 3
    assert "3 real rows as examples" in _card(lab, study)["provenance"]["maker"]["how"]


def test_a_real_row_that_the_model_writes_is_left_out_and_nobody_is_told_which(lab: Lab) -> None:
    real = read_file(LBW)[1]
    first = [f"{column.values.iloc[0]:.0f}" for column in real.columns]

    def copying(asked: dict[str, Any], chance: Any) -> list[Any]:
        return [*first] if chance.random() < 0.04 else sound(asked, chance)

    study = new_table(lab, ROWS, model=MADE_UP)
    with TurnServer([], source=answer_with_rows(copying)) as server:
        assert lab.run(study, server.base_url, "approve", "approve", "approve") is Status.DONE
    (event,) = lab.events(study, "set.written")
    assert first in json.loads(lab.study(study).record.blobs.get(event.ref("written").sha256))["rows"]
    cells = read_cells((lab.home / "synthetic" / study / "lbw.synthetic.csv").read_bytes())
    assert tuple(first) not in set(zip(*(cells[column.name] for column in real.columns), strict=True))


def test_rows_that_stop_go_on_without_asking_again(lab: Lab) -> None:
    study = new_table(lab, ROWS, model=MADE_UP)
    with TurnServer([], source=answer_with_rows(sound)) as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
        asked = len(server.turns)
        (lab.study(study).folder / "graph.sqlite").unlink()
        assert lab.run(study, server.base_url) is Status.WAITING
        assert len(server.turns) == asked
    assert len(lab.events(study, "gate.opened")) == 1


@pytest.mark.attack
def test_no_row_is_written_before_the_specification_is_approved(lab: Lab) -> None:
    study = new_table(lab, ROWS, model=MADE_UP)
    with TurnServer([], source=answer_with_rows(sound)) as server:
        assert lab.run(study, server.base_url) is Status.WAITING
        assert server.turns == []
    assert lab.events(study, "gate.opened", "set.written") == []


def test_whoever_approves_is_shown_what_is_taken_and_what_the_model_is_told(lab: Lab) -> None:
    private, rows = new_table(lab, PRIVATE, policy=PUBLIC), new_table(lab, ROWS, model=MADE_UP)
    said = []
    for study in (private, rows):
        assert lab.run(study) is Status.WAITING
        subject = lab.study(study).checkpoints.subject(lab.waiting(study).id)
        said.append("\n".join(set_text(specification_part(subject))))
    assert "Differential privacy:\n- 3; 0; 8" in said[0]
    assert "A model writes the rows:\n- made-up; columns, with levels and ranges as in the profile" in said[1]
    assert "about: Births at a hospital." in said[1]
