"""The analysis environments that programs run in: found, built and described."""

from counterproof.sandbox.environments.environment import (
    Environment,
    build_environment,
    default_root,
    find_environment,
)

__all__ = ["Environment", "build_environment", "default_root", "find_environment"]
