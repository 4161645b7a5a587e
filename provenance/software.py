"""Names and versions of installed software, as the record and the bundle say them.

It does not cover the software of analysis environments: their locks and digests do.
"""

from __future__ import annotations

from importlib import metadata

UNKNOWN = "not known"


def versions(*names: str) -> dict[str, str]:
    """Return the version of each distribution; one that is not installed as such is said to be not known."""
    return {name: _version(name) for name in names}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return UNKNOWN
