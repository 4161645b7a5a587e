"""The software that makes a study, as its first event names it.

Names and versions of what decides on a study's course, the licence, and one digest over the source of the study graph
and its prompts, which stands for the commit and the graph: another prompt or another edge is another digest. Nothing
of it is compared in a replay, and nothing of it is in a prompt.

It does not cover the analysis environments, which have digests of their own, nor the machine.
"""

from __future__ import annotations

import platform
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from counterproof.provenance.digests import digest_of, sha256_bytes
from counterproof.provenance.software import versions

_NAMED = (
    "counterproof",
    "langgraph",
    "langgraph-checkpoint-sqlite",
    "langchain-core",
    "langchain-openai",
    "openai",
    "pydantic",
    "pandas",
    "numpy",
    "cryptography",
    "opentelemetry-sdk",
)
_SOURCE = (".py", ".md", ".txt", ".toml")


@cache
def software() -> dict[str, str]:
    """Return name and version of each, the licence, and the digest of the study graph's source."""
    return {
        **versions(*_NAMED),
        "python": platform.python_version(),
        "licence of counterproof": "Apache-2.0",
        "sha256 of the study graph's source and prompts": digest_of(_digests(files("counterproof.agents"))),
    }


def _digests(folder: Traversable, under: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            found |= _digests(entry, f"{under}{entry.name}/")
        elif entry.name.endswith(_SOURCE):
            found[f"{under}{entry.name}"] = sha256_bytes(entry.read_bytes())
    return found
