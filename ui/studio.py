"""The graphs that LangGraph Studio shows (`langgraph.json`): the way of a study, and the checkpoints that wait.

`study` is there to be looked at: Studio knows none of the handles that a study is run with, so running it there ends at
its first step. `inbox` shows the waiting checkpoint of a study of this store as an interrupt, and writes an answer down
as a request for a decision. Neither can decide or run anything: that takes a signature, and `counterproof run` or a
worker.

It does not cover who may ask: `langgraph dev` lets everybody who reaches its port in. Loopback only (docs/studio.md).
"""

from __future__ import annotations

from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from counterproof.agents.foreign_answers import note_request, question
from counterproof.agents.graph import build_graph
from counterproof.agents.study import open_study
from counterproof.provenance.errors import UsageError
from counterproof.ui import environment
from counterproof.ui.common import workplace


class Asking(TypedDict, total=False):
    """What Studio shows of a checkpoint."""

    study: str
    """The study to look at; the first that waits where it is empty."""
    checkpoint: str
    """The checkpoint that waits."""
    request: dict[str, Any]
    """Its question (LangChain's HITLRequest, one action)."""
    outcome: str
    """What became of the answer."""


def look(state: Asking) -> Asking:
    """Find the checkpoint that waits."""
    place = workplace(environment.default_home())
    waiting = [row for row in place.store.waiting() if state.get("study") in (None, "", row["study"])]
    if not waiting:
        raise UsageError(
            f"No checkpoint of {state.get('study') or 'any study'} waits.", advice="`counterproof show` lists studies."
        )
    checkpoint = open_study(place, waiting[0]["study"]).checkpoints.get(waiting[0]["id"])
    return {"study": checkpoint.study, "checkpoint": checkpoint.id, "request": question(checkpoint)}


def ask(state: Asking) -> Asking:
    """Show the question, and write down what is answered."""
    answer = interrupt(state["request"])
    study = open_study(workplace(environment.default_home()), state["study"])
    asked = note_request(study.record, study.checkpoints.get(state["checkpoint"]), answer)
    signing = f"A reviewer signs it with `counterproof decide {state['checkpoint']}`."
    return {"outcome": f"{asked.decision!r} is asked for. {signing}" if asked else f"Nothing was asked for. {signing}"}


def _inbox() -> Any:
    graph = StateGraph(Asking)
    graph.add_node("look", look)
    graph.add_node("ask", ask)
    graph.add_edge(START, "look")
    graph.add_edge("look", "ask")
    graph.add_edge("ask", END)
    return graph.compile()


environment.clean()
study = build_graph(None)
inbox = _inbox()
