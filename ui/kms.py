"""Key management services, which other packages bring: entry points of the group `counterproof.protectors`.

An entry point is a function that takes what the vault says of the service (for a new one: its name as `kind`, and what
`data protect KIND --set NAME=VALUE` gave) and returns a `provenance.vault_keys.Protector`. What its `describe` gives is
kept in the vault beside the wrapped keys: `kind`, whatever finds the key again, and under `variables` the names of the
environment variables that the gate's process needs to reach the service.

It does not cover what a service is, nor its credentials: they are that package's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, TypeVar

from counterproof.provenance.errors import CounterproofError, MachineTrouble, UsageError
from counterproof.provenance.vault_keys import Protector

KMS_GROUP = "counterproof.protectors"
BUILT_IN = ("passphrase", "key-file", "keyring")
_T = TypeVar("_T")


def kms_protector(described: Mapping[str, Any]) -> Protector:
    """Return the protector that another package brings.

    Args:
        described: what the vault says of it, `kind` first of all.

    Raises:
        UsageError: no package brings it, or what it says of itself would not find it again.
        MachineTrouble: the package failed.
    """
    kind = str(described.get("kind"))
    found = [point for point in entry_points(group=KMS_GROUP) if point.name == kind]
    if not found:
        known = ", ".join(sorted(point.name for point in entry_points(group=KMS_GROUP))) or "none"
        raise UsageError(
            f"The keys of the vault are under {kind!r}, or should be, and it is not installed.",
            allowed=f"Built in: {', '.join(BUILT_IN)}. Installed: {known}.",
            advice=f"Install the package that brings the entry point {kind!r} of the group {KMS_GROUP}.",
        )
    made: Protector = _tried(kind, lambda: found[0].load()(dict(described)))
    foreign = _Foreign(kind, made)
    foreign.describe()
    return foreign


class _Foreign:
    """A protector of another package, whose errors become ours.

    Args:
        kind: the name of its entry point.
        protector: what that returned.
    """

    def __init__(self, kind: str, protector: Protector) -> None:
        self._kind = kind
        self._protector = protector

    def describe(self) -> dict[str, Any]:
        """Return what the vault keeps of it."""
        about = _tried(self._kind, self._protector.describe)
        try:
            kept: dict[str, Any] = json.loads(json.dumps(about))
            fits = kept.get("kind") == self._kind and all(isinstance(one, str) for one in kept.get("variables", []))
        except (AttributeError, TypeError, ValueError):
            fits = False
        if not fits:
            raise UsageError(
                f"The package behind {self._kind!r} says of itself {about!r:.200}.",
                allowed=f"A JSON object with the kind {self._kind!r}; its `variables`, if any, are names.",
                advice="Report it to whoever wrote that package; nothing was changed.",
            )
        return kept

    def wrap(self, key: bytes, *, about: bytes) -> bytes:
        """Return the wrapped key."""
        return _tried(self._kind, lambda: self._protector.wrap(key, about=about))

    def unwrap(self, wrapped: bytes, *, about: bytes) -> bytes:
        """Return the key."""
        return _tried(self._kind, lambda: self._protector.unwrap(wrapped, about=about))


def _tried(kind: str, do: Callable[[], _T]) -> _T:
    """Return what another package's code returns; whatever it raises becomes an error of ours."""
    try:
        return do()
    except CounterproofError:
        raise
    except Exception as error:
        raise MachineTrouble(
            f"The key management service {kind!r} can't be used: {type(error).__name__}: {error}.",
            advice="See whether it can be reached, and whether this user may use the key; then try again.",
        ) from error
