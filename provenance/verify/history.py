"""Steps 4, 5 and 8: the record is one chain, its bodies are there, and its effects happened once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from counterproof.provenance.bundle import pretty
from counterproof.provenance.checkpoints import SECURE
from counterproof.provenance.crate import blob_name
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import Chain, Event, Ref
from counterproof.provenance.record_checkpoints import Comparison, RecordCheckpoint, lacks, read_signed
from counterproof.provenance.schemas import check_lines
from counterproof.provenance.verify.reading import Bundle, NotApplicable, NotHere, fail_if
from counterproof.provenance.withheld import REDACTED, holds, split_bodies

_FROM_A_CALL = {
    "plan.drafted": "plan/{round}/",
    "program.written": "write/{role}/{number}/",
    "report.rendered": "report/",
}
"""What a model wrote comes from a finished call whose key begins so."""
_OF_A_SET = ("set.made", "set.judged")
_HIDDEN = ("findings", "session", "key", "response")
"""What may stay on the secure side of a synthetic set, beside its files."""


def check_chain(bundle: Bundle) -> list[str]:
    """4: the events are one chain, each of its schema; head and record checkpoints are those of this record."""
    chain = Chain()
    signed = Comparison(chain, _signed(bundle), missing=lacks)
    with bundle.stream("record/events.jsonl") as lines:
        bundle.events = list(signed.read(lines))
    signed.end()
    if not bundle.events or bundle.events[0].type != "study.created":
        raise VerificationFailed("The record does not begin with the study.")
    last = bundle.events[-1]
    head = {"events": chain.size, "head": chain.head, "merkle_root": chain.root()}
    if bundle.get("record/head.json") != pretty(head):
        raise VerificationFailed(f"Event {last.seq} is not the last: the record was cut, or its head was changed.")
    if [event.seq for event in bundle.of_type("study.created")] != [0]:
        raise VerificationFailed("The record holds the beginning of a second study.")
    rows = bundle.info("Counterproof-Record-Head")
    if rows != [last.digest]:
        raise VerificationFailed(f"The bag names another head of the record: {'; '.join(rows)}.")
    if bundle.events[0].data["study"] != bundle.top:
        raise VerificationFailed("The bag's folder is not named after the study.")
    if bundle.info("External-Identifier") != [bundle.top]:
        raise VerificationFailed("The file bag-info.txt names another study.")
    fail_if([signed.fault] if signed.fault else [])
    with bundle.stream("record/events.jsonl") as lines:
        of_schema = check_lines(lines)
    return [
        f"{len(bundle.events)} events, head {chain.head}",
        f"{signed.held} record checkpoints, Merkle root {chain.root()}",
        of_schema,
    ]


def check_bodies(bundle: Bundle) -> list[str]:
    """5: every body that an event names is there with its digest, or is listed as withheld and may be."""
    leaving, withheld = split_bodies(bundle.events, bundle.profile)
    rows = bundle.json("record/withheld.json")
    listed = [{name: value for name, value in row.items() if name != "proof"} for row in rows]
    if listed != withheld or bundle.get("record/withheld.json") != pretty(rows):
        raise VerificationFailed(
            "The file record/withheld.json does not list just the bodies that the events keep on the secure side"
            + (", and those that a redacted bundle leaves out." if bundle.profile == "redacted" else ".")
        )
    there = set(leaving)
    faults = _check_proofs(bundle, rows)
    for event in bundle.events:
        faults += [f"event {event.seq} hides its {ref.role}" for ref in event.refs if not _may_hide(bundle, event, ref)]
        for ref in event.refs:
            if ref.sha256 in there and bundle.check_blob(ref.sha256) != ref.size:
                faults.append(f"event {event.seq} gives another size for {ref.sha256}")
    strange = {f"record/blobs/{name}" for name in bundle.names("record/blobs/")} - {blob_name(one) for one in leaving}
    faults += [f"the file {name} belongs to no event" for name in sorted(strange)]
    fail_if(faults)
    if not leaving:
        raise VerificationFailed("The record names no body.")
    redacted = sum(row["why"] == REDACTED for row in withheld)
    found = f"{len(leaving)} bodies there, {len(withheld) - redacted} withheld on the secure side"
    if redacted:
        raise NotHere(found, f"{redacted} redacted: each is proven to be named by the record; their bytes are not here")
    return [found]


def check_effects(bundle: Bundle) -> list[str]:
    """8: every effect ended, once; second attempts are marked, and no call that gave something is missing."""
    fail_if([f"event {event.seq} is a trial, which no study has" for event in bundle.events if _is_trial(event)])
    return follow_effects(bundle)


def follow_effects(bundle: Bundle) -> list[str]:
    """Follow the effects of a record, of a study or of a cell of a comparison."""
    finished: set[str] = set()
    running: dict[str, Event] = {}
    attempts: dict[str, int] = {}
    for event in bundle.of_type("effect.started", "effect.finished", "effect.failed", *_FROM_A_CALL):
        if event.type in _FROM_A_CALL:
            _check_call(event, finished)
        elif event.type == "effect.started":
            _check_start(event, finished, running, attempts)
            running[event.data["key"]] = event
        else:
            _check_end(event, running)
            del running[event.data["key"]]
            finished |= {event.data["key"]} if event.type == "effect.finished" else set()
    _check_numbering(set(attempts))
    if not attempts:
        raise NotApplicable("no model call and no execution was begun in this study")
    again = sum(attempts.values()) - len(attempts)
    open_ended = f", {len(running)} cut off" if running else ""
    return [f"{len(finished)} effects, each once, {again} second attempts{open_ended}"]


def _is_trial(event: Event) -> bool:
    return event.type.startswith("effect.") and event.data["kind"] == "trial"


def _signed(bundle: Bundle) -> Iterator[RecordCheckpoint]:
    key = bundle.get("keys/service_signers").decode(errors="replace").removeprefix("service ")
    with bundle.stream("record/checkpoints.jsonl") as lines:
        yield from read_signed(lines, key=key.rstrip("\n"), study=bundle.top)


def _check_proofs(bundle: Bundle, rows: list[dict[str, Any]]) -> list[str]:
    """Return what is wrong with the proofs of a redacted bundle; in a full one no row has a proof."""
    if bundle.profile == "full":
        return [f"the row of {row['sha256']} in record/withheld.json has a proof" for row in rows if "proof" in row]
    lines = bundle.get("record/events.jsonl").split(b"\n")[:-1]
    root = bundle.json("record/head.json")["merkle_root"]
    return [
        f"the proof of {row['sha256']} in record/withheld.json does not hold"
        for row in rows
        if not holds(row, lines[row["event"]], size=len(lines), root=root)
    ]


def _may_hide(bundle: Bundle, event: Event, ref: Ref) -> bool:
    """Say whether a body is open, or computed from real data: nothing else may be withheld."""
    if ref.side == "open" or event.type == "checks.finished":
        return True
    if event.type == "checkpoint.opened":
        return event.data["kind"] in SECURE
    if event.type in _OF_A_SET or (event.type == "effect.finished" and event.data["kind"] == "making"):
        return ref.role in _HIDDEN or ref.role.startswith("file:")
    if event.type != "effect.finished" or event.data["kind"] != "execution" or ref.role in ("request", "program"):
        return False
    return not bundle.body(event, "request")["synthetic"]


def _check_start(event: Event, finished: set[str], running: dict[str, Event], attempts: dict[str, int]) -> None:
    key = event.data["key"]
    attempts[key] = attempts.get(key, 0) + 1
    if key in finished or event.data["attempt"] != attempts[key]:
        raise VerificationFailed(
            f"Event {event.seq} starts the effect {key!r} as attempt {event.data['attempt']}; it "
            + ("had ended." if key in finished else f"is attempt {attempts[key]}.")
        )
    if (key in running) != event.data["after_kill"]:
        raise VerificationFailed(f"Event {event.seq}: the second attempt of {key!r} is not marked as one.")


def _check_end(event: Event, running: dict[str, Event]) -> None:
    key, facts = event.data["key"], ("kind", "attempt")
    start = running.get(key)
    if start is None or event.ref("request") != start.ref("request"):
        raise VerificationFailed(f"Event {event.seq} ends an effect {key!r} that was not started so.")
    if any(event.data[fact] != start.data[fact] for fact in facts):
        raise VerificationFailed(f"Event {event.seq} ends another attempt of {key!r} than event {start.seq} starts.")


def _check_call(event: Event, finished: set[str]) -> None:
    begins = _FROM_A_CALL[event.type].format(**event.data)
    if not any(key.startswith(begins) for key in finished):
        raise VerificationFailed(f"Event {event.seq} ({event.type}) comes from no model call {begins!r} in the record.")


def _check_numbering(keys: set[str]) -> None:
    """Refuse a gap: the answers to one question are called `<question>/1`, `<question>/2` and so on."""
    for key in keys:
        question, _, number = key.rpartition("/")
        if question.startswith(("plan/", "write/", "report/", "synth/")) and number.isdecimal() and int(number) > 1:
            before = f"{question}/{int(number) - 1}"
            if before not in keys:
                raise VerificationFailed(f"The model call {before!r} is missing; {key!r} came after it.")
