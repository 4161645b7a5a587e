"""After the way back to the plan, what was approved for the old one opens nothing, even where the plan is the same."""

from __future__ import annotations

import pytest

from counterproof.provenance.store import Status
from counterproof.sandbox.errors import GateRefused
from counterproof.sandbox.orders import Order

from ..endpoint import Endpoint
from ..lab import planned
from .conftest import Begin, Target

pytestmark = pytest.mark.attack
WHY = "Say which arm is control."


def _sent_back(begin: Begin, stage: str, *, alpha: float) -> tuple[Target, Order]:
    """Return a study whose second plan waits, and an order of its first code."""
    target = begin(stage)
    order = target.order()
    target.lab.decide(target.id, "replan", comment=WHY)
    with Endpoint({"planner": [planned(alpha=alpha)]}) as endpoint:
        assert target.lab.run(target.id, endpoint.base_url) is Status.WAITING
    assert target.lab.waiting(target.id).id == f"{target.id}.plan.2"
    return target, order


def _refused(target: Target, order: Order, why: str) -> None:
    before = len(target.lab.events(target.id, "gate.opened"))
    for effect in ("attack", f"execute/primary/{order.digest[:16]}"):
        with pytest.raises(GateRefused, match=why):
            target.open_gate(order, effect=effect)
    assert len(target.lab.events(target.id, "gate.opened")) == before


@pytest.mark.parametrize("alpha", [0.05, 0.01], ids=["same plan", "other plan"])
@pytest.mark.parametrize(
    ("stage", "why"), [("code", r"code\.1 was decided 'replan'"), ("release", r"plan\.2 is not decided")]
)
def test_old_code_opens_nothing_while_the_second_plan_waits(begin: Begin, stage: str, why: str, alpha: float) -> None:
    target, order = _sent_back(begin, stage, alpha=alpha)
    _refused(target, order, why)


@pytest.mark.parametrize(
    ("stage", "alpha", "why"),
    [
        ("code", 0.05, r"code\.1 was decided 'replan'"),
        ("code", 0.01, r"code\.1 was decided 'replan'"),
        ("release", 0.05, "the study is 'writing', and data are opened while it is executing"),
        ("release", 0.01, "the code was made for another plan"),
    ],
)
def test_old_code_opens_nothing_under_the_second_plan(begin: Begin, stage: str, alpha: float, why: str) -> None:
    target, order = _sent_back(begin, stage, alpha=alpha)
    target.lab.decide(target.id)
    _refused(target, order, why)


@pytest.mark.parametrize("stage", ["code", "release"])
def test_sending_back_opens_nothing_by_itself(begin: Begin, stage: str) -> None:
    target = begin(stage)
    order = target.order()
    target.lab.decide(target.id, "replan", comment=WHY)
    _refused(target, order, "was decided 'replan'" if stage == "code" else "the study is 'planning'")


@pytest.mark.parametrize("goto", ["execute", "report"])
def test_a_graph_that_is_told_to_go_on_after_it_reads_nothing(begin: Begin, goto: str) -> None:
    target = begin("code")
    target.lab.decide(target.id, "replan", comment=WHY)
    with target.graph() as graph:
        graph.update_state(target.config, {}, as_node="dry_run" if goto == "execute" else "execute")
        target.invoke(graph, None)
    target.assert_unread()
