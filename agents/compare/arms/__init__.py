"""The ways of working: each is a function of a workbench that gives an attempt."""

from counterproof.agents.compare.arms.agentic import agentic
from counterproof.agents.compare.arms.gated import gated
from counterproof.agents.compare.arms.single_shot import single_shot

__all__ = ["agentic", "gated", "single_shot"]
