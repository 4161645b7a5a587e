"""Where programs run: the contract, the local back end and the analysis environments."""

from counterproof.sandbox.contract import (
    Artifact,
    Attestation,
    Captured,
    Execution,
    ExecutionSpec,
    Limits,
    Mount,
    Protection,
    RejectedArtifact,
    Sandbox,
    Session,
    Status,
    Usage,
    run_all,
)
from counterproof.sandbox.environments import (
    Environment,
    build_environment,
    default_root,
    find_environment,
)
from counterproof.sandbox.local import LocalSandbox

__all__ = [
    "Artifact",
    "Attestation",
    "Captured",
    "Environment",
    "Execution",
    "ExecutionSpec",
    "Limits",
    "LocalSandbox",
    "Mount",
    "Protection",
    "RejectedArtifact",
    "Sandbox",
    "Session",
    "Status",
    "Usage",
    "build_environment",
    "default_root",
    "find_environment",
    "run_all",
]
