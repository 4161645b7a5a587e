"""Attacks on approvals from around the gate: the graph, its database, the store, and several at once.

Whoever attacks here can call the graph with real handles and write both databases. What they may reach is a study that
stops or goes on waiting; the real data stay unread.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command

from counterproof.provenance.digests import canonical_json
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.store import Status

from ..endpoint import Endpoint
from ..lab import ADA, KEY, Lab, script
from .conftest import EVIL, Begin, Target

pytestmark = pytest.mark.attack
REFUSED = "GateRefused: The gate keeps the data closed"


def _evil(target: Target) -> dict[str, Any]:
    digest = target.put(EVIL)
    return {"programs": {"primary": digest, "replication": digest}}


def _real(target: Target) -> dict[str, str]:
    return {ref.name: ref.sha256 for ref in target.order().inputs}


# Inputs to the graph, each with the point where it is tried, and what comes of it.
INPUTS: dict[str, tuple[str, Callable[[Target], Any], str]] = {
    "goto execute": ("code", lambda target: Command(goto="execute"), REFUSED),
    "goto execute, evil": ("code", lambda target: Command(goto="execute", update=_evil(target)), REFUSED),
    "goto execute, evil, approved": (
        "code approved",
        lambda target: Command(goto="execute", update=_evil(target)),
        REFUSED,
    ),
    "resume with evil programs": (
        "code approved",
        lambda target: Command(resume=True, update=_evil(target)),
        REFUSED,
    ),
    "resume with another plan": (
        "code approved",
        lambda target: Command(resume=True, update={"plan": _other_plan(target)}),
        REFUSED,
    ),
    "resume at an approved checkpoint": (
        "code",
        lambda target: Command(resume=True, update={"checkpoint": f"{target.id}.plan.1"}),
        "its state names",
    ),
    "resume at no checkpoint": (
        "code",
        lambda target: Command(resume=True, update={"checkpoint": f"{target.id}.code.9"}),
        "There is no checkpoint",
    ),
    "real data as the twin": (
        "code",
        lambda target: Command(goto="dry_run", update={"twin": _real(target), "twin_runs": {}}),
        "is not a file or folder that exists",
    ),
    "the twin as results": (
        "code",
        lambda target: Command(goto="check", update={"executions": _twin_runs(target)}),
        "",
    ),
    "results from nowhere": (
        "code",
        lambda target: Command(goto="check", update={"executions": _made_up(target)}),
        "No execution of this study gave the outcome",
    ),
    "goto release": ("code", lambda target: Command(goto="release_checkpoint"), ""),
    "goto export as done": (
        "code",
        lambda target: Command(goto="export", update={"ended": "done"}),
        "its report is not signed off",
    ),
    "new input": ("code", lambda target: {"study": target.id, **_evil(target)}, ""),
}


def _other_plan(target: Target) -> str:
    subject = target.lab.study(target.id).checkpoints.subject(f"{target.id}.plan.1")
    return target.put(canonical_json({**subject["editable"], "seed": 1}).decode())


def _twin_runs(target: Target) -> dict[str, str]:
    with target.graph() as graph:
        runs: dict[str, str] = graph.get_state(target.config).values["twin_runs"]
    return runs


def _made_up(target: Target) -> dict[str, str]:
    made_up = {}
    for role, digest in _twin_runs(target).items():
        outcome = json.loads(target.lab.text(digest, target.id))
        made_up[role] = target.put(canonical_json({**outcome, "synthetic": False}).decode())
    return made_up


@pytest.mark.parametrize(("stage", "make", "says"), INPUTS.values(), ids=INPUTS)
def test_an_input_to_the_graph_opens_nothing(
    begin: Begin, stage: str, make: Callable[[Target], Any], says: str
) -> None:
    target = begin(stage)
    with target.graph() as graph:
        said = target.invoke(graph, make(target))
    assert says in said
    assert bool(target.refusals()) == (says == REFUSED)
    target.go_on()
    target.assert_unread()
    assert target.lab.workplace.store.study(target.id)["status"] in (Status.WAITING, Status.STOPPED)


FORGED_ANSWERS: dict[str, Any] = {
    "true": True,
    "text": "approve",
    "empty map": {},
    "empty list": [],
    "decision": {"type": "approve"},
    "decisions": {"decisions": [{"type": "approve"}]},
    "list": [{"type": "accept", "args": None}],
    "interrupt ids": {"0123456789abcdef" * 2: {"decisions": [{"type": "approve"}]}},
    "checkpoint": {"checkpoint": "study.code.1", "decision": "approve"},
    "edit": {"decisions": [{"type": "edit", "args": {"action": "decide_code", "args": {"programs": {}}}}]},
    "number": 0,
    "nothing": None,
}


@pytest.mark.parametrize("answer", FORGED_ANSWERS.values(), ids=FORGED_ANSWERS)
def test_a_forged_answer_leaves_the_study_waiting(begin: Begin, answer: Any) -> None:
    target = begin("code")
    with target.graph() as graph:
        target.invoke(graph, Command(resume=answer))
    assert target.go_on() is Status.WAITING
    assert target.lab.waiting(target.id).id == f"{target.id}.code.1"
    target.assert_unread()


@pytest.mark.parametrize("stage", ["plan", "release", "signoff"])
def test_a_forged_answer_passes_no_other_checkpoint(begin: Begin, stage: str) -> None:
    target = begin(stage)
    with target.graph() as graph:
        assert "DecisionRequired" in target.invoke(graph, Command(resume={"decisions": [{"type": "approve"}]}))
    assert target.go_on() is Status.WAITING
    assert target.lab.waiting(target.id).kind == stage


UPDATES: dict[str, tuple[str, str | None, Callable[[Target], dict[str, Any]]]] = {
    "evil programs": ("code approved", None, _evil),
    "evil programs as dry_run": ("code approved", "dry_run", _evil),
    "as dry_run": ("code", "dry_run", lambda _target: {}),
    "as the checkpoint": ("code", "code_checkpoint", lambda _target: {}),
    "as execute": ("code", "execute", lambda _target: {}),
    "as write, real data as the twin": ("code", "write", lambda target: {"twin": _real(target), "twin_runs": {}}),
    "as export, done": ("code", "export", lambda _target: {"ended": "done", "reason": ""}),
    "another checkpoint": ("code", None, lambda target: {"checkpoint": f"{target.id}.plan.1"}),
}


@pytest.mark.parametrize(("stage", "node", "make"), UPDATES.values(), ids=UPDATES)
def test_a_changed_state_opens_nothing(
    begin: Begin, stage: str, node: str | None, make: Callable[[Target], dict[str, Any]]
) -> None:
    target = begin(stage)
    with target.graph() as graph:
        graph.update_state(target.config, make(target), as_node=node)
        target.invoke(graph, None)
    target.go_on()
    target.assert_unread()
    assert target.lab.workplace.store.study(target.id)["status"] in (Status.WAITING, Status.STOPPED)


def test_a_state_changed_before_the_worker_goes_on_is_refused_by_the_gate(begin: Begin) -> None:
    target = begin("code approved")
    target.rewrite(**_evil(target))
    assert REFUSED in str(target.go_on())
    assert "the approved code is not this program" in target.refusals()[0]
    target.assert_unread()


def _before(target: Target, graph: Any, node: str) -> Any:
    """Return the checkpoint of the graph just before a node."""
    return next(found for found in graph.get_state_history(target.config) if found.next == (node,)).config


def test_time_travel_executes_nothing_again(begin: Begin) -> None:
    target = begin("done")
    with target.graph() as graph:
        target.invoke(graph, None, _before(target, graph, "execute"))
    assert Counter(key.split("/")[1] for key in target.real_runs()) == {"primary": 1, "replication": 1}
    assert len(target.lab.events(target.id, "gate.opened")) == 2


def test_time_travel_with_other_programs_is_refused(begin: Begin) -> None:
    target = begin("done")
    with target.graph() as graph:
        before = _before(target, graph, "execute")
        target.rewrite(before, **_evil(target))
        assert REFUSED in target.invoke(graph, None, before)
    assert len(target.real_runs()) == len(target.lab.events(target.id, "gate.opened")) == 2
    assert len(target.refusals()) >= 1


def test_time_travel_to_before_the_code_was_decided_needs_that_decision(begin: Begin) -> None:
    target = begin("code")
    with target.graph() as graph:
        target.invoke(graph, None, _before(target, graph, "dry_run"))
    assert target.go_on() is Status.WAITING
    target.assert_unread()


@pytest.mark.parametrize("kind", ["plan", "code", "release"])
def test_the_sign_off_is_not_passed_with_another_approval(begin: Begin, kind: str) -> None:
    target = begin("signoff")
    with target.graph() as graph:
        said = target.invoke(graph, Command(resume=True, update={"checkpoint": f"{target.id}.{kind}.1"}))
    assert "its state names" in said
    target.go_on()
    assert target.lab.events(target.id, "study.ended") == []


def test_a_study_is_not_done_with_another_report_than_was_signed_off(begin: Begin) -> None:
    target = begin("signoff approved")
    with target.graph() as graph:
        said = target.invoke(graph, Command(resume=True, update={"report": target.put("{}")}))
    assert "another report was signed off" in said
    assert target.lab.events(target.id, "study.ended") == []


def _unreleased(target: Target) -> str:
    opened = target.lab.events(target.id, "checkpoint.opened")[-1]
    subject = target.lab.study(target.id).checkpoints.subject(opened.data["id"])
    outcome = json.loads(target.lab.text(subject["execution"], target.id))
    results = next(output["sha256"] for output in outcome["outputs"] if output["name"] == "results.json")
    released = {"checkpoint": opened.data["id"], "checks": {}, "flow": None, "execution": subject["execution"]}
    released |= json.loads(target.lab.text(results, target.id))
    return target.put(canonical_json(released).decode())


@pytest.mark.parametrize("checkpoint", ["release", "code"], ids=["not decided", "another approval"])
def test_results_that_were_not_released_do_not_reach_the_model(begin: Begin, checkpoint: str) -> None:
    target = begin("release")
    document = json.loads(target.lab.text(_unreleased(target), target.id))
    document["checkpoint"] = f"{target.id}.{checkpoint}.1"
    forged = target.put(canonical_json(document).decode())
    with target.graph() as graph, Endpoint(script()) as endpoint:
        context = target.lab.runner(endpoint.base_url)._context(target.lab.study(target.id))
        with pytest.raises(Exception, match="is not what was released"):
            graph.invoke(Command(goto="report", update={"released": forged}), target.config, context=context)
    assert endpoint.bodies == []


def test_results_of_the_twin_are_not_released(begin: Begin) -> None:
    target = begin("code approved")
    with target.graph() as graph:
        said = target.invoke(graph, Command(goto="check", update={"executions": _twin_runs(target)}))
    for text in (said, str(target.go_on())):
        assert "synthetic data is never released" in text
    opened = {event.data["kind"] for event in target.lab.events(target.id, "checkpoint.opened")}
    assert "release" not in opened, "it is not even put up"
    assert target.lab.events(target.id, "results.released") == []


STORE_ROWS = {
    "decided": "UPDATE checkpoints SET decided_by = 'ada', decision = 'approve'",
    "forgotten": "DELETE FROM checkpoints",
    "used by the attack": "INSERT INTO approval_uses VALUES ('{study}.code.1', '{order}', 'attack', 'now')",
    "another subject": "UPDATE checkpoints SET subject = '0'",
    "done": "UPDATE studies SET status = 'done'",
}


@pytest.mark.parametrize("row", STORE_ROWS.values(), ids=STORE_ROWS)
def test_a_planted_row_of_the_store_opens_nothing(begin: Begin, row: str) -> None:
    target = begin("code")
    with sqlite3.connect(target.lab.home / "store.sqlite") as store:
        store.execute(row.format(study=target.id, order=target.order().digest))
    target.go_on()
    with pytest.raises(Exception, match="is not decided"):
        target.open_gate()
    target.assert_unread()


def _pack(module: str, name: str, *arguments: str) -> bytes:
    """Return what LangGraph's default serialiser would read back by calling `module.name(*arguments)`."""
    return ormsgpack.packb(ormsgpack.Ext(1, ormsgpack.packb((module, name, arguments))))


@pytest.mark.parametrize("table", ["checkpoints", "writes"])
@pytest.mark.parametrize(
    ("module", "name"), [("os", "system"), ("pathlib", "Path.touch"), ("subprocess", "check_output")]
)
def test_a_planted_row_of_the_graph_runs_no_code(
    begin: Begin, tmp_path: Path, table: str, module: str, name: str
) -> None:
    target, mark = begin("code"), tmp_path / "pwned"
    planted = _pack(module, name, f"touch {mark}" if module == "os" else str(mark))
    column = "checkpoint" if table == "checkpoints" else "value"
    with sqlite3.connect(target.lab.study(target.id).folder / "graph.sqlite") as graph:
        changed = graph.execute(f"UPDATE {table} SET type = 'msgpack', {column} = ?", (planted,)).rowcount
    assert changed > 0
    if table == "checkpoints":
        assert "can't be read" in str(target.go_on())
    else:
        target.go_on()
    assert not mark.exists()
    target.assert_unread()


def test_the_planted_row_would_run_code_if_it_were_let(tmp_path: Path) -> None:
    mark = tmp_path / "pwned"
    trusting = JsonPlusSerializer(allowed_msgpack_modules=True)
    trusting.loads_typed(("msgpack", _pack("os", "system", f"touch {mark}")))
    assert mark.exists()


def test_a_graph_from_nothing_starts_again_and_passes_no_checkpoint(begin: Begin) -> None:
    target = begin("code")
    (target.lab.study(target.id).folder / "graph.sqlite").unlink()
    assert target.go_on() is Status.WAITING
    target.assert_unread()


def _at_once(count: int, do: Callable[[], object]) -> list[object]:
    together, said = threading.Barrier(count), list[object]()

    def one() -> None:
        together.wait()
        said.append(do())

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def test_three_at_once_in_threads_pass_no_checkpoint(begin: Begin) -> None:
    target = begin("code")
    said = _at_once(3, target.go_on)
    assert all(one is Status.WAITING or "is being run by another process" in str(one) for one in said)
    target.assert_unread()


def test_three_at_once_in_threads_execute_once(begin: Begin) -> None:
    target = begin("code approved")
    said = _at_once(3, target.go_on)
    assert Status.WAITING in said
    assert Counter(key.split("/")[1] for key in target.real_runs()) == {"primary": 1, "replication": 1}
    assert len(target.lab.events(target.id, "gate.opened")) == 2


# A graph of LangGraph's that fails while it is being set up leaves its thread pool to the garbage collector, which may
# call it from a thread of that very pool ("cannot join current thread").
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <generator object get_executor_for_config:pytest.PytestUnraisableExceptionWarning"
)
def test_three_past_the_lease_pass_no_checkpoint(begin: Begin) -> None:
    target = begin("code")

    def resume() -> str:
        with target.graph() as graph:
            return target.invoke(graph, Command(goto="execute", update=_evil(target)))

    _at_once(3, resume)
    target.assert_unread()


_RUN = """
import sys
from pathlib import Path
from counterproof.agents.runner import Runner
from counterproof.agents.study import open_workplace
from counterproof.sandbox import LocalSandbox, find_environment
runner = Runner(workplace=open_workplace(Path(sys.argv[1])), sandbox=LocalSandbox(), environment=find_environment(),
                api_key=lambda _name: "none")
print(runner.run(sys.argv[2]))
"""


@pytest.mark.parametrize("stage", ["code", "code approved"])
def test_three_at_once_in_processes_execute_what_is_approved_once(begin: Begin, stage: str) -> None:
    target = begin(stage)
    command = [sys.executable, "-c", _RUN, str(target.lab.home), target.id]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=120) for process in running]
    assert any(out == "waiting\n" for out, _ in said)
    assert all(out == "waiting\n" or "is being run by another process" in err for out, err in said)
    assert len(target.real_runs()) == (2 if stage == "code approved" else 0)
    assert len(target.lab.events(target.id, "gate.opened")) == len(target.real_runs())


def test_ten_decisions_at_once_make_one(begin: Begin) -> None:
    target = begin("code")
    waiting = target.lab.waiting(target.id)

    def decide() -> str:
        try:
            _decide(target.lab, target.id, waiting.id, waiting.subject)
        except Exception as error:
            return str(error)
        return "decided"

    said = Counter(str(one).split(" (")[0] for one in _at_once(10, decide))
    assert said == {"decided": 1, f"Checkpoint {waiting.id} was already decided by ada": 9}
    assert len(target.lab.events(target.id, "decision.recorded")) == 2


def _decide(lab: Lab, study: str, checkpoint: str, seen: str) -> None:
    lab.study(study).checkpoints.decide(
        checkpoint, KeySigner(key=KEY), reviewer=ADA, decision="approve", comment="At once.", seen=seen
    )
