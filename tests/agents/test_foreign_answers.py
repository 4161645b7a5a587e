"""Answers of other people's screens: read in every shape that they send, written down, and deciding nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langgraph.types import Command

from counterproof.agents.foreign_answers import COMMENT_MAX, Request, read_answer
from counterproof.agents.graph_store import open_graph
from counterproof.provenance.errors import DecisionRequired
from counterproof.provenance.store import Status

from ..endpoint import Endpoint
from ..lab import Lab, planned, script

EDIT = {"checkpoint": "s.plan.1", "note": "x"}
APPROVE = Request(decision="approve")
ANSWERS: dict[str, tuple[Any, Request]] = {
    "chat-ui-approve": ({"decisions": [{"type": "approve"}]}, APPROVE),
    "chat-ui-edit": (
        {"decisions": [{"type": "edit", "edited_action": {"name": "decide_plan", "args": EDIT}}]},
        Request(decision="edit", edited=EDIT),
    ),
    "chat-ui-reject": (
        {"decisions": [{"type": "reject", "message": " Too small. "}]},
        Request(decision="reject", comment="Too small."),
    ),
    "chat-ui-respond": (
        {"decisions": [{"type": "respond", "message": "Why?"}]},
        Request(decision="respond", comment="Why?"),
    ),
    "chat-ui-by-interrupt": ({"f" * 32: {"decisions": [{"type": "approve"}]}}, APPROVE),
    "inbox-accept": ([{"type": "accept", "args": None}], APPROVE),
    "inbox-edit": (
        [{"type": "edit", "args": {"action": "decide_plan", "args": EDIT}}],
        Request(decision="edit", edited=EDIT),
    ),
    "inbox-response": ([{"type": "response", "args": "Why?"}], Request(decision="respond", comment="Why?")),
    "inbox-ignore": ([{"type": "ignore", "args": None}], Request(decision="reject")),
    "inbox-newer-edit": (
        {"decisions": [{"type": "edit", "args": {"action": "decide_plan", "args": EDIT}}]},
        Request(decision="edit", edited=EDIT),
    ),
    "inbox-newer-reject": (
        {"decisions": [{"type": "reject", "args": "Too small."}]},
        Request(decision="reject", comment="Too small."),
    ),
    "bare": ({"type": "approve"}, APPROVE),
}


@pytest.mark.parametrize(("answer", "request_"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_understood(answer: Any, request_: Request) -> None:
    assert read_answer(answer) == request_


@pytest.mark.parametrize(
    "answer",
    [
        None,
        True,
        "approve",
        {},
        [],
        {"checkpoint": "s.plan.1"},
        {"decisions": []},
        {"decisions": [{"type": "approve"}, {"type": "reject"}]},
        {"type": "grant"},
        {"type": ["approve"]},
        {"type": "edit"},
        {"type": "edit", "args": "text"},
        {"type": "edit", "args": {"args": float("nan")}},
        {"a": {"b": {"c": {"d": {"e": {"type": "approve"}}}}}},
        {"type": "edit", "args": {"args": "x" * 1_000_001}},
    ],
    ids=lambda answer: repr(answer)[:30],
)
def test_anything_else_is_not_understood(answer: Any) -> None:
    assert read_answer(answer) is None


def test_a_long_comment_is_cut() -> None:
    found = read_answer({"type": "reject", "message": "x" * (COMMENT_MAX + 1)})
    assert found is not None
    assert len(found.comment) == COMMENT_MAX


def _answer(lab: Lab, study: str, answer: Any) -> None:
    """Answer the interrupt as a screen that talks to LangGraph does."""
    runner, opened = lab.runner(), lab.study(study)
    with open_graph(opened.folder / "graph.sqlite") as graph:
        context = runner._context(opened)
        graph.invoke(Command(resume=answer), {"configurable": {"thread_id": study}}, context=context)


@pytest.mark.attack
@pytest.mark.parametrize("name", ["chat-ui-approve", "inbox-accept", "chat-ui-edit"])
def test_an_answer_is_a_request_and_only_a_signature_decides(lab: Lab, name: str) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        for _ in range(2):
            with pytest.raises(DecisionRequired, match="waits for a signed decision"):
                _answer(lab, study, ANSWERS[name][0])
        (asked,) = lab.events(study, "decision.requested")
        assert asked.data["checkpoint"] == f"{study}.plan.1"
        assert json.loads(lab.text(asked.ref("asked").sha256, study)) == ANSWERS[name][1].document()
        assert lab.events(study, "decision.recorded", "plan.locked") == []
        lab.decide(study)
        assert lab.run(study, endpoint.base_url, "approve", "approve", "approve") is Status.DONE


def test_the_question_has_the_form_that_those_screens_show(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        lab.run(study, endpoint.base_url)
    with open_graph(lab.study(study).folder / "graph.sqlite") as graph:
        (interrupt,) = graph.get_state({"configurable": {"thread_id": study}}).interrupts
    (action,), (config,) = interrupt.value["action_requests"], interrupt.value["review_configs"]
    assert set(action) == {"name", "args", "description"}
    assert config == {"action_name": action["name"], "allowed_decisions": ["approve", "edit", "reject"]}
    assert planned() not in json.dumps(interrupt.value)
