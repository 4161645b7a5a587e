"""The study graph: the way of a study as LangGraph nodes and edges.

    intake → plan ◆ → write ⇄ dry_run → code ◆ → execute → check → release ◆ → report → sign-off ◆ → export

Straight edges stand here; a node that chooses where to go on says so in its return type. The graph is not a security
boundary: it can be told to go anywhere, and the gate still opens real data to approved bytes only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from counterproof.agents import nodes
from counterproof.agents.context import StudyContext
from counterproof.agents.state import StudyState

RECURSION_LIMIT = 150

StudyGraph = CompiledStateGraph[StudyState, StudyContext, StudyState, StudyState]
Build = Callable[[BaseCheckpointSaver[Any] | None], StudyGraph]
"""Compiles a graph over a checkpointer."""


def build_graph(checkpointer: BaseCheckpointSaver[Any] | None) -> StudyGraph:
    """Compile the study graph over a checkpointer; without one it can be drawn, and not run."""
    graph = StateGraph(StudyState, context_schema=StudyContext)
    for name in nodes.__all__:
        graph.add_node(name, getattr(nodes, name))
    graph.add_edge(START, "intake")
    graph.add_edge("intake", "plan")
    graph.add_edge("plan", "plan_checkpoint")
    graph.add_edge("write", "dry_run")
    graph.add_edge("report", "signoff_checkpoint")
    graph.add_edge("export", END)
    return graph.compile(checkpointer=checkpointer)
