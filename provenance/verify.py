"""Verifying a bundle offline, with neither store nor model: numbered steps, each with its evidence.

 1. container    the zip is canonical: each of its bytes is as it would have been written
 2. bag          every file is listed with its digest, and nothing is missing or too many (RFC 8493)
 3. seal         the service key signed the tag manifest
 4. chain        each event carries the hash of the one before, and the head is the one that the bag names
 5. bodies       every body that an event names is there with its digest, or listed as withheld
 6. decisions    every decision is signed by the reviewer whom it names, over the subject that was put up
 7. approvals    every execution on real data came after the approval of exactly its order, used once
 8. effects      every effect ended, once; second attempts are marked
 9. numbers      every number of the report resolves to a released result of an approved execution
10. marks        nothing synthetic was released, and the label says how the study was reviewed
11. copies       the plain-named files are the ones in the record

All steps are taken even when one fails, as far as what they need can be read. A step with nothing to look at says
so; it never passes silently.

It does not show that a key belongs to a person, nor that somebody who holds the service key did not make the whole
bundle anew: compare its head with one that was published elsewhere.

Source: numbered steps as in sigstore-python `verify/verifier.py`.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from counterproof.provenance.bundle import SIGNATURE, program_file, review_label
from counterproof.provenance.crate import blob_name
from counterproof.provenance.decisions import check_decision
from counterproof.provenance.digests import digest_of, sha256_bytes
from counterproof.provenance.errors import CounterproofError, UsageError, VerificationFailed
from counterproof.provenance.numbers import check_numbers, to_markdown
from counterproof.provenance.record import Event, read_chain
from counterproof.provenance.reviewers import REPLAY_LABEL, Reviewer
from counterproof.provenance.signing import BUNDLE_NAMESPACE, verify
from counterproof.provenance.zips import check_canonical

_TAG_FILES = {"bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a verification."""

    number: int
    name: str
    outcome: Literal["ok", "failed", "not applicable"]
    evidence: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a verification found.

    Attributes:
        study: the study's id; "" when it can't be read.
        title: its title.
        ended: how it ended.
        label: how it was reviewed.
        head: digest of the last event.
        steps: the numbered steps.
    """

    study: str
    title: str
    ended: str
    label: str
    head: str
    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        """Whether no step failed."""
        return all(step.outcome != "failed" for step in self.steps)


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

    def names(self, under: str = "") -> list[str]:
        """Return the names of the payload's files, below a folder where one is given."""
        prefix = f"{self.top}/data/{under}"
        return [name[len(prefix) :] for name in self.archive.namelist() if name.startswith(prefix)]

    def of_type(self, *types: str) -> list[Event]:
        """Return the events of some types."""
        return [event for event in self.events if event.type in types]

    def _read(self, name: str) -> bytes:
        try:
            return self.archive.read(name)
        except KeyError as error:
            raise VerificationFailed(f"The file {name} is missing.") from error
        except (zipfile.BadZipFile, OSError) as error:
            raise VerificationFailed(f"The file {name} has been changed: {error}.") from error


def verify_bundle(path: Path) -> Verification:
    """Verify a bundle.

    Raises:
        UsageError: there is no such file.
    """
    if not path.is_file():
        raise UsageError(f"There is no bundle {path}.", advice="Name a zip file made by `counterproof export`.")
    steps: list[Step] = []
    try:
        archive: zipfile.ZipFile | None = check_canonical(path)
        steps.append(_step(1, "container", "ok", ["every byte as written"]))
    except VerificationFailed as error:
        steps.append(_step(1, "container", "failed", [str(error)]))
        archive = _open_anyway(path)
    if archive is None:
        return Verification(study="", title="", ended="", label="", head="", steps=tuple(steps))
    with archive:
        bundle = Bundle(archive=archive, top=_top(archive))
        for number, (name, take) in enumerate(_STEPS, start=2):
            steps.append(_take(number, name, take, bundle))
        return _summary(bundle, steps)


def read_events(bundle: Bundle) -> list[Event]:
    """Read the record of a bundle.

    Raises:
        VerificationFailed: the chain is broken; the text names the event.
    """
    return read_chain(bundle.get("record/events.jsonl"))


def _take(number: int, name: str, take: Callable[[Bundle], list[str]], bundle: Bundle) -> Step:
    try:
        return _step(number, name, "ok", take(bundle))
    except NotApplicable as reason:
        return _step(number, name, "not applicable", [str(reason)])
    except CounterproofError as error:
        return _step(number, name, "failed", [str(error)])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        return _step(number, name, "failed", [f"something is not of the form that it should have: {error!r}"])


def _step(number: int, name: str, outcome: Any, evidence: list[str]) -> Step:
    return Step(number=number, name=name, outcome=outcome, evidence=tuple(evidence))


def _open_anyway(path: Path) -> zipfile.ZipFile | None:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None


def _top(archive: zipfile.ZipFile) -> str:
    names = archive.namelist()
    return names[0].partition("/")[0] if names else ""


def _summary(bundle: Bundle, steps: list[Step]) -> Verification:
    try:
        created = bundle.events[0].data
        ended = bundle.of_type("study.ended")[-1].data["ended"]
        label = review_label(bundle.events)
        return Verification(
            study=created["study"],
            title=created["title"],
            ended=ended,
            label=label,
            head=bundle.events[-1].digest,
            steps=tuple(steps),
        )
    except (IndexError, KeyError, TypeError):
        return Verification(study=bundle.top, title="", ended="", label="", head="", steps=tuple(steps))


def _fail_if(faults: list[str]) -> None:
    if faults:
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise VerificationFailed("; ".join(faults[:5]) + more + ".")


# --- 2, 3: the bag ------------------------------------------------------------------------------------------------


def _bag(bundle: Bundle) -> list[str]:
    prefix = f"{bundle.top}/"
    present = {name[len(prefix) :] for name in bundle.archive.namelist() if name.startswith(prefix)}
    faults = [f"the file {name} lies outside of the bag" for name in bundle.archive.namelist() if prefix not in name]
    payload = _manifest(bundle, "manifest-sha256.txt")
    tags = _manifest(bundle, "tagmanifest-sha256.txt")
    listed = set(payload) | set(tags) | {"tagmanifest-sha256.txt", SIGNATURE}
    faults += [f"the file {name} is missing" for name in sorted(listed - present)]
    faults += [f"the file {name} is not listed" for name in sorted(present - listed)]
    faults += [f"the bag has no {name}" for name in sorted(_TAG_FILES - present)]
    for name, digest in {**payload, **tags}.items():
        if name in present and _digest(bundle, name) != digest:
            faults.append(f"the file {name} has been changed")
    _fail_if(faults)
    return [f"{len(payload)} files of the payload, {len(tags)} tag files"]


def _manifest(bundle: Bundle, name: str) -> dict[str, str]:
    rows = {}
    for line in bundle.tag(name).decode("utf-8").splitlines():
        digest, file = line.split(maxsplit=1)
        rows[file] = digest
    return rows


def _digest(bundle: Bundle, name: str) -> str:
    try:
        with bundle.archive.open(f"{bundle.top}/{name}") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except (zipfile.BadZipFile, OSError):
        return ""


def _seal(bundle: Bundle) -> list[str]:
    signer = bundle.get("keys/service_signers").decode().removeprefix("service ").strip()
    verify(signer, bundle.tag("tagmanifest-sha256.txt"), bundle.tag(SIGNATURE), namespace=BUNDLE_NAMESPACE)
    return [f"signed by the service key {signer.split()[1][-12:]}"]


# --- 4, 5: the record ---------------------------------------------------------------------------------------------


def _chain(bundle: Bundle) -> list[str]:
    bundle.events = read_events(bundle)
    if not bundle.events or bundle.events[0].type != "study.created":
        raise VerificationFailed("The record does not begin with the study.")
    head = bundle.json("record/head.json")
    last = bundle.events[-1]
    if (head["events"], head["head"]) != (len(bundle.events), last.digest):
        raise VerificationFailed(f"Event {last.seq} is not the last: the record was cut, or its head was changed.")
    info = bundle.tag("bag-info.txt").decode()
    if f"Counterproof-Record-Head: {last.digest}\n" not in info:
        raise VerificationFailed("The bag names another head of the record.")
    if bundle.events[0].data["study"] != bundle.top:
        raise VerificationFailed("The bag's folder is not named after the study.")
    return [f"{len(bundle.events)} events, head {last.digest}"]


def _bodies(bundle: Bundle) -> list[str]:
    withheld = {row["sha256"] for row in bundle.json("record/withheld.json")}
    refs = [(event, ref) for event in bundle.events for ref in event.refs]
    leaving = {ref.sha256 for _, ref in refs if ref.side == "open"}
    faults = []
    for event, ref in refs:
        if ref.sha256 in leaving:
            if len(bundle.blob(ref.sha256)) != ref.size:
                faults.append(f"event {event.seq} gives another size for {ref.sha256}")
        elif ref.sha256 not in withheld:
            faults.append(f"event {event.seq}: the body {ref.sha256} is neither there nor listed as withheld")
    named = {name[:2] + name[3:] for name in bundle.names("record/blobs/sha256/")}
    faults += [f"the body {digest} belongs to no event" for digest in sorted(named - leaving)]
    faults += [f"the body {digest} is listed as withheld and is there" for digest in sorted(named & withheld)]
    _fail_if(faults)
    return [f"{len(leaving)} bodies there, {len(withheld)} withheld on the secure side"]


# --- 6, 7, 8: decisions and effects -------------------------------------------------------------------------------


def _decisions(bundle: Bundle) -> list[str]:
    opened = {event.data["id"]: event for event in bundle.of_type("checkpoint.opened")}
    decided: set[str] = set()
    signers: dict[str, str] = {}
    lines = []
    for number, event in enumerate(bundle.of_type("decision.recorded"), start=1):
        statement, signature = (bundle.blob(event.ref(role).sha256) for role in ("statement", "signature"))
        reviewer = Reviewer.model_validate(event.data["reviewer"])
        made = check_decision(statement, signature, reviewer=reviewer).decision
        checkpoint = opened.get(made.checkpoint)
        if checkpoint is None or checkpoint.seq > event.seq:
            raise VerificationFailed(f"Event {event.seq} decides {made.checkpoint}, which was not put up before.")
        claimed = (made.study, made.subject, made.kind, made.decision, made.replayed)
        data = event.data
        if claimed != (bundle.top, checkpoint.data["subject"], data["kind"], data["decision"], data["replayed"]):
            raise VerificationFailed(f"Event {event.seq} says something else than its signed statement.")
        if made.checkpoint in decided:
            raise VerificationFailed(f"Event {event.seq} decides {made.checkpoint} a second time.")
        if (
            bundle.get(f"decisions/{number}.json") != statement
            or bundle.get(f"decisions/{number}.json.sig") != signature
        ):
            raise VerificationFailed(f"The files decisions/{number}.* are not those of the record.")
        decided.add(made.checkpoint)
        signers[reviewer.id] = f"{reviewer.id} {reviewer.public_key}\n"
        label = f", {REPLAY_LABEL}" if made.replayed else ""
        lines.append(f"{made.checkpoint}: {made.decision} by {made.name} ({made.role}{label}), {reviewer.fingerprint}")
    if bundle.get("keys/allowed_signers").decode() != "".join(signers.values()):
        raise VerificationFailed("The file keys/allowed_signers does not hold the keys of the record.")
    if not lines:
        raise NotApplicable("nobody decided anything in this study")
    return lines


def _approvals(bundle: Bundle) -> list[str]:
    executed = [
        event
        for event in bundle.of_type("effect.finished", "effect.failed")
        if event.data["kind"] == "execution" and not _order(bundle, event)["synthetic"]
    ]
    approvals = {
        event.data["checkpoint"]: event
        for event in bundle.of_type("decision.recorded")
        if event.data["decision"] == "approve"
    }
    opened = bundle.of_type("gate.opened")
    used: dict[tuple[str, str], str] = {}
    for gate in opened:
        use = (gate.data["approval"], gate.data["order"])
        if used.setdefault(use, gate.data["effect"]) != gate.data["effect"]:
            raise VerificationFailed(f"Event {gate.seq} uses an approval that another execution had used.")
        _check_opening(bundle, gate, approvals)
    for event in executed:
        if event.type == "effect.failed":
            continue
        order = digest_of(_order(bundle, event))
        if not any(
            gate.seq < event.seq and (gate.data["order"], gate.data["effect"]) == (order, event.data["key"])
            for gate in opened
        ):
            raise VerificationFailed(f"Event {event.seq}: an execution on real data without an approval.")
    if not executed:
        raise NotApplicable("no program was run on the real data")
    return [f"{len(executed)} executions on real data, each approved before"]


def _order(bundle: Bundle, event: Event) -> dict[str, Any]:
    order: dict[str, Any] = json.loads(bundle.blob(event.ref("request").sha256))
    return order


def _check_opening(bundle: Bundle, gate: Event, approvals: dict[str, Event]) -> None:
    approval = approvals.get(gate.data["approval"])
    if approval is None or approval.seq > gate.seq or approval.data["kind"] != "code":
        raise VerificationFailed(f"Event {gate.seq} opened the data without an approval of the code before it.")
    subject = json.loads(bundle.blob(approval.data["subject"]))
    if gate.data["order"] not in {digest_of(order) for order in subject["orders"]}:
        raise VerificationFailed(f"Event {gate.seq} opened the data to a program that was not approved.")
    plans = [
        digest_of(json.loads(bundle.blob(event.data["subject"]))["editable"])
        for event in approvals.values()
        if event.data["kind"] == "plan" and event.seq < approval.seq
    ]
    if subject["plan"] not in plans:
        raise VerificationFailed(f"Event {gate.seq} opened the data to code for a plan that was not approved.")


def _effects(bundle: Bundle) -> list[str]:
    finished: set[str] = set()
    running: dict[str, Event] = {}
    attempts: dict[str, int] = {}
    again = 0
    for event in bundle.of_type("effect.started", "effect.finished", "effect.failed"):
        key = event.data["key"]
        if event.type == "effect.started":
            attempts[key] = attempts.get(key, 0) + 1
            if key in finished or event.data["attempt"] != attempts[key]:
                raise VerificationFailed(f"Event {event.seq} starts the effect {key!r} again after its end.")
            if (key in running) != event.data["after_kill"]:
                raise VerificationFailed(f"Event {event.seq}: the second attempt of {key!r} is not marked as one.")
            again += attempts[key] > 1
            running[key] = event
        else:
            if key not in running or event.ref("request") != running[key].ref("request"):
                raise VerificationFailed(f"Event {event.seq} ends an effect {key!r} that was not started so.")
            running.pop(key)
            if event.type == "effect.finished":
                finished.add(key)
    if not finished:
        raise NotApplicable("no effect ended in this study")
    open_ended = f", {len(running)} cut off" if running else ""
    return [f"{len(finished)} effects, each once, {again} second attempts{open_ended}"]


# --- 9, 10, 11: what is said --------------------------------------------------------------------------------------


def _numbers(bundle: Bundle) -> list[str]:
    reports = bundle.of_type("report.rendered")
    if not reports:
        raise NotApplicable("the study ended without a report")
    document = json.loads(bundle.blob(reports[-1].ref("report").sha256))
    released = _released(bundle)
    plan = json.loads(bundle.blob(bundle.of_type("plan.locked")[-1].ref("plan").sha256))
    if document["released"] != digest_of(released) or document["plan"] != digest_of(plan):
        raise VerificationFailed("The report rests on other results, or on another plan.")
    if to_markdown(document).encode() != bundle.blob(reports[-1].ref("report.md").sha256):
        raise VerificationFailed("The text of report.md is not that of report.json.")
    found, faults = check_numbers(document, released=released, plan=plan)
    _fail_if(faults)
    approved = {gate.data["order"] for gate in bundle.of_type("gate.opened")}
    outcome = json.loads(bundle.blob(released["execution"]))
    finished = {event.ref("response").sha256 for event in bundle.of_type("effect.finished")}
    if outcome["order"] not in approved or released["execution"] not in finished:
        raise VerificationFailed("The released results are not those of an approved execution.")
    files = {file["name"]: file["sha256"] for file in outcome["outputs"]}
    _fail_if(
        [
            f"{file['name']} is not the execution's"
            for file in released["files"]
            if files.get(file["name"]) != file["sha256"]
        ]
    )
    return [f"{found} numbers, all resolve to {len(released['results'])} released results"]


def _released(bundle: Bundle) -> dict[str, Any]:
    events = bundle.of_type("results.released")
    if not events:
        raise VerificationFailed("There is a report, and nothing was released.")
    released: dict[str, Any] = json.loads(bundle.blob(events[-1].ref("released").sha256))
    return released


def _marks(bundle: Bundle) -> list[str]:
    label = review_label(bundle.events)
    if f"Counterproof-Review: {label}\n" not in bundle.tag("bag-info.txt").decode():
        raise VerificationFailed(f"The bag does not say that the study was {label}.")
    if f"Review: **{label}**" not in bundle.get("README.md").decode():
        raise VerificationFailed(f"README.md does not say that the study was {label}.")
    reports = bundle.of_type("report.rendered")
    if reports and label == REPLAY_LABEL and REPLAY_LABEL not in bundle.get("report.md").decode():
        raise VerificationFailed(f"report.md does not say that the study was {label}.")
    for event in bundle.of_type("results.released"):
        released = json.loads(bundle.blob(event.ref("released").sha256))
        if released["synthetic"] or json.loads(bundle.blob(released["execution"]))["synthetic"]:
            raise VerificationFailed(f"Event {event.seq} released results of synthetic data.")
    return [f"label: {label}"]


def _copies(bundle: Bundle) -> list[str]:
    wanted: dict[str, str] = {}
    for event in bundle.of_type("plan.locked"):
        wanted["plan.json"] = event.ref("plan").sha256
    for event in bundle.of_type("report.rendered"):
        wanted |= {"report.json": event.ref("report").sha256, "report.md": event.ref("report.md").sha256}
    for event in bundle.of_type("results.released"):
        wanted |= {f"results/{ref.role.removeprefix('output:')}": ref.sha256 for ref in event.refs if ":" in ref.role}
        wanted["results/released.json"] = event.ref("released").sha256
    for event in bundle.of_type("decision.recorded"):
        if (event.data["kind"], event.data["decision"]) == ("code", "approve"):
            programs = json.loads(bundle.blob(event.data["subject"]))["programs"]
            wanted |= {program_file(program): program["sha256"] for program in programs}
    shared = {file["name"]: file["sha256"] for file in bundle.events[0].data["data"]}
    wanted |= {f"inputs/{name}": shared.get(name, "") for name in bundle.names("inputs/")}
    _fail_if(
        [
            f"the file {name} is not that of the record"
            for name, digest in wanted.items()
            if sha256_bytes(bundle.get(name)) != digest
        ]
    )
    kept = ("record/", "keys/", "decisions/", "telemetry/")
    strange = set(bundle.names()) - set(wanted) - {"README.md", "ro-crate-metadata.json"}
    _fail_if([f"the file {name} has no place in a bundle" for name in sorted(strange) if not name.startswith(kept)])
    return [f"{len(wanted)} files"]


_STEPS: tuple[tuple[str, Callable[[Bundle], list[str]]], ...] = (
    ("bag", _bag),
    ("seal", _seal),
    ("chain", _chain),
    ("bodies", _bodies),
    ("decisions", _decisions),
    ("approvals", _approvals),
    ("effects", _effects),
    ("numbers", _numbers),
    ("marks", _marks),
    ("copies", _copies),
)
