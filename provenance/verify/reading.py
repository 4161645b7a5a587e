"""A bundle that is being read by the steps of a verification."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from counterproof.provenance.bundle import PROFILE
from counterproof.provenance.crate import blob_name
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import Event
from counterproof.provenance.withheld import Profile


class NotApplicable(Exception):
    """A step had nothing to look at, and the record shows why; the text says it."""


class NotHere(Exception):
    """A step found no fault, and something that it can't check here; the arguments are its evidence, line by line."""


@dataclass
class Bundle:
    """A bundle that is being read; `name` of a file is given without the top folder and `data/`.

    Attributes:
        archive: the zip.
        top: name of the bag's folder.
        digests: SHA-256 of files by their names in the zip, as far as they were read through already.
        authority: certificates (PEM) of the time-stamping authority that the caller trusts; empty where none was named.
        events: the record, once its chain is checked.
    """

    archive: zipfile.ZipFile
    top: str
    digests: dict[str, str] = field(default_factory=dict)
    authority: bytes = b""
    events: list[Event] = field(default_factory=list)

    def info(self, row: str) -> list[str]:
        """Return the values that `bag-info.txt` has for a row; none where there is no such file, which step 2 says."""
        if f"{self.top}/bag-info.txt" not in self.archive.namelist():
            return []
        lines = self.tag("bag-info.txt").decode().splitlines()
        return [line.removeprefix(f"{row}: ") for line in lines if line.startswith(f"{row}:")]

    @property
    def profile(self) -> Profile:
        """What the bag says that it holds.

        Raises:
            VerificationFailed: it does not say so once, or in other words.
        """
        match self.info(PROFILE):
            case ["full"]:
                return "full"
            case ["redacted"]:
                return "redacted"
            case rows:
                raise VerificationFailed(f"The bag names the profile {rows}.", allowed="It is full or redacted, once.")

    def tag(self, name: str) -> bytes:
        """Return a file of the bag outside of its payload."""
        return self._read(f"{self.top}/{name}")

    def get(self, name: str) -> bytes:
        """Return a file of the payload."""
        return self._read(f"{self.top}/data/{name}")

    @contextmanager
    def stream(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file of the payload to be read line by line; it is never in memory at once."""
        with _named_troubles(f"{self.top}/data/{name}") as place, self.archive.open(place) as file:
            yield io.BufferedReader(file)  # type: ignore[type-var]  # has all that is used of a raw file

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

    def check_blob(self, digest: str) -> int:
        """Check that a body is there and has its digest, in memory that does not grow with it, and return its size."""
        name = blob_name(digest)
        try:
            size = self.archive.getinfo(f"{self.top}/data/{name}").file_size
        except KeyError as error:
            raise VerificationFailed(f"The file {self.top}/data/{name} is missing.") from error
        if self.digest(f"data/{name}") != digest:
            raise VerificationFailed(f"The file data/{name} has been changed.")
        return size

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
        whole = f"{self.top}/{name}"
        if whole not in self.digests:
            self.digests[whole] = self._digest(whole)
        return self.digests[whole]

    def names(self, under: str = "") -> list[str]:
        """Return the names of the payload's files, below a folder where one is given."""
        prefix = f"{self.top}/data/{under}"
        return [name[len(prefix) :] for name in self.archive.namelist() if name.startswith(prefix)]

    def tags(self) -> set[str]:
        """Return the names of the bag's files outside of its payload."""
        names = {name.removeprefix(f"{self.top}/") for name in self.archive.namelist()}
        return {name for name in names if not name.startswith("data/")}

    def sizes(self) -> dict[str, int]:
        """Return the size of each file of the payload."""
        prefix = f"{self.top}/data/"
        files = self.archive.infolist()
        return {file.filename[len(prefix) :]: file.file_size for file in files if file.filename.startswith(prefix)}

    def of_type(self, *types: str) -> list[Event]:
        """Return the events of some types."""
        return [event for event in self.events if event.type in types]

    def approvals(self) -> dict[str, Event]:
        """Return the event of each checkpoint that was approved."""
        decided = self.of_type("decision.recorded")
        return {event.data["checkpoint"]: event for event in decided if event.data["decision"] == "approve"}

    def _digest(self, name: str) -> str:
        try:
            with self.archive.open(name) as file:
                return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        except (KeyError, zipfile.BadZipFile, OSError):
            return ""

    def _read(self, name: str) -> bytes:
        with _named_troubles(name):
            return self.archive.read(name)


@contextmanager
def _named_troubles(name: str) -> Iterator[str]:
    """Say of which file of the bag it is that it can't be read."""
    try:
        yield name
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
