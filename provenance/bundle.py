"""The bundle: a study as one zip file that a stranger can verify and replay offline.

A BagIt bag (manifest of every file) whose payload is an RO-Crate: the record with its bodies, and under plain names
what a reader looks for (report, plan, programs, released results, signed decisions). Bodies on the secure side stay
behind; `record/withheld.json` lists them by commitment, and with them what the redacted profile leaves out
(`withheld`). What is made for people (`readable`) and for other people's programs (`interop`) is made from the record
that lies beside it, so that `verify` can make it again. The service key signs the bag's tag manifest; a time-stamping
authority may vouch for the time of it. The file is written in one pass (`bag`): no input and no body is ever whole in
memory.

    <study>/bagit.txt bag-info.txt manifest-sha256.txt tagmanifest-sha256.txt
    <study>/signatures/tagmanifest-sha256.txt.sig (and .tsr, tsa-ca.pem with a time stamp)
    <study>/data/README.md ro-crate-metadata.json ro-crate-preview.html record.html report.md report.json plan.json
    <study>/data/programs/ results/ decisions/ keys/ inputs/ telemetry/ transparency/ record/
    <study>/data/workflow.json bco.json prov.json in-toto/ verify/

It does not cover compression (see `zips`), nor encryption.

Source: RFC 8493 (BagIt), RO-Crate 1.1, OpenSSH allowed signers.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.bag import Signatures, in_memory, write_bag
from counterproof.provenance.crate import METADATA, blob_name, make_crate
from counterproof.provenance.errors import MachineTrouble, UsageError, VerificationFailed
from counterproof.provenance.events import Chain, Event
from counterproof.provenance.interop.files import interop_files
from counterproof.provenance.interop.workflow_crate import PREVIEW
from counterproof.provenance.labels import review_label
from counterproof.provenance.page import make_preview
from counterproof.provenance.permissions import Purpose, purpose_of
from counterproof.provenance.readable import MADE_WITH, SIGNED, readable_files
from counterproof.provenance.record import Record
from counterproof.provenance.record_checkpoints import RecordCheckpoints
from counterproof.provenance.set_bundle import README as SET_README
from counterproof.provenance.set_bundle import SYNTHESIS, released_files
from counterproof.provenance.shown import shown_programs
from counterproof.provenance.signing import BUNDLE_NAMESPACE, DECISION_NAMESPACE, public_line, sign
from counterproof.provenance.software import versions
from counterproof.provenance.timestamps import CERTIFICATES, STAMP, Authority
from counterproof.provenance.transparency.recorded import STATEMENT, recorded_answers, signed_statement
from counterproof.provenance.withheld import Profile, split_bodies, with_proofs
from counterproof.provenance.zips import Source

SPANS = "telemetry/spans.otlp.jsonl"
README = "README.md"
AGENT = "Bag-Software-Agent"
SIGNATURE = "signatures/tagmanifest-sha256.txt.sig"
KIND = "Counterproof-Kind"
REVIEW = "Counterproof-Review"
PROFILE = "Counterproof-Profile"
TIME_STAMP = "Counterproof-Time-Stamp"
"""Rows of `bag-info.txt`: of what it is where that is no analysis, what it leaves out, and that it has a time stamp."""
REDACTED_COPY = "**This is a redacted copy.**"
_REDACTED = f"""
{REDACTED_COPY} Record, decisions and signatures are those of the whole bundle. Left out are what the model
was asked and answered, its notes, what programs printed and gave on the synthetic twin, the twin, the data files and
the spans. `record/withheld.json` lists each body by digest and size, with a proof that the record names it. What was
left out can't be compared with its digest here, and the study can't be replayed from this copy.
"""
_README = """{facts}
To check it: `counterproof verify FILE.zip` (offline). Without Counterproof, in the unpacked folder:
`python3 -I data/verify/verify.py`, or with a shell alone `sh data/verify/verify.sh`; or by hand:

    sha256sum -c tagmanifest-sha256.txt && sha256sum -c manifest-sha256.txt
    ssh-keygen -Y verify -f data/keys/service_signers -I service -n {bundle_namespace} \\
        -s {signature} < tagmanifest-sha256.txt
    ssh-keygen -Y verify -f data/keys/allowed_signers -I REVIEWER -n {decision_namespace} \\
        -s data/decisions/N.json.sig < data/decisions/N.json

To run it again: `counterproof replay FILE.zip` (needs the data files: {data}).

The signatures show who signed what, with which key. That a key belongs to a person must be known from elsewhere.

| file | what it is |
|---|---|
| `record.html` | the whole record to read, in a browser, offline |
| `ro-crate-preview.html` | the list of these files, in a browser |
| `transparency/` | the transparency statement; `signed.json` as it was signed off, `answers.toml` a person's answers; \
`model-saw.json` every message that the model was sent, by source |
| `report.md`, `report.json` | the report; in the JSON each number names the result that it comes from |
| `plan.json` | the locked plan |
| `programs/` | the programs that were approved |
| `results/` | what was released |
| `decisions/` | the signed statements and their signatures, in order |
| `keys/` | the public keys of the reviewers and of the service |
| `verify/` | programs that check the bundle without Counterproof, and the schemas of the record's events |
| `workflow.json`, `bco.json`, `prov.json` | the steps; the study as BioCompute Object (IEEE 2791) and as W3C PROV |
| `in-toto/` | the steps as in-toto layout and links, signed by the service key: what was approved is what was run |
| `record/events.jsonl` | everything that happened; each line carries the SHA-256 of the line before |
| `record/checkpoints.jsonl` | how far the record had come at the points that matter, signed by the service key |
| `record/blobs/` | the bodies that the events name |
| `record/withheld.json` | bodies that stayed on the secure side, by their salted commitments |
| `telemetry/` | the OpenTelemetry spans |
"""
_READMES: dict[Purpose, str] = {"analysis": _README, "synthesis": SET_README}


def export_bundle(
    record: Record,
    target: Path,
    *,
    study: str,
    service_key: Ed25519PrivateKey,
    inputs: Mapping[str, Path],
    spans: Path,
    profile: Profile = "full",
    authority: Authority | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> None:
    """Write the bundle of a study that has ended; the file appears whole or not at all.

    Args:
        record: the study's record.
        target: the zip file; replaced when it exists.
        study: the study's id.
        service_key: signs the bag.
        inputs: data files that may be shared, by name.
        spans: the study's spans; may be missing.
        profile: "redacted" leaves out what may hold something of a person and nobody needs for verifying.
        authority: puts a time stamp on the bag; then two exports differ.
        progress: is told how far a large file has come.

    Raises:
        UsageError: the study has not ended, or its answers are not of their form.
        VerificationFailed: a body or a data file is missing, or is not the one that the record names.
        MachineTrouble: the file can't be written, or the authority gave no time stamp.
    """
    RecordCheckpoints(record, service_key, study=study).sign_due()
    events = record.events()
    if not any(event.type == "study.ended" for event in events):
        raise UsageError(
            f"Study {study} has not ended.", advice="Run it to its end (or withdraw it), then export the bundle."
        )
    info = bag_info(events, profile, stamped=authority is not None, agent=made_with())
    sign_all = _signatures(service_key, authority)
    beside = {CERTIFICATES: authority.certificates} if authority and authority.certificates else {}
    try:
        payload = _payload(record, events, profile=profile, service_key=service_key, inputs=inputs, spans=spans)
        with appearing(target) as new:
            write_bag(new, study, info=info, payload=payload, sign=sign_all, beside=beside, progress=progress)
    except OSError as error:
        raise MachineTrouble(
            f"The bundle {target} can't be written: {error}.", advice="Nothing is lost; make room and export again."
        ) from error


def readme_facts(events: list[Event], profile: Profile) -> str:
    """Return how the README of a bundle begins: title, how the study ended and was reviewed, what was left out."""
    created = events[0].data
    state = [event.data["ended"] for event in events if event.type == "study.ended"][-1]
    return (
        f"# {created['title']}\n\nA bundle of the study `{created['study']}`, made by Counterproof. "
        f"State: **{state}**. Review: **{review_label(events)}**.\n{_REDACTED if profile == 'redacted' else ''}"
    )


def _payload(
    record: Record,
    events: list[Event],
    *,
    profile: Profile,
    service_key: Ed25519PrivateKey,
    inputs: Mapping[str, Path],
    spans: Path,
) -> dict[str, Source]:
    bodies, withheld = split_bodies(events, profile)
    texts = _texts(events, _lines(record, events), withheld, profile)
    study = events[0].data["study"]
    texts["record/checkpoints.jsonl"] = RecordCheckpoints(record, service_key, study=study).upto(len(events))
    texts |= _decisions(record, events)
    texts["keys/service_signers"] = f"service {public_line(service_key.public_key())}\n".encode()
    if profile == "full" and spans.exists():
        texts[SPANS] = spans.read_bytes()
    payload = {blob_name(digest): _body(record, digest) for digest in bodies}
    if profile == "full":
        payload |= {f"inputs/{name}": _input(path, events[0], name) for name, path in inputs.items()}
    texts |= readable_files(
        events,
        record.blobs,
        spans=texts.get(SPANS, b""),
        answers=recorded_answers(events, record.blobs.get),
        withheld={row["sha256"] for row in withheld},
    )
    texts |= _programs(record, events)
    texts |= interop_files(events, record.blobs, service_key=service_key)
    payload |= {name: in_memory(text) for name, text in texts.items()}
    payload |= {name: _body(record, digest) for name, digest in _named(events).items()}
    sizes = {name: source.size for name, source in payload.items()}
    title, label = events[0].data["title"], review_label(events)
    crate = pretty(make_crate(events, sizes, title=title, label=label, version=own_version()))
    return {**payload, PREVIEW: in_memory(make_preview(events, sizes)), METADATA: in_memory(crate)}


def _texts(
    events: list[Event], lines: list[bytes], withheld: list[dict[str, Any]], profile: Profile
) -> dict[str, bytes]:
    """Return the record itself and what is said of it."""
    rows = with_proofs(withheld, lines) if profile == "redacted" else withheld
    return {
        README: make_readme(events, profile),
        "record/events.jsonl": b"".join(line + b"\n" for line in lines),
        "record/head.json": pretty(_head(lines)),
        "record/withheld.json": pretty(rows),
    }


def make_readme(events: list[Event], profile: Profile) -> bytes:
    """Return the README of a bundle: what it is, and how to check it."""
    readme = _READMES[purpose_of(events[0].data)].format(
        facts=readme_facts(events, profile),
        data=", ".join(file["name"] for file in events[0].data["data"]),
        bundle_namespace=BUNDLE_NAMESPACE,
        decision_namespace=DECISION_NAMESPACE,
        signature=SIGNATURE,
    )
    return readme.encode()


def own_version() -> str:
    """Return the version of this Counterproof."""
    return versions("counterproof")["counterproof"]


def made_with() -> str:
    """Return the software that decides on the bytes of a bundle, as `bag-info.txt` says it."""
    return "; ".join(f"{name} {version}" for name, version in versions(*MADE_WITH).items())


def _lines(record: Record, events: list[Event]) -> list[bytes]:
    """Return the exact lines of these events without their ends, and nothing that was added since."""
    return record.path.read_bytes().split(b"\n")[: len(events)]


def _head(lines: list[bytes]) -> dict[str, Any]:
    chain = Chain()
    for _ in chain.read(line + b"\n" for line in lines):
        pass
    return {"events": chain.size, "head": chain.head, "merkle_root": chain.root()}


def _named(events: list[Event]) -> dict[str, str]:
    """Return the bodies that a reader looks for, by the plain names that they get."""
    last = {event.type: event for event in events}
    named = released_files(events)
    if "plan.locked" in last:
        named["plan.json"] = last["plan.locked"].ref("plan").sha256
    if "results.released" in last:
        for ref in last["results.released"].refs:
            name = ref.role.removeprefix("output:") if ref.role.startswith("output:") else "released.json"
            named[f"results/{name}"] = ref.sha256
    if "report.rendered" in last:
        named["report.json"] = last["report.rendered"].ref("report").sha256
        named["report.md"] = last["report.rendered"].ref("report.md").sha256
    signed = signed_statement(events)
    if signed is not None:
        named[SIGNED] = signed.ref(STATEMENT).sha256
    return named


def _programs(record: Record, events: list[Event]) -> dict[str, bytes]:
    """Return the programs as the reviewer saw them who approved them last."""
    approved = [
        event.data["subject"]
        for event in events
        if event.type == "decision.recorded" and event.data["kind"] == "code" and event.data["decision"] == "approve"
    ]
    programs = shown_programs(json.loads(record.blobs.get(approved[-1]))) if approved else []
    return {program_file(program): program["code"].encode() for program in programs}


def _body(record: Record, digest: str) -> Source:
    return Source(open=partial(record.blobs.open, digest), size=record.blobs.size(digest), sha256=digest)


def _input(path: Path, created: Event, name: str) -> Source:
    if not path.is_file():
        raise VerificationFailed(f"The data file {name} is missing.", advice="Restore the vault from a backup.")
    (digest,) = (file["sha256"] for file in created.data["data"] if file["name"] == name)
    return Source(open=partial(_open, path), size=path.stat().st_size, sha256=digest)


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


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def bag_info(events: list[Event], profile: Profile, *, stamped: bool, agent: str) -> dict[str, str]:
    """Return the rows of `bag-info.txt` by their names, without the payload's size; `agent` is `made_with`."""
    info = {
        "Bagging-Date": events[-1].ts[:10],
        AGENT: agent,
        "External-Identifier": events[0].data["study"],
        REVIEW: review_label(events),
        "Counterproof-Record-Head": events[-1].digest,
        PROFILE: profile,
    }
    kind = {KIND: SYNTHESIS} if purpose_of(events[0].data) == "synthesis" else {}
    return {**info, **kind, **({TIME_STAMP: STAMP} if stamped else {})}


def _signatures(key: Ed25519PrivateKey, authority: Authority | None) -> Signatures:
    def sign_all(tag_manifest: bytes) -> dict[str, bytes]:
        stamped = {STAMP: authority.stamp(tag_manifest)} if authority else {}
        return {SIGNATURE: sign(key, tag_manifest, namespace=BUNDLE_NAMESPACE), **stamped}

    return sign_all


@contextmanager
def appearing(target: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `target` when all went well, and vanishes otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".bundle-", delete=False) as new:
        try:
            yield new
            new.flush()
            os.fsync(new.fileno())
            Path(new.name).replace(target)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise


def pretty(value: Any) -> bytes:
    """Return JSON as it is laid into a bundle for people to read."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()
