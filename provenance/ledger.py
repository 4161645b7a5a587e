"""The ledger of a vault: which files were added under which terms, and which were forgotten, by whom and why.

It is a record of its own (`record.Record`): append-only and hash-chained. What is forgotten stays in it by digest, so
that bundles which name the digest stay verifiable.

What twins and sets with differential privacy take of a file's epsilon is added up here over all studies, and written
down before the file is read for them: under basic composition, what all of them together say of one person is bounded
by the sum (Dwork and Roth, 2014, theorem 3.16).

It does not cover the bytes (`vault`), nor sets that are made outside of the vault (`synth make`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.errors import UsageError
from counterproof.provenance.events import Actor, now
from counterproof.provenance.record import Record

Exposure = Literal["metadata", "released", "rows"]
EXPOSURES: tuple[str, ...] = get_args(Exposure)


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of the vault.

    Attributes:
        sha256: digest of its plain bytes.
        name: file name; programs find it under this name.
        size: length in bytes.
        exposure: the most that a study may let the model see of it.
        third_party: whether it may be given to somebody else's machines (E2B).
        share: whether the file itself may go into a bundle.
        epsilon: the most that all its private twins and sets may take together; 0 where nobody said how much.
        source: where it is from, and under which agreement.
        licence: its licence, SPDX where there is one.
        original: name of the file that it was made from; "" where it is that file itself.
        original_sha256: digest of that file, or "".
        added_by: who added it.
        added_at: when (UTC).
        forgotten_at: when it was forgotten; "" while it is there.
        forgotten_by: by whom.
        reason: why it was forgotten.
    """

    sha256: str
    name: str
    size: int
    exposure: Exposure = "metadata"
    third_party: bool = False
    share: bool = False
    epsilon: float = 0.0
    source: str = ""
    licence: str = ""
    original: str = ""
    original_sha256: str = ""
    added_by: str = ""
    added_at: str = ""
    forgotten_at: str = ""
    forgotten_by: str = ""
    reason: str = ""


class Ledger:
    """The ledger in a folder; made when the first file is added."""

    def __init__(self, folder: Path) -> None:
        self._record = Record(folder, blobs=Blobs(folder / "blobs"))

    def added(self, entry: Entry, *, by: str) -> Entry:
        """Write down that a file was added; the same terms again change nothing, other terms count from now on."""
        with self._record.exclusive():
            known = self.entries().get(entry.sha256)
            if known and not known.forgotten_at and _terms(known) == _terms(entry):
                return known
            made = msgspec.structs.replace(
                entry, added_by=by, added_at=now(), forgotten_at="", forgotten_by="", reason=""
            )
            self._record.append("data.added", actor=Actor(kind="human", id=by), data=msgspec.to_builtins(made))
            return made

    def forgotten(self, digest: str, *, by: str, reason: str) -> Entry:
        """Write down that a file is forgotten.

        Raises:
            UsageError: it is not in the ledger, or was forgotten before.
        """
        with self._record.exclusive():
            known = self.find(digest)
            if known.forgotten_at:
                raise UsageError(f"{known.name} was forgotten on {known.forgotten_at[:10]} by {known.forgotten_by}.")
            data = {"sha256": digest, "reason": reason}
            self._record.append("data.forgotten", actor=Actor(kind="human", id=by), data=data)
            return self.find(digest)

    def take(self, digest: str, epsilon: float, *, use: str) -> None:
        """Write down that a private twin or set of a file is about to be made.

        Args:
            digest: of the file.
            epsilon: what it takes.
            use: names the twin or set; the same one again, after a kill, takes nothing more.

        Raises:
            UsageError: it would be more than the terms of the file allow; nothing is taken.
        """
        with self._record.exclusive():
            taken = self._taken(digest)
            if use in taken:
                return
            so_far, entry = math.fsum(taken.values()), self.entries().get(digest)
            if entry is not None and entry.epsilon and so_far + epsilon > entry.epsilon:
                raise UsageError(
                    f"{entry.name} was added with an epsilon of {entry.epsilon:g} for all its private twins and sets; "
                    f"they took {so_far:g}, and {epsilon:g} is asked for.",
                    allowed=f"At most {max(entry.epsilon - so_far, 0):g}.",
                    advice="Ask for less in the policy or the specification. Who answers for the data may add the file "
                    "again with more: `counterproof data add --epsilon`.",
                )
            self._record.append("epsilon.taken", data={"sha256": digest, "epsilon": epsilon, "use": use})

    def taken(self, digest: str) -> float:
        """Return what the private twins and sets of a file have taken of its epsilon, over all studies."""
        return math.fsum(self._taken(digest).values())

    def _taken(self, digest: str) -> dict[str, float]:
        events = self._record.of_type("epsilon.taken")
        return {event.data["use"]: event.data["epsilon"] for event in events if event.data["sha256"] == digest}

    def find(self, name: str) -> Entry:
        """Return the file that a digest, the beginning of one (8 digits or more), or a file name means.

        Raises:
            UsageError: there is none, or there are several.
        """
        return find_entry(name, self.entries())

    def entries(self) -> dict[str, Entry]:
        """Return each file by its digest, in the order in which they were added first."""
        found: dict[str, Entry] = {}
        for event in self._record.of_type("data.added", "data.forgotten"):
            if event.type == "data.added":
                found[event.data["sha256"]] = msgspec.convert(event.data, Entry)
            else:
                about = {"forgotten_at": event.ts, "forgotten_by": event.actor.id, "reason": event.data["reason"]}
                found[event.data["sha256"]] = msgspec.structs.replace(found[event.data["sha256"]], **about)
        return found


def find_entry(name: str, entries: Mapping[str, Entry]) -> Entry:
    """Return the file that a name means among these, by their digests; see `Ledger.find`."""
    if name in entries:
        return entries[name]
    there = [entry for entry in entries.values() if not entry.forgotten_at]
    found = [entry for entry in there if name == entry.name or (len(name) >= 8 and entry.sha256.startswith(name))]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{entry.name} ({entry.sha256[:12]}…)" for entry in there)
    raise UsageError(
        f"{name!r} means {len(found)} files of the vault.",
        allowed=f"It holds: {known or 'nothing yet'}.",
        advice="Name one by its digest: `counterproof data list`.",
    )


def _terms(entry: Entry) -> Any:
    access = (entry.exposure, entry.third_party, entry.share, entry.epsilon)
    return (entry.name, entry.size, *access, entry.source, entry.licence)
