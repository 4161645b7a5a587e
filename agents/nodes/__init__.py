"""The nodes of the study graph, one a file."""

from counterproof.agents.nodes.check import check
from counterproof.agents.nodes.code_checkpoint import code_checkpoint
from counterproof.agents.nodes.dry_run import dry_run
from counterproof.agents.nodes.execute import execute
from counterproof.agents.nodes.export import export
from counterproof.agents.nodes.intake import intake
from counterproof.agents.nodes.plan import plan
from counterproof.agents.nodes.plan_checkpoint import plan_checkpoint
from counterproof.agents.nodes.release_checkpoint import release_checkpoint
from counterproof.agents.nodes.report import report
from counterproof.agents.nodes.signoff_checkpoint import signoff_checkpoint
from counterproof.agents.nodes.write import write

__all__ = [
    "check",
    "code_checkpoint",
    "dry_run",
    "execute",
    "export",
    "intake",
    "plan",
    "plan_checkpoint",
    "release_checkpoint",
    "report",
    "signoff_checkpoint",
    "write",
]
