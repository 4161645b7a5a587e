"""The bundle: a study as one zip file that a stranger can verify and replay offline.

A BagIt bag (manifest of every file) whose payload is an RO-Crate: the record with its bodies, and under plain names
what a reader looks for (report, plan, programs, released results, signed decisions). Bodies on the secure side stay
behind; `record/withheld.json` lists them by digest. The service key signs the bag's tag manifest.

    <study>/bagit.txt bag-info.txt manifest-sha256.txt tagmanifest-sha256.txt
    <study>/signatures/tagmanifest-sha256.txt.sig
    <study>/data/README.md ro-crate-metadata.json report.md report.json plan.json
    <study>/data/programs/ results/ decisions/ keys/ inputs/ telemetry/ record/

It does not cover compression (see `zips`), encryption, or a redacted form.

Source: RFC 8493 (BagIt), RO-Crate 1.1, OpenSSH allowed signers.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

import bagit
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.crate import blob_name, make_crate
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.record import Event, Record
from counterproof.provenance.reviewers import REPLAY_LABEL, CheckpointKind
from counterproof.provenance.signing import BUNDLE_NAMESPACE, DECISION_NAMESPACE, load_key, make_key, public_line, sign
from counterproof.provenance.zips import Opener, write_zip

REVIEWED = "reviewed by people"
NOT_REVIEWED = "not reviewed to the end"
SIGNATURE = "signatures/tagmanifest-sha256.txt.sig"
_README = """# {title}

A bundle of the study `{study}`, made by Counterproof. State: **{state}**. Review: **{label}**.

To check it: `counterproof verify FILE.zip` (offline). Without Counterproof, in the unpacked folder:

    sha256sum -c tagmanifest-sha256.txt && sha256sum -c manifest-sha256.txt
    ssh-keygen -Y verify -f data/keys/service_signers -I service -n {bundle_namespace} \\
        -s {signature} < tagmanifest-sha256.txt
    ssh-keygen -Y verify -f data/keys/allowed_signers -I REVIEWER -n {decision_namespace} \\
        -s data/decisions/N.json.sig < data/decisions/N.json

To run it again: `counterproof replay FILE.zip` (needs the data files: {data}).

The signatures show who signed what, with which key. That a key belongs to a person must be known from elsewhere.

| file | what it is |
|---|---|
| `report.md`, `report.json` | the report; in the JSON each number names the result that it comes from |
| `plan.json` | the locked plan |
| `programs/` | the programs that were approved |
| `results/` | what was released |
| `decisions/` | the signed statements and their signatures, in order |
| `keys/` | the public keys of the reviewers and of the service |
| `record/events.jsonl` | everything that happened; each line carries the SHA-256 of the line before |
| `record/blobs/` | the bodies that the events name |
| `record/withheld.json` | bodies that stayed on the secure side |
| `telemetry/` | the OpenTelemetry spans |
"""


def service_key(home: Path) -> Ed25519PrivateKey:
    """Return the key with which this installation signs bundles; made at the first use, no passphrase, mode 0600."""
    path = home / "keys" / "service"
    if not path.exists():
        make_key(path, passphrase=None, comment="counterproof-service")
    return load_key(path, passphrase=None)


def export_bundle(
    record: Record,
    target: Path,
    *,
    study: str,
    service_key: Ed25519PrivateKey,
    inputs: Mapping[str, Path],
    spans: Path,
) -> None:
    """Write the bundle of a study that has ended; the file appears whole or not at all.

    Args:
        record: the study's record.
        target: the zip file; replaced when it exists.
        study: the study's id.
        service_key: signs the bag.
        inputs: data files that may be shared, by name.
        spans: the study's spans; may be missing.

    Raises:
        UsageError: the study has not ended.
        MachineTrouble: the file can't be written.
    """
    events = record.events()
    if not any(event.type == "study.ended" for event in events):
        raise UsageError(
            f"Study {study} has not ended.", advice="Run it to its end (or withdraw it), then export the bundle."
        )
    try:
        with tempfile.TemporaryDirectory(prefix="counterproof-bag-") as folder:
            bag = Path(folder) / study
            _payload(bag, record, events, study=study, service_key=service_key, inputs=inputs, spans=spans)
            _make_bag(bag, events, service_key)
            _pack(bag, target)
    except OSError as error:
        raise MachineTrouble(
            f"The bundle {target} can't be written: {error}.", advice="Nothing is lost; make room and export again."
        ) from error


def review_label(events: list[Event]) -> str:
    """Say how a study was reviewed: by people, not to the end, or not at all (replayed)."""
    decisions = [event.data for event in events if event.type == "decision.recorded"]
    if events[0].data.get("mode") == "scenario" or any(decision["replayed"] for decision in decisions):
        return REPLAY_LABEL
    approved = {decision["kind"] for decision in decisions if decision["decision"] == "approve"}
    return REVIEWED if approved == set(CheckpointKind) else NOT_REVIEWED


def _payload(
    bag: Path,
    record: Record,
    events: list[Event],
    *,
    study: str,
    service_key: Ed25519PrivateKey,
    inputs: Mapping[str, Path],
    spans: Path,
) -> None:
    texts: dict[str, bytes] = {"record/events.jsonl": _lines(record, events)}
    bodies, withheld = _bodies(events)
    texts |= {blob_name(digest): record.blobs.get(digest) for digest in bodies}
    texts["record/withheld.json"] = _pretty(withheld)
    texts["record/head.json"] = _pretty({"events": len(events), "head": events[-1].digest})
    texts |= _named(record, events)
    texts |= _decisions(record, events)
    texts["keys/service_signers"] = f"service {public_line(service_key.public_key())}\n".encode()
    if spans.exists():
        texts["telemetry/spans.otlp.jsonl"] = spans.read_bytes()
    created = events[0].data
    ended = [event.data for event in events if event.type == "study.ended"][-1]
    label = review_label(events)
    readme = _README.format(
        title=created["title"],
        study=study,
        state=ended["ended"],
        label=label,
        data=", ".join(file["name"] for file in created["data"]),
        bundle_namespace=BUNDLE_NAMESPACE,
        decision_namespace=DECISION_NAMESPACE,
        signature=SIGNATURE,
    )
    texts["README.md"] = readme.encode()
    sizes = {name: len(text) for name, text in texts.items()}
    sizes |= {f"inputs/{name}": path.stat().st_size for name, path in inputs.items()}
    texts["ro-crate-metadata.json"] = _pretty(make_crate(events, sizes, title=created["title"], label=label))
    for name, text in texts.items():
        place = bag / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text)
    for name, path in inputs.items():
        place = bag / "inputs" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def _lines(record: Record, events: list[Event]) -> bytes:
    """Return the exact lines of these events, and nothing that was added since."""
    return b"".join(record.path.read_bytes().splitlines(keepends=True)[: len(events)])


def _bodies(events: list[Event]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the digests that may leave, and what stays: a body leaves when any event has it on the open side."""
    refs = [ref for event in events for ref in event.refs]
    leaving = {ref.sha256 for ref in refs if ref.side == "open"}
    staying = {ref.sha256: ref for ref in refs if ref.sha256 not in leaving}
    withheld = [
        {"sha256": ref.sha256, "size": ref.size, "role": ref.role, "why": "computed from real data, not released"}
        for ref in staying.values()
    ]
    return sorted(leaving), sorted(withheld, key=lambda row: row["sha256"])


def _named(record: Record, events: list[Event]) -> dict[str, bytes]:
    """Return what a reader looks for, under plain names."""
    get = record.blobs.get
    last = {event.type: event for event in events}
    named: dict[str, bytes] = {}
    if "plan.locked" in last:
        named["plan.json"] = get(last["plan.locked"].ref("plan").sha256)
    approved = [
        event.data["subject"]
        for event in events
        if event.type == "decision.recorded" and event.data["kind"] == "code" and event.data["decision"] == "approve"
    ]
    if approved:
        for program in json.loads(get(approved[-1]))["programs"]:
            named[program_file(program)] = program["code"].encode()
    if "results.released" in last:
        for ref in last["results.released"].refs:
            name = ref.role.removeprefix("output:") if ref.role.startswith("output:") else "released.json"
            named[f"results/{name}"] = get(ref.sha256)
    if "report.rendered" in last:
        named["report.json"] = get(last["report.rendered"].ref("report").sha256)
        named["report.md"] = get(last["report.rendered"].ref("report.md").sha256)
    return named


def program_file(program: dict[str, Any]) -> str:
    """Return the name in a bundle of a program as the reviewer saw it; what says no language is Python."""
    return f"programs/{program['role']}.{'R' if program.get('language') == 'r' else 'py'}"


def _decisions(record: Record, events: list[Event]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    signers: dict[str, str] = {}
    for number, event in enumerate((event for event in events if event.type == "decision.recorded"), start=1):
        reviewer = event.data["reviewer"]
        signers[reviewer["id"]] = f"{reviewer['id']} {reviewer['public_key']}"
        files[f"decisions/{number}.json"] = record.blobs.get(event.ref("statement").sha256)
        files[f"decisions/{number}.json.sig"] = record.blobs.get(event.ref("signature").sha256)
    files["keys/allowed_signers"] = "".join(f"{line}\n" for line in signers.values()).encode()
    return files


def _make_bag(bag: Path, events: list[Event], key: Ed25519PrivateKey) -> None:
    logging.getLogger("bagit").setLevel(logging.ERROR)
    info = {
        "Bagging-Date": events[-1].ts[:10],
        "External-Identifier": events[0].data["study"],
        "Counterproof-Review": review_label(events),
        "Counterproof-Record-Head": events[-1].digest,
    }
    bagit.make_bag(str(bag), info, checksums=["sha256"])
    signature = bag / SIGNATURE
    signature.parent.mkdir()
    signature.write_bytes(sign(key, (bag / "tagmanifest-sha256.txt").read_bytes(), namespace=BUNDLE_NAMESPACE))


def _pack(bag: Path, target: Path) -> None:
    files: dict[str, Opener] = {
        f"{bag.name}/{path.relative_to(bag).as_posix()}": partial(_open, path)
        for path in bag.rglob("*")
        if path.is_file()
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".bundle-", delete=False) as new:
        try:
            write_zip(new, files)
            new.flush()
            Path(new.name).replace(target)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _pretty(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()
