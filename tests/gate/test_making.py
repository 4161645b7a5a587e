"""Real data are opened to a maker of synthetic data under an approved specification alone, once, and in time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.reviews import intake_question
from counterproof.agents.secure import Asked, Wanted
from counterproof.provenance.digests import canonical_json, sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.provenance.store import Status
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.sandbox.errors import GateRefused
from counterproof.sandbox.gate_line import File, Have, Make, Opened, Want
from counterproof.sandbox.orders import InputRef, MakingOrder
from counterproof.sandbox.secure_side import MAKING

from ..agents.made_sets import TABLE, new_table, new_texts
from ..lab import Lab
from .conftest import Target
from .served import client_of, greeted, side_of

pytestmark = pytest.mark.attack


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory, sandbox: LocalSandbox, environment: Environment) -> Target:
    """A table whose specification waits; to be copied."""
    lab = Lab(home=tmp_path_factory.mktemp("making") / "home", sandbox=sandbox, environment=environment)
    study = new_table(lab)
    assert lab.run(study) is Status.WAITING
    return Target(lab=lab, id=study)


@pytest.fixture
def target(waiting: Target, tmp_path: Path) -> Target:
    """The study in a folder of the test's own, its specification not decided."""
    home = Path(shutil.copytree(waiting.lab.home, tmp_path / "home"))
    return Target(lab=replace(waiting.lab, home=home), id=waiting.id)


@pytest.fixture
def approved(target: Target) -> Target:
    """The study with its specification approved, and nothing made yet."""
    target.lab.decide(target.id)
    return target


def _request(target: Target, **changed: Any) -> bytes:
    specification = TABLE.model_copy(update=changed)
    asked = Asked.model_validate_json(_asked(target))
    return canonical_json(Wanted(specification=specification, asked=asked).model_dump(mode="json"))


def _asked(target: Target) -> bytes:
    study = target.lab.study(target.id)
    return intake_question(study.settings, study.record, study.checkpoints.policy().policy)


def _order(target: Target, request: bytes) -> MakingOrder:
    files = target.lab.study(target.id).settings.data
    inputs = tuple(InputRef(name=file.name, sha256=file.sha256) for file in files)
    return MakingOrder(request=sha256_bytes(request), inputs=inputs)


def _open(
    target: Target, request: bytes, *, effect: str = "make", order: MakingOrder | None = None, **gate: Any
) -> None:
    target.gate(**gate).open_making(order or _order(target, request), request, effect=effect)


def _refused(target: Target, match: str, act: Callable[[], None]) -> None:
    before = len(target.refusals())
    with pytest.raises(GateRefused, match=match):
        act()
    assert len(target.refusals()) == before + 1


def test_an_approved_specification_opens_the_data_once(approved: Target) -> None:
    request = _request(approved)
    _open(approved, request)
    _open(approved, request)  # the same effect, killed inside, tries again
    assert [event.data["effect"] for event in approved.lab.events(approved.id, "gate.opened")] == ["make", "make"]
    _refused(approved, "used before, by make", lambda: _open(approved, request, effect="another"))


def test_rows_that_no_model_was_to_write_open_nothing(approved: Target) -> None:
    request = _request(approved)
    order = _order(approved, request)
    given = b'{"model": "x", "rows": [["1"]], "refused": {}}'
    gate = approved.gate()
    _refused(approved, "rows were given", lambda: gate.open_making(order, request, effect="make", written=given))
    assert approved.lab.events(approved.id, "gate.opened") == []


def test_nothing_is_opened_before_the_approval(target: Target) -> None:
    _refused(target, "is not decided", lambda: _open(target, _request(target)))


@pytest.mark.parametrize("decision", ["reject", "withdraw"])
def test_nothing_is_opened_after_another_decision(target: Target, decision: Any) -> None:
    target.lab.decide(target.id, decision)
    _refused(target, r"decided 'reject'|was withdrawn", lambda: _open(target, _request(target)))


@pytest.mark.parametrize(
    "changed",
    [{"maker": "copula"}, {"rows": 100_000}, {"seed": 7}, {"holdout_share": 0.0}, {"left_out": ("age",)}],
    ids=str,
)
def test_another_specification_opens_nothing(approved: Target, changed: dict[str, Any]) -> None:
    request = _request(approved, **changed)
    _refused(approved, "not for this order", lambda: _open(approved, request))
    order = _order(approved, _request(approved))
    _refused(approved, "not the one that the order names", lambda: _open(approved, request, order=order))


def test_other_words_on_the_columns_open_nothing(approved: Target) -> None:
    """What was said of columns is a part of what was approved: nobody makes an identifier visible afterwards."""
    wanted = json.loads(_request(approved))
    wanted["asked"]["rules"] = {}
    _refused(approved, "not for this order", lambda: _open(approved, canonical_json(wanted)))


def test_other_data_open_nothing(approved: Target) -> None:
    request = _request(approved)
    order = _order(approved, request).model_copy(update={"inputs": (InputRef(name="lbw.csv", sha256="0" * 64),)})
    _refused(approved, "not the data of this study", lambda: _open(approved, request, order=order))


def test_an_approval_that_is_too_old_opens_nothing(approved: Target) -> None:
    late = datetime.now(UTC) + timedelta(days=31)
    _refused(
        approved, "31 days old; it is valid for 30", lambda: _open(approved, _request(approved), clock=lambda: late)
    )


def test_a_set_that_was_made_is_not_made_again_under_another_key(approved: Target) -> None:
    assert approved.lab.run(approved.id) is Status.WAITING
    _refused(
        approved, "data are opened while it is making", lambda: _open(approved, _request(approved), effect="again")
    )
    assert len(approved.lab.events(approved.id, "gate.opened")) == 1


def test_a_program_does_not_run_in_a_study_of_a_set(approved: Target) -> None:
    """A specification approves no program."""
    subject = approved.lab.study(approved.id).checkpoints.subject(f"{approved.id}.specification.1")
    assert "orders" not in subject
    assert "programs" not in subject


def test_the_maker_is_not_asked_past_the_gate(approved: Target) -> None:
    with pytest.raises(UsageError, match=f"does not answer '{MAKING}'"):
        side_of(approved, client_of(approved)).ask(MAKING, _request(approved))


def test_the_gate_makes_a_set_over_its_line(approved: Target) -> None:
    request = _request(approved)
    told = side_of(approved, client_of(approved)).make(_order(approved, request), request, effect="make")
    assert set(told.bodies) == {"lbw.synthetic.csv", "card.json", "report.html", "summary.md"}
    assert [event.data["effect"] for event in approved.lab.events(approved.id, "gate.opened")] == ["make"]


def test_a_refusal_comes_back_over_the_line_and_is_noted(target: Target) -> None:
    request = _request(target)
    with pytest.raises(GateRefused, match="is not decided"):
        side_of(target, client_of(target)).make(_order(target, request), request, effect="make")
    assert len(target.refusals()) == 1


def test_nothing_is_made_where_the_agent_does_not_write_down_that_it_is(approved: Target) -> None:
    request = _request(approved)
    line = greeted(client_of(approved))
    record = approved.lab.study(approved.id).record
    order = _order(approved, request).model_dump_json().encode()
    asked = Make(study=approved.id, effect="make", order=order, request=request, record=record.path.read_bytes())
    line.send(asked)
    found = _answered(line, record.blobs)
    assert isinstance(found, Opened)
    line.send(asked)  # in place of Go
    with pytest.raises(Exception, match="has ended"):
        line.receive(wait_s=30)


def _answered(line: Any, blobs: Any) -> Any:
    while isinstance(found := line.receive(wait_s=30), Want):
        line.send(Have(data=blobs.get(found.digest)))
    return found


def test_rows_of_a_table_that_is_not_marked_are_not_given(approved: Target) -> None:
    with pytest.raises(UsageError, match="it may be real"):
        side_of(approved, client_of(approved)).ask("patients")


def test_rows_of_a_marked_table_are_given(sandbox: LocalSandbox, environment: Environment, tmp_path: Path) -> None:
    lab = Lab(home=tmp_path / "home", sandbox=sandbox, environment=environment)
    target = Target(lab=lab, id=new_texts(lab))
    side = side_of(target, client_of(target))
    assert len(json.loads(side.ask("patients").answer)) == 20
    assert side.files == tuple(File(name=f.name, sha256=f.sha256) for f in lab.study(target.id).settings.data)
