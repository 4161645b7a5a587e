"""The steps that the bundle of a synthetic set has in place of `approvals`, `numbers` and `copies` of an analysis.

 7. making    the data were opened to a maker for the approved specification alone, once
 9. set       what was released is what people approved; every file carries the mark and the digest of the card that was
              released; as many people rated it as was asked for; and nothing was signed off
11. copies    the plain-named files are those of the record, what is made for others is made again, and no other file
              is there

It does not cover whether the set is any good: its card says that, and its limits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from counterproof.provenance.commitments import commits_to
from counterproof.provenance.digests import digest_of, sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import Event
from counterproof.provenance.marks import check_file
from counterproof.provenance.permissions import KINDS_OF, CheckpointKind, purpose_of
from counterproof.provenance.set_bundle import released_files
from counterproof.provenance.verify.copies import check_crate, check_named, shared_inputs, told
from counterproof.provenance.verify.formats import check_formats
from counterproof.provenance.verify.reading import Bundle, NotApplicable, fail_if
from counterproof.provenance.verify.remaking import check_readable, for_people
from counterproof.provenance.verify.rules import check_age
from counterproof.provenance.verify.set_makers import check_made, check_opened

CARD, REPORT, SUMMARY = "card.json", "report.html", "summary.md"


@dataclass(frozen=True, kw_only=True)
class _Released:
    """What people approved of a set: the subjects of its release and of its sample."""

    subject: dict[str, Any]
    sample: dict[str, Any]


def check_making(bundle: Bundle) -> list[str]:
    """7: the data were opened to a maker for the approved specification alone, once, and nothing else was made."""
    _check_purpose(bundle)
    approvals = bundle.approvals()
    opened = bundle.of_type("gate.opened")
    used: dict[str, str] = {}
    for gate in opened:
        approval = approvals.get(gate.data["approval"])
        if approval is None or approval.seq > gate.seq or approval.data["kind"] != CheckpointKind.SPECIFICATION:
            raise VerificationFailed(f"Event {gate.seq} opened the data without an approved specification before it.")
        check_age(bundle, gate, approval)
        subject = bundle.document(approval.data["subject"])
        if subject["order"] is None or digest_of(subject["order"]) != gate.data["order"]:
            raise VerificationFailed(f"Event {gate.seq} opened the data for another order than was approved.")
        check_opened(bundle, gate, subject["editable"])
        if used.setdefault(gate.data["approval"], gate.data["effect"]) != gate.data["effect"]:
            raise VerificationFailed(f"Event {gate.seq} uses an approval that another making had used.")
    made = [event for event in bundle.of_type("effect.finished") if event.data["kind"] != "model"]
    for event in made:
        if event.data["kind"] != "making":
            raise VerificationFailed(f"Event {event.seq} is an {event.data['kind']}, which no synthetic set has.")
        use = (event.ref("request").sha256, event.data["key"])
        if not any(gate.seq < event.seq and (gate.data["order"], gate.data["effect"]) == use for gate in opened):
            raise VerificationFailed(f"Event {event.seq} made a set from real data without an approval.")
    if not opened:
        raise NotApplicable("the gate opened no real data: the set is made for a table that is synthetic itself")
    return [f"{len(made)} sets made from real data, each approved before"]


def check_set(bundle: Bundle) -> list[str]:
    """9: what was released is what people approved, every file is marked, and nothing was signed off."""
    _check_purpose(bundle)
    strange = [event for event in bundle.of_type("checkpoint.opened") if event.data["kind"] not in _KINDS]
    fail_if([f"event {event.seq} puts up a {event.data['kind']}, which no synthetic set has" for event in strange])
    released = bundle.of_type("set.released")
    if not released:
        if bundle.names("set/"):
            raise VerificationFailed("The bundle holds files of a set that nobody released.")
        raise NotApplicable("the set was not released")
    if len(released) > 1:
        raise VerificationFailed(f"Event {released[1].seq} releases a second set.")
    document = bundle.body(released[0], "released")
    approved = _check_opened(bundle, released[0], document)
    files = {row["role"].removeprefix("file:"): row for row in document["opened"] if row["role"].startswith("file:")}
    card = _check_card(bundle, approved.subject, document)
    for name in files:
        _check_mark(bundle, name, card)
    specification = _check_specification(bundle, released[0], approved.subject)
    for name in files:
        if name.endswith(".csv"):
            check_made(bundle, specification, json.loads(card), name)
    raters = _check_raters(bundle, specification, approved.sample, json.loads(card))
    return [
        f"{len(files)} files, each with the card {sha256_bytes(card)}",
        f"rated by {raters} people; nothing signed off",
    ]


def check_set_copies(bundle: Bundle) -> list[str]:
    """11: the plain-named files are those of the record or made from it, and no other file is there."""
    wanted = released_files(bundle.events) | shared_inputs(bundle)
    check_named(bundle, wanted, beside=for_people(bundle))
    remade = [check_crate(bundle), check_readable(bundle), check_formats(bundle)]
    return told(bundle, f"{len(wanted)} files, each that of the record", remade)


_KINDS = frozenset(KINDS_OF["synthesis"])


def _check_purpose(bundle: Bundle) -> None:
    if purpose_of(bundle.events[0].data) != "synthesis":
        raise VerificationFailed("The bag says that it is of a synthetic set, and the record is that of an analysis.")


def _check_opened(bundle: Bundle, event: Event, document: dict[str, Any]) -> _Released:
    """Check that what is in the clear is what was approved, and return what people approved."""
    approval = _approval(bundle, event, event.data["checkpoint"], CheckpointKind.RELEASE)
    if (document["checkpoint"], document["synthetic"]) != (event.data["checkpoint"], True):
        raise VerificationFailed(f"Event {event.seq} releases a document about another checkpoint.")
    held = {ref.role: ref.sha256 for ref in event.refs if ref.role != "released"}
    rows = {row["role"]: row for row in document["opened"]}
    if held != {role: row["sha256"] for role, row in rows.items()} or len(rows) != len(document["opened"]):
        raise VerificationFailed(f"Event {event.seq} releases other bodies than its document names.")
    for role, row in rows.items():
        if not commits_to(row["commitment"], row["salt"], bundle.blob(row["sha256"])):
            raise VerificationFailed(
                f"Event {event.seq}: the {role} that was released is not the one of its commitment."
            )
    subject: dict[str, Any] = bundle.document(rows["subject"]["sha256"])
    files = {f"file:{name}": commitment for name, commitment in subject["files"].items()}
    sample = bundle.document(rows["sample"]["sha256"])
    kept = {"subject": approval.data["subject"], "sample": subject["sample"], "sample card": sample["files"][CARD]}
    wanted = {**kept, **files}
    if {role: row["commitment"] for role, row in rows.items()} != wanted:
        raise VerificationFailed(f"Event {event.seq} releases another set than was approved.")
    judged = [one for one in bundle.of_type("set.judged") if one.seq < approval.seq][-1:]
    if not judged or {ref.role: ref.sha256 for ref in judged[0].refs if ref.role != "ratings"} != files:
        raise VerificationFailed(f"Event {event.seq} releases another set than was judged.")
    seen = _approval(bundle, judged[0], judged[0].data["checkpoint"], CheckpointKind.SAMPLE)
    if seen.data["subject"] != subject["sample"]:
        raise VerificationFailed(f"Event {event.seq} releases a set of which another sample was approved.")
    before, now = (bundle.document(rows[role]["sha256"]) for role in ("sample card", f"file:{CARD}"))
    if before["provenance"] != now["provenance"]:
        raise VerificationFailed(f"Event {event.seq} releases other rows or texts than the sample is of.")
    return _Released(subject=subject, sample=sample)


def _approval(bundle: Bundle, event: Event, checkpoint: str, kind: CheckpointKind) -> Event:
    approval = bundle.approvals().get(checkpoint)
    if approval is None or approval.seq > event.seq or approval.data["kind"] != kind:
        raise VerificationFailed(f"Event {event.seq} ({event.type}) without an approval of the {kind} before it.")
    return approval


def _check_card(bundle: Bundle, subject: dict[str, Any], document: dict[str, Any]) -> bytes:
    card = bundle.get(f"set/{CARD}")
    if not sha256_bytes(card) == subject["card"] == document["card"]:
        raise VerificationFailed(f"The file set/{CARD} is not the card that was released.")
    return card


def _check_mark(bundle: Bundle, name: str, card: bytes) -> None:
    """Check that a file carries the mark and the digest of the card, as far as its form goes."""
    data = bundle.get(f"set/{name}")
    if name in (REPORT, SUMMARY):
        text = data.decode("utf-8", errors="replace")
        if "never real" not in text or sha256_bytes(card)[:16] not in text:
            raise VerificationFailed(f"The file set/{name} does not say that it is synthetic, or names another card.")
    elif name == CARD:
        if json.loads(card)["provenance"]["synthetic"] is not True:
            raise VerificationFailed(f"The file set/{name} does not say that it is synthetic.")
    else:
        check_file(name, data, card)


def _check_specification(bundle: Bundle, event: Event, subject: dict[str, Any]) -> dict[str, Any]:
    """Return the specification that was approved last before the set was made, which must be the one released."""
    approved = [
        one
        for one in bundle.approvals().values()
        if one.data["kind"] == CheckpointKind.SPECIFICATION and one.seq < event.seq
    ]
    found: dict[str, Any] = bundle.document(approved[-1].data["subject"])["editable"] if approved else {}
    if not approved or digest_of(found) != subject["specification"]:
        raise VerificationFailed(f"Event {event.seq} releases a set of another specification than was approved.")
    return found


def _check_raters(bundle: Bundle, specification: dict[str, Any], sample: dict[str, Any], card: dict[str, Any]) -> int:
    """Check that as many people rated every item as was asked for, and that the card counts the same ratings."""
    judged = bundle.of_type("set.judged")[-1]
    lines = [json.loads(line) for line in bundle.blob(judged.ref("ratings").sha256).decode().splitlines()]
    rated: dict[str, set[str]] = {}
    for line in lines:
        rated.setdefault(line["rater"], set()).add(line["item"])
    whole = [rater for rater, items in rated.items() if len(items) == sample["session"]["items"]]
    wanted = specification["raters"]
    if len(whole) < wanted:
        raise VerificationFailed(f"Event {judged.seq}: {len(whole)} people rated the set; {wanted} were asked for.")
    facts = card["human"]["facts"]
    if (facts.get("raters", 0), facts.get("ratings", 0)) != (len(rated), len(lines)):
        raise VerificationFailed(f"The card counts other ratings than event {judged.seq} holds.")
    return len(rated)
