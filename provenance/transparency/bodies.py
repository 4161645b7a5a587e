"""The bodies that a reader outside may see: those on the open side, checked against their digests.

A body is open when any event names it on the open side, which is the rule by which bundles are packed. Everything else
is withheld: `Bodies` gives nothing of it, whatever the store behind it holds.

It does not cover released files: those are open because their release event names them so.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import Event


class Reader(Protocol):
    """Gives the bytes of a body by its digest; `Blobs` does."""

    def get(self, digest: str, /) -> bytes:
        """Return the bytes.

        Raises:
            VerificationFailed: there is no such body.
        """
        ...

    def check(self, digest: str, /) -> None:
        """Check that a body is there with its digest, without having it in memory at once.

        Raises:
            VerificationFailed: it is missing or changed.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """A body that is not shown.

    Attributes:
        sha256: its digest.
        size: its length in bytes.
        role: what it is to the first event that names it.
        why: why it is not shown.
        events: numbers of the events that name it.
    """

    sha256: str
    size: int
    role: str
    why: str
    events: tuple[int, ...]


class Bodies:
    """The open bodies of a record.

    Args:
        events: the record.
        blobs: where the bodies are; may hold secure ones too.
        withheld: digests of open bodies that are left out all the same (a redacted bundle).
    """

    def __init__(self, events: Sequence[Event], blobs: Reader, *, withheld: Collection[str] = ()) -> None:
        self._blobs = blobs
        self._named = [(event.seq, ref) for event in events for ref in event.refs]
        self._kept_back = frozenset(withheld)
        self._open = {ref.sha256 for _, ref in self._named if ref.side == "open"}

    def has(self, digest: str) -> bool:
        """Say whether a body may be seen."""
        return digest in self._open and digest not in self._kept_back

    def get(self, digest: str) -> bytes | None:
        """Return a body, or None where it is withheld.

        Raises:
            VerificationFailed: it should be there and is missing or changed.
        """
        if not self.has(digest):
            return None
        data = self._blobs.get(digest)
        if sha256_bytes(data) != digest:
            raise VerificationFailed(f"The body {digest} has been changed.")
        return data

    def check(self, digest: str) -> None:
        """Check a body that may be seen, however large it is.

        Raises:
            VerificationFailed: it is missing or changed.
        """
        if self.has(digest):
            self._blobs.check(digest)

    def text(self, digest: str) -> str | None:
        """Return a body as text, or None where it is withheld; bytes that are no UTF-8 are marked."""
        data = self.get(digest)
        return None if data is None else data.decode("utf-8", errors="replace")

    def json(self, digest: str) -> Any:
        """Return a body as JSON; None where it is withheld or no JSON."""
        data = self.get(digest)
        return None if data is None else parse_json(data)

    def withheld(self) -> list[Withheld]:
        """Return every body that is not shown, in the order of their digests."""
        found: dict[str, Withheld] = {}
        for seq, ref in self._named:
            if self.has(ref.sha256):
                continue
            before = found.get(ref.sha256)
            redacted = ref.sha256 in self._open
            found[ref.sha256] = Withheld(
                sha256=ref.sha256,
                size=ref.size,
                role=before.role if before else ref.role,
                why="left out of this copy" if redacted else "computed from real data, not released",
                events=tuple(dict.fromkeys((*(before.events if before else ()), seq))),
            )
        return [found[digest] for digest in sorted(found)]

    def open_digests(self) -> list[str]:
        """Return the digests of all bodies that may be seen, sorted."""
        return sorted(digest for digest in self._open if self.has(digest))


def parse_json(data: bytes | str) -> Any:
    """Return JSON, or None where it is none: an answer may be anything."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def as_dict(value: Any) -> dict[str, Any]:
    """Return a JSON object, or an empty one where it is something else."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return a JSON array, or an empty one where it is something else."""
    return value if isinstance(value, list) else []
