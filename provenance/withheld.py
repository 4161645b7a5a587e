"""Which bodies of a record leave in a bundle, and what is said of those that stay.

A body leaves when any event has it on the open side. The redacted profile, for sharing where a message may hold
something of a person, keeps back more: what the model was asked and answered, what programs printed and gave on the
twin, the twin itself, the model's notes, and the data files. What people signed stays in, and so does all that the
signatures, the approvals, the released results and the report rest on.

Each body that stays is listed by digest, size and role. In a redacted bundle each row also carries a proof that the
event which names the body is in the record: with the row, the event's line and the record's Merkle root alone, and
without the other lines, anybody can check that just this body was named there.

It does not cover what stands inside of bodies that leave: a subject that reviewers saw may quote the twin's output.

Source: RFC 6962, sections 2.1 and 2.1.1 (Merkle tree and inclusion proofs).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from counterproof.provenance.events import Event, Ref
from counterproof.provenance.merkle import inclusion_proof, is_included, leaf_hash

Profile = Literal["full", "redacted"]
SECURE = "computed from real data, not released"
REDACTED = "redacted"
_PRINTED = ("stdout", "stderr", "notes")
_GIVEN = ("output:", "twin:")


def split_bodies(events: Sequence[Event], profile: Profile = "full") -> tuple[list[str], list[dict[str, Any]]]:
    """Return the digests that may leave, and what stays.

    A body leaves when any event has it on the open side; from a redacted bundle only when one of these events needs it.
    """
    named = [(event, ref) for event in events for ref in event.refs]
    opened = {ref.sha256 for _, ref in named if ref.side == "open"}
    leaving = {
        ref.sha256 for event, ref in named if ref.side == "open" and not (profile == "redacted" and _told(event, ref))
    }
    staying = {ref.sha256: (event, ref) for event, ref in named if ref.sha256 not in leaving}
    withheld = [
        _row(ref, REDACTED if ref.sha256 in opened else SECURE, event.seq if profile == "redacted" else None)
        for event, ref in staying.values()
    ]
    if profile == "redacted" and events[0].data["share_data"]:
        withheld += [
            {
                "sha256": file["sha256"],
                "size": file["size"],
                "role": f"input:{file['name']}",
                "why": REDACTED,
                "event": 0,
            }
            for file in events[0].data["data"]
        ]
    return sorted(leaving), sorted(withheld, key=lambda row: (row["sha256"], row["role"]))


def with_proofs(rows: Sequence[dict[str, Any]], lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the rows, each with the proof that the line of its event is under the record's Merkle root."""
    leaves = [leaf_hash(line) for line in lines]
    proofs = {at: [step.hex() for step in inclusion_proof(leaves, at)] for at in {row["event"] for row in rows}}
    return [{**row, "proof": proofs[row["event"]]} for row in rows]


def holds(row: dict[str, Any], line: bytes, *, size: int, root: str) -> bool:
    """Say whether the proof of a row shows that `line` is its event's, among the `size` lines under `root`."""
    proof = [bytes.fromhex(step) for step in row["proof"]]
    return is_included(leaf_hash(line), row["event"], size=size, proof=proof, root=bytes.fromhex(root))


def _told(event: Event, ref: Ref) -> bool:
    """Say whether a body, as far as this event names it, may hold what somebody said and nobody has to verify."""
    if event.type.startswith("effect.") and event.data["kind"] == "model":
        return True
    if event.type == "results.released":
        return False
    return ref.role in _PRINTED or ref.role.startswith(_GIVEN)


def _row(ref: Ref, why: str, event: int | None) -> dict[str, Any]:
    row = {"sha256": ref.sha256, "size": ref.size, "role": ref.role, "why": why}
    return row if event is None else {**row, "event": event}
