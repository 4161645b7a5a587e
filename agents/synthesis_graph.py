"""The graph that makes a synthetic set: the way of a study whose purpose is synthesis.

    intake → specification ◆ → make → sample ◆ → judge → release ◆ → export

It is run, stopped, resumed and decided on like the graph of an analysis (`graph`), and is no security boundary either:
the gate opens real data to a maker under an approved specification only.
"""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph

from counterproof.agents import synthesis_nodes
from counterproof.agents.context import StudyContext
from counterproof.agents.graph import StudyGraph
from counterproof.agents.state import StudyState


def build_synthesis_graph(checkpointer: BaseCheckpointSaver[Any] | None) -> StudyGraph:
    """Compile the graph over a checkpointer; without one it can be drawn, and not run."""
    graph = StateGraph(StudyState, context_schema=StudyContext)
    for name in synthesis_nodes.__all__:
        graph.add_node(name, getattr(synthesis_nodes, name))
    graph.add_edge(START, "intake")
    graph.add_edge("intake", "specification_checkpoint")
    graph.add_edge("make", "sample_checkpoint")
    graph.add_edge("judge", "release_checkpoint")
    graph.add_edge("export", END)
    return graph.compile(checkpointer=checkpointer)
