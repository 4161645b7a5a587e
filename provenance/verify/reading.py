"""A bundle that is being read by the steps of a verification."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from typing import Any

from counterproof.provenance.crate import blob_name
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.record import Event


class NotApplicable(Exception):
    """A step had nothing to look at; the text says why."""


@dataclass
class Bundle:
    """A bundle that is being read; `name` of a file is given without the top folder and `data/`."""

    archive: zipfile.ZipFile
    top: str
    events: list[Event] = field(default_factory=list)

    def tag(self, name: str) -> bytes:
        """Return a file of the bag outside of its payload."""
        return self._read(f"{self.top}/{name}")

    def get(self, name: str) -> bytes:
        """Return a file of the payload."""
        return self._read(f"{self.top}/data/{name}")

    def json(self, name: str) -> Any:
        """Return a JSON file of the payload."""
        try:
            return json.loads(self.get(name))
        except ValueError as error:
            raise VerificationFailed(f"The file data/{name} is no JSON: {error}.") from error

    def blob(self, digest: str) -> bytes:
        """Return a body, with its digest checked."""
        data = self.get(blob_name(digest))
        if sha256_bytes(data) != digest:
            raise VerificationFailed(f"The file data/{blob_name(digest)} has been changed.")
        return data

    def body(self, event: Event, role: str) -> Any:
        """Return the JSON body that an event has in a role."""
        return self.document(event.ref(role).sha256)

    def document(self, digest: str) -> Any:
        """Return a JSON body."""
        try:
            return json.loads(self.blob(digest))
        except ValueError as error:
            raise VerificationFailed(f"The body {digest} is no JSON: {error}.") from error

    def digest(self, name: str) -> str:
        """Return the digest of a file of the bag, "" where it can't be read; the file is never in memory at once."""
        try:
            with self.archive.open(f"{self.top}/{name}") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        except (KeyError, zipfile.BadZipFile, OSError):
            return ""

    def names(self, under: str = "") -> list[str]:
        """Return the names of the payload's files, below a folder where one is given."""
        prefix = f"{self.top}/data/{under}"
        return [name[len(prefix) :] for name in self.archive.namelist() if name.startswith(prefix)]

    def of_type(self, *types: str) -> list[Event]:
        """Return the events of some types."""
        return [event for event in self.events if event.type in types]

    def approvals(self) -> dict[str, Event]:
        """Return the event of each checkpoint that was approved."""
        decided = self.of_type("decision.recorded")
        return {event.data["checkpoint"]: event for event in decided if event.data["decision"] == "approve"}

    def _read(self, name: str) -> bytes:
        try:
            return self.archive.read(name)
        except KeyError as error:
            raise VerificationFailed(f"The file {name} is missing.") from error
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise VerificationFailed(f"The file {name} has been changed: {error}.") from error


def fail_if(faults: list[str]) -> None:
    """Raise what was found, if anything was: the first five faults, and how many more there are.

    Raises:
        VerificationFailed: there are faults.
    """
    if faults:
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise VerificationFailed("; ".join(faults[:5]) + more + ".")
