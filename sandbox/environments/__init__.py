"""The analysis environments that programs run in: found, built and described."""

from counterproof.sandbox.environments.environment import (
    Environment,
    Language,
    Listed,
    build_environment,
    default_root,
    find_environment,
    language_of,
    list_environments,
)

__all__ = [
    "Environment",
    "Language",
    "Listed",
    "build_environment",
    "default_root",
    "find_environment",
    "language_of",
    "list_environments",
]
