"""The nodes of the graph that makes a synthetic set, one a file."""

from counterproof.agents.synthesis_nodes.export import export
from counterproof.agents.synthesis_nodes.intake import intake
from counterproof.agents.synthesis_nodes.judge import judge
from counterproof.agents.synthesis_nodes.make import make
from counterproof.agents.synthesis_nodes.release_checkpoint import release_checkpoint
from counterproof.agents.synthesis_nodes.sample_checkpoint import sample_checkpoint
from counterproof.agents.synthesis_nodes.specification_checkpoint import specification_checkpoint

__all__ = [
    "export",
    "intake",
    "judge",
    "make",
    "release_checkpoint",
    "sample_checkpoint",
    "specification_checkpoint",
]
