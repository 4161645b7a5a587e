"""The forger's workshop: bundles that were changed, by somebody who knows exactly how bundles are made.

`Bag` changes files and can make the manifests, the seal and the zip fit again. `Story` changes the history itself: what
it gives was made by the product's own export from a record whose chain is whole again, sealed with the forger's key.
What a forger never has is a reviewer's private key.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.bundle import SIGNATURE, export_bundle
from counterproof.provenance.crate import blob_name
from counterproof.provenance.digests import canonical_json, sha256_bytes
from counterproof.provenance.record import FIRST, Record
from counterproof.provenance.signing import BUNDLE_NAMESPACE, public_line, sign
from counterproof.provenance.verify import Step, Verification, verify_bundle
from counterproof.provenance.zips import Source, write_zip

FORGER = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
TAGS = ("bagit.txt", "bag-info.txt", "manifest-sha256.txt")


class Bag:
    """The files of a bundle, by their names in the bag.

    Args:
        bundle: the zip file.
    """

    def __init__(self, bundle: Path) -> None:
        with zipfile.ZipFile(bundle) as archive:
            names = archive.namelist()
            self.top = names[0].partition("/")[0]
            self.files = {name[len(self.top) + 1 :]: archive.read(name) for name in names}

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace a text that stands in a file."""
        assert old.encode() in self.files[name], f"{old!r} is not in {name}"
        self.files[name] = self.files[name].replace(old.encode(), new.encode())

    def json(self, name: str, change: Callable[[Any], Any]) -> None:
        """Change a JSON file; `change` edits it in place, or returns what stands there instead."""
        value = json.loads(self.files[name])
        changed = change(value)
        self.files[name] = json.dumps(value if changed is None else changed, indent=1, sort_keys=True).encode()

    def events(self, change: Callable[[list[dict[str, Any]]], None]) -> None:
        """Change the record and make chain and head fit again, here and in bag-info.txt."""
        name = "data/record/events.jsonl"
        events = [json.loads(line) for line in self.files[name].splitlines()]
        head = hashlib.sha256(self.files[name].splitlines()[-1]).hexdigest()
        change(events)
        self.files[name] = chained(events)
        now = hashlib.sha256(self.files[name].splitlines()[-1]).hexdigest()
        self.json("data/record/head.json", lambda _old: {"events": len(events), "head": now})
        self.replace("bag-info.txt", head, now)

    def rebag(self) -> None:
        """Make both manifests fit the files."""
        self.files["manifest-sha256.txt"] = _manifest(self.files, lambda name: name.startswith("data/"))
        strange = {name for name in self.files if not name.startswith(("data/", "signatures/", "tagmanifest-"))}
        self.files["tagmanifest-sha256.txt"] = _manifest(self.files, lambda name: name in strange)

    def reseal(self, key: Ed25519PrivateKey = FORGER) -> None:
        """Make the manifests fit, and sign them with another service key, whose public half is put in."""
        self.files["data/keys/service_signers"] = f"service {public_line(key.public_key())}\n".encode()
        self.rebag()
        self.files[SIGNATURE] = sign(key, self.files["tagmanifest-sha256.txt"], namespace=BUNDLE_NAMESPACE)

    def write(self, target: Path) -> Path:
        """Write the bag as a canonical zip."""
        return write_files(target, {f"{self.top}/{name}": data for name, data in self.files.items()})


class Story:
    """The history of a bundle, to be told otherwise.

    Args:
        bundle: the zip file.
        folder: an empty folder to work in.
    """

    def __init__(self, bundle: Path, folder: Path) -> None:
        self._bag = Bag(bundle)
        self._folder = folder
        self.study = self._bag.top
        self._blobs = Blobs(folder / "blobs")
        for name, data in self._bag.files.items():
            if name.startswith("data/record/blobs/"):
                self._blobs.put(data)
        self.events: list[dict[str, Any]] = [
            json.loads(line) for line in self._bag.files["data/record/events.jsonl"].splitlines()
        ]

    def first(self, type_: str, **data: Any) -> dict[str, Any]:
        """Return the first event of a type whose data hold these values."""
        return next(
            event
            for event in self.events
            if event["type"] == type_ and all(event["data"].get(key) == value for key, value in data.items())
        )

    def drop(self, *events: dict[str, Any]) -> None:
        """Leave events out."""
        self.events = [event for event in self.events if event not in events]

    def move(self, event: dict[str, Any], *, before: dict[str, Any]) -> None:
        """Put an event somewhere else."""
        self.events = [other for other in self.events if other is not event]
        self.events.insert(self.events.index(before), event)

    def text(self, event: dict[str, Any], role: str) -> bytes:
        """Return the body that an event has in a role."""
        return self._blobs.get(_ref(event, role)["sha256"])

    def put(self, event: dict[str, Any], role: str, body: bytes) -> str:
        """Give an event another body in a role, and return its digest."""
        ref = _ref(event, role)
        ref |= {"sha256": self._blobs.put(body), "size": len(body)}
        return str(ref["sha256"])

    def json(self, event: dict[str, Any], role: str, change: Callable[[Any], Any]) -> str:
        """Change a JSON body of an event and return its new digest."""
        value = json.loads(self.text(event, role))
        changed = change(value)
        return self.put(event, role, canonical_json(value if changed is None else changed))

    def export(self, target: Path, key: Ed25519PrivateKey = FORGER) -> Path:
        """Export the history as it is told now, by the product's own export."""
        record = self._folder / "record" / "events.jsonl"
        record.parent.mkdir()
        record.write_bytes(chained(self.events))
        spans, inputs = self._folder / "spans", {}
        for name, data in self._bag.files.items():
            if name.startswith("data/telemetry/"):
                spans.write_bytes(data)
            if name.startswith("data/inputs/"):
                place = self._folder / Path(name).name
                place.write_bytes(data)
                inputs[place.name] = place
        made = Record(record.parent, blobs=self._blobs)
        export_bundle(made, target, study=self.study, service_key=key, inputs=inputs, spans=spans)
        return target


def chained(events: list[dict[str, Any]]) -> bytes:
    """Return events as lines of a whole chain, numbered anew."""
    prev, lines = FIRST, []
    for seq, event in enumerate(events):
        line = canonical_json({**event, "seq": seq, "prev": prev})
        prev = sha256_bytes(line)
        lines.append(line + b"\n")
    return b"".join(lines)


def blob(digest: str) -> str:
    """Return the name of a body in the bag."""
    return f"data/{blob_name(digest)}"


def write_files(target: Path, files: dict[str, bytes]) -> Path:
    """Write files as a canonical zip."""
    with target.open("wb") as file:
        write_zip(file, {name: Source(open=partial(io.BytesIO, data), size=len(data)) for name, data in files.items()})
    return target


def failed(bundle: Path) -> dict[str, str]:
    """Verify a bundle and return the evidence of each failed step by its name."""
    return {step.name: "; ".join(step.evidence) for step in failures(verify_bundle(bundle))}


def failures(found: Verification) -> list[Step]:
    """Return the failed steps of a verification, which is not ok just when there are any."""
    bad = [step for step in found.steps if step.outcome == "failed"]
    assert found.ok is not bool(bad)
    return bad


def _ref(event: dict[str, Any], role: str) -> dict[str, Any]:
    found: dict[str, Any] = next(ref for ref in event["refs"] if ref["role"] == role)
    return found


def _manifest(files: dict[str, bytes], listed: Callable[[str], bool]) -> bytes:
    rows = [f"{sha256_bytes(data)}  {name}\n" for name, data in sorted(files.items()) if listed(name)]
    return "".join(rows).encode()
