"""The forger's workshop: bundles that were changed, by somebody who knows exactly how bundles are made.

`Bag` changes files and can make the manifests, the seal and the zip fit again. `Story` changes the history itself: what
it gives was made by the product's own export from a record whose chain is whole again, sealed with the forger's key.
What a forger never has is a reviewer's private key.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.bundle import SIGNATURE, SPANS, export_bundle, own_version, pretty
from counterproof.provenance.checkpoints import PROPOSED
from counterproof.provenance.crate import METADATA, blob_name, make_crate
from counterproof.provenance.digests import canonical_json, sha256_bytes, sha256_file
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import FIRST, Chain, read_chain
from counterproof.provenance.interop.dsse import key_id, public_key_entry, seal
from counterproof.provenance.interop.files import interop_files
from counterproof.provenance.interop.in_toto import MEDIA, public_pem
from counterproof.provenance.interop.workflow_crate import PREVIEW
from counterproof.provenance.labels import review_label
from counterproof.provenance.merkle import Tree, leaf_hash
from counterproof.provenance.page import make_preview
from counterproof.provenance.readable import ANSWERS, readable_files
from counterproof.provenance.reasons import reasons_in
from counterproof.provenance.record import Record
from counterproof.provenance.record_checkpoints import FILE as CHECKPOINTS
from counterproof.provenance.record_checkpoints import checkpoint_at, is_due, signed_line
from counterproof.provenance.signing import BUNDLE_NAMESPACE, DECISION_NAMESPACE, public_line, sign
from counterproof.provenance.timestamps import STAMP
from counterproof.provenance.transparency import make_statement, parse_answers
from counterproof.provenance.transparency.recorded import ANSWERS as ANSWERS_ROLE
from counterproof.provenance.transparency.recorded import MADE, STATEMENT, signed_part
from counterproof.provenance.verify import Step, Verification, verify_bundle
from counterproof.provenance.withheld import split_bodies
from counterproof.provenance.zips import Source, write_zip

FORGER = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
_LINK = re.compile(rb"\.[0-9a-f]{8}\.link")
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
        head_now = hashlib.sha256(self.files[name].splitlines()[-1]).hexdigest()
        root = Tree(map(leaf_hash, self.files[name].splitlines())).root().hex()
        self.json("data/record/head.json", lambda _old: {"events": len(events), "head": head_now, "merkle_root": root})
        self.replace("bag-info.txt", head, head_now)

    def remake(self) -> None:
        """Make what is made for people fit the record and the files, with the product's own code."""
        events = list(read_chain(self.files["data/record/events.jsonl"]))
        given = self.files.get(f"data/{ANSWERS}", b"")
        spans = self.files.get(f"data/{SPANS}", b"")
        withheld = {row["sha256"] for row in split_bodies(events)[1]}
        made = readable_files(events, _Bodies(self), spans=spans, answers=given, withheld=withheld)
        made |= interop_files(events, _Bodies(self), service_key=FORGER)
        self.files = {name: data for name, data in self.files.items() if not name.startswith("data/in-toto/")}
        self.files |= {f"data/{name}": data for name, data in made.items()}
        self.remake_crate()

    def remake_crate(self) -> None:
        """Make the RO-Crate and its preview fit the files."""
        events = list(read_chain(self.files["data/record/events.jsonl"]))
        own = (METADATA, PREVIEW)
        inside = {name[5:]: len(data) for name, data in self.files.items() if name.startswith("data/")}
        sizes = {name: size for name, size in inside.items() if name not in own}
        self.files[f"data/{PREVIEW}"] = make_preview(events, sizes)
        crate = make_crate(
            events, sizes, title=events[0].data["title"], label=review_label(events), version=own_version()
        )
        self.files[f"data/{METADATA}"] = pretty(crate)

    def rebag(self) -> None:
        """Make both manifests and the size in bag-info fit the files."""
        payload = [len(data) for name, data in self.files.items() if name.startswith("data/")]
        oxum = f"Payload-Oxum: {sum(payload)}.{len(payload)}".encode()
        if "bag-info.txt" in self.files:
            self.files["bag-info.txt"] = re.sub(rb"Payload-Oxum: [0-9.]+", oxum, self.files["bag-info.txt"])
        self.files["manifest-sha256.txt"] = _manifest(self.files, lambda name: name.startswith("data/"))
        strange = {name for name in self.files if not name.startswith(("data/", "tagmanifest-"))} - {SIGNATURE, STAMP}
        self.files["tagmanifest-sha256.txt"] = _manifest(self.files, lambda name: name in strange)

    def reseal(self, key: Ed25519PrivateKey = FORGER) -> None:
        """Make the manifests fit, and sign all with another service key, whose public half is put in."""
        self._sign_in_toto(key)
        self.files[f"data/record/{CHECKPOINTS}"] = record_checkpoints(self.files, key)
        self.files["data/keys/service_signers"] = f"service {public_line(key.public_key())}\n".encode()
        self.rebag()
        self.seal_again(key)

    def seal_again(self, key: Ed25519PrivateKey = FORGER) -> None:
        """Sign the tag manifest as it is."""
        self.files[SIGNATURE] = sign(key, self.files["tagmanifest-sha256.txt"], namespace=BUNDLE_NAMESPACE)

    def _sign_in_toto(self, key: Ed25519PrivateKey) -> None:
        """Sign the in-toto metadata with another key, and let the RO-Crate and its preview name the new files."""
        folder = "data/in-toto/"
        given = {name[len(folder) :]: data for name, data in self.files.items() if name.startswith(folder)}
        signed = sign_in_toto(given, key)
        self.files = {name: data for name, data in self.files.items() if not name.startswith(folder)}
        self.files |= {f"{folder}{name}": data for name, data in signed.items()}
        for name in (f"data/{METADATA}", f"data/{PREVIEW}"):
            if name in self.files:
                self.files[name] = _LINK.sub(b".%b.link" % key_id(key.public_key())[:8].encode(), self.files[name])

    def write(self, target: Path) -> Path:
        """Write the bag as a canonical zip."""
        return write_files(target, {f"{self.top}/{name}": data for name, data in self.files.items()})


class _Bodies:
    """The bodies of a bag."""

    def __init__(self, bag: Bag) -> None:
        self._bag = bag

    def get(self, digest: str, /) -> bytes:
        """Return a body."""
        return self._bag.files[blob(digest)]

    def check(self, digest: str, /) -> None:
        """A forger checks nothing."""


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

    def release(self, event: dict[str, Any], change: Callable[[Any], Any]) -> str:
        """Change what was released and what was put up for it, and return the new digest of the document."""
        digest = self.json(event, "released", change)
        up, body = self.first("checkpoint.opened", id=event["data"]["checkpoint"]), self.text(event, "released")
        committed = sha256_bytes(bytes.fromhex(event["data"]["salt"]) + body)
        _ref(up, PROPOSED).update(sha256=committed, size=len(body))
        return digest

    def sign_again(self, key: Ed25519PrivateKey, *, restate: bool = True, **changed: Any) -> None:
        """Make every decision anew with a key that is in the reviewer's name.

        Args:
            key: signs the decisions.
            restate: whether the statements before sign-offs are made to fit the record, too.
            changed: what the decisions are to say instead.
        """
        for event in list(self.events):
            if event["type"] == MADE and restate:
                self.restate(event)
            if event["type"] == "checkpoint.opened":
                self._answer(event)
            if event["type"] == "decision.recorded":
                self.sign_one(event, key, changed)

    def _answer(self, opened: dict[str, Any]) -> None:
        """Let what was rejected come back with the answers that it had, to the reasons as they are told now."""
        before = self.events[: self.events.index(opened)]
        last = next((one for one in reversed(before) if one["type"] == "decision.recorded"), None)
        if last is None or opened["data"]["kind"] not in _back_to(last["data"]):
            return
        reasons = reasons_in(json.loads(self.text(last, "statement"))["comment"])
        given: dict[bytes, list[dict[str, Any]]] = {}
        for row in json.loads(self.text(opened, "subject"))["answered"]:
            about = {name: value for name, value in row.items() if name not in ("reason", "answer")}
            given.setdefault(canonical_json(about), []).append(row)
        rows = [
            {**own[0], "reason": reason, "answer": own[min(at, len(own) - 1)]["answer"]}
            for own in given.values()
            for at, reason in enumerate(reasons)
        ]
        opened["data"]["subject"] = self.json(opened, "subject", lambda subject: subject.update(answered=rows))

    def restate(self, event: dict[str, Any]) -> None:
        """Make a statement fit the record before it, and the sign-off that it is made for show it."""
        given = self.text(event, ANSWERS_ROLE) if any(ref["role"] == ANSWERS_ROLE for ref in event["refs"]) else b""
        before = list(read_chain(chained(self.events[: self.events.index(event)])))
        made = make_statement(before, self._blobs, parse_answers(given, source="the forger's"))
        self.put(event, STATEMENT, made.to_json())
        if event["data"]["checkpoint"]:
            self.show(event["data"]["checkpoint"], {"transparency": signed_part(made)})

    def show(self, checkpoint: str, changed: dict[str, Any]) -> None:
        """Put a checkpoint up with a subject that is changed, and let its decision name it."""
        opened = self.first("checkpoint.opened", id=checkpoint)
        opened["data"]["subject"] = self.json(opened, "subject", lambda subject: subject.update(changed))
        self.first("decision.recorded", checkpoint=checkpoint)["data"]["subject"] = opened["data"]["subject"]

    def sign_one(self, event: dict[str, Any], key: Ed25519PrivateKey, changed: dict[str, Any]) -> None:
        up = self.first("checkpoint.opened", id=event["data"]["checkpoint"])
        before = chained(self.events[: self.events.index(up) + 1])
        subject = event["data"]["subject"] = up["data"]["subject"]
        made = {"subject": subject, "shown": subject, "history": sha256_bytes(before.splitlines()[-1]), **changed}
        self.json(event, "statement", lambda statement: statement.update(made))
        self.put(event, "signature", sign(key, self.text(event, "statement"), namespace=DECISION_NAMESPACE))
        event["data"]["reviewer"]["public_key"] = public_line(key.public_key())

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
        told = {file["name"]: file["sha256"] for file in self.events[0]["data"]["data"]}
        fit = {name: path for name, path in inputs.items() if told.get(name) == sha256_file(path)}
        export_bundle(made, target, study=self.study, service_key=key, inputs=fit, spans=spans)
        return self._put_in(target, {name: path for name, path in inputs.items() if name not in fit}, key)

    def _put_in(self, target: Path, inputs: dict[str, Path], key: Ed25519PrivateKey) -> Path:
        """Add data that the record does not name: the product's export refuses to."""
        if inputs:
            bag = Bag(target)
            bag.files |= {f"data/inputs/{name}": path.read_bytes() for name, path in inputs.items()}
            bag.remake_crate()
            bag.reseal(key)
            bag.write(target)
        return target


def _back_to(decided: dict[str, Any]) -> tuple[str, ...]:
    """Return the kind of checkpoint that a decision leads back to."""
    return {"reject": (str(decided["kind"]),), "replan": ("plan",)}.get(decided["decision"], ())


def sign_in_toto(
    files: dict[str, bytes], key: Ed25519PrivateKey, change: Callable[[dict[str, Any]], None] | None = None
) -> dict[str, bytes]:
    """Return in-toto metadata signed with another key, of which the layout says that it is the right one.

    Args:
        files: layout, links and public key by their names; what is none of these stays as it is.
        key: signs them.
        change: changes each layout and link before.
    """
    entry, signed = public_key_entry(key.public_key()), {}
    for name, data in files.items():
        try:
            content = json.loads(base64.b64decode(json.loads(data)["payload"]))
        except (ValueError, LookupError, TypeError):
            signed[name] = public_pem(key.public_key()) if name.endswith(".pem") else data
            continue
        if content["_type"] == "layout":
            content["keys"] = {entry["keyid"]: entry}
            for step in content["steps"]:
                step["pubkeys"] = [entry["keyid"]]
        if change is not None:
            change(content)
        place = name if content["_type"] == "layout" else f"{content['name']}.{str(entry['keyid'])[:8]}.link"
        signed[place] = seal(canonical_json(content), media=MEDIA, key=key)
    return signed


def record_checkpoints(files: dict[str, bytes], key: Ed25519PrivateKey) -> bytes:
    """Return the record checkpoints of a bag's record, signed with another key, as far as the record can be read."""
    chain, made, study = Chain(), [], ""
    with suppress(VerificationFailed, KeyError):
        for event in chain.read(io.BytesIO(files["data/record/events.jsonl"])):
            study = event.data["study"] if event.seq == 0 else study
            if is_due(event):
                made.append(signed_line(checkpoint_at(chain, study=study), key))
    return b"".join(made)


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
