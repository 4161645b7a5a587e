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
from counterproof.sandbox.determinism import Comparison, run_twice
from counterproof.sandbox.environments import (
    Environment,
    Language,
    Listed,
    build_environment,
    default_root,
    find_environment,
    language_of,
    list_environments,
)
from counterproof.sandbox.errors import SandboxUnavailable
from counterproof.sandbox.landlock import LandlockSandbox
from counterproof.sandbox.local import LocalSandbox
from counterproof.sandbox.unsafe import UnsafeUnisolatedSandbox
from counterproof.sandbox.warm import WarmSandbox

__all__ = [
    "Artifact",
    "Attestation",
    "Captured",
    "Comparison",
    "Environment",
    "Execution",
    "ExecutionSpec",
    "LandlockSandbox",
    "Language",
    "Limits",
    "Listed",
    "LocalSandbox",
    "Mount",
    "Protection",
    "RejectedArtifact",
    "Sandbox",
    "SandboxUnavailable",
    "Session",
    "Status",
    "UnsafeUnisolatedSandbox",
    "Usage",
    "WarmSandbox",
    "build_environment",
    "default_root",
    "find_environment",
    "language_of",
    "list_environments",
    "run_all",
    "run_twice",
]
