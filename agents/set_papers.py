"""What the study of a set rests on, read from its papers: approvals, files, and what the secure side is asked.

What was approved is read from the record, never from the graph's state, which anybody could have written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from counterproof.agents.papers import Papers
from counterproof.agents.reviews import intake_question
from counterproof.agents.secure import Asked, Wanted
from counterproof.agents.set_limits import SetLimits
from counterproof.agents.study import BESIDE
from counterproof.provenance.decisions import Decision
from counterproof.provenance.digests import canonical_json, sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import Event, Ref
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.sandbox.orders import InputRef, MakingOrder
from counterproof.tools.synth.documents import Document, parse_documents
from counterproof.tools.synth.review import Rating, Session
from counterproof.tools.synth.specification import SetSpecification

CARD = "card.json"


def approved(papers: Papers, kind: CheckpointKind) -> Decision:
    """Return the approval of the newest checkpoint of a kind.

    Raises:
        VerificationFailed: it is not approved; the graph's state was changed from outside.
    """
    opened = [event.data["id"] for event in papers.record.of_type("checkpoint.opened") if event.data["kind"] == kind]
    signed = papers.checkpoints.decision(opened[-1]) if opened else None
    if signed is None or signed.decision.decision != "approve":
        raise VerificationFailed(f"The {kind} of this set is not approved, and the study goes on as if it were.")
    return signed.decision


def approved_specification(papers: Papers) -> SetSpecification:
    """Return the specification that people approved last.

    Raises:
        VerificationFailed: the newest one is not approved.
    """
    subject = papers.checkpoints.subject(approved(papers, CheckpointKind.SPECIFICATION).checkpoint)
    return SetSpecification.model_validate(subject["editable"])


def approved_limits(papers: Papers) -> SetLimits:
    """Return what people were shown that the study allows, when they approved the specification.

    Raises:
        VerificationFailed: the newest one is not approved.
    """
    subject = papers.checkpoints.subject(approved(papers, CheckpointKind.SPECIFICATION).checkpoint)
    return SetLimits.model_validate(subject["limits"])


def making_request(papers: Papers, specification: SetSpecification, limits: SetLimits) -> bytes:
    """Return what the secure side is asked with for a table, within limits that people were shown."""
    asked = intake_question(papers.settings, papers.record, papers.checkpoints.policy().policy)
    spent = limits.spent if specification.epsilon else 0.0
    wanted = Wanted(specification=specification, asked=Asked.model_validate_json(asked), spent=spent)
    return canonical_json(wanted.model_dump(mode="json"))


def making_order(papers: Papers, request: bytes) -> MakingOrder:
    """Return the order for a request: what an approval opens the real data to."""
    inputs = tuple(InputRef(name=file.name, sha256=file.sha256) for file in papers.settings.data)
    return MakingOrder(request=sha256_bytes(request), inputs=inputs)


def texts_beside(papers: Papers) -> list[Document]:
    """Return the texts that raters see beside those that are made; none where there are none."""
    digest = beside_of(papers)
    return parse_documents(papers.record.blobs.get(digest), source="the texts beside") if digest else []


def beside_of(papers: Papers) -> str:
    """Return the digest of the texts that raters see beside those that are made; "" where there are none."""
    created = papers.record.of_type("study.created")[0]
    return next((ref.sha256 for ref in created.refs if ref.role == BESIDE), "")


def data_of(papers: Papers, files: Mapping[str, str]) -> tuple[str, bytes]:
    """Return the file with the rows or texts, by its name."""
    (name,) = (name for name in files if name.endswith((".csv", ".jsonl")))
    return name, papers.record.blobs.get(files[name])


def named_files(refs: Iterable[Ref]) -> dict[str, str]:
    """Return the files of a set among the bodies of an event, by their commitments."""
    return {ref.role.removeprefix("file:"): ref.sha256 for ref in refs if ref.role.startswith("file:")}


def judged(papers: Papers, sample: str) -> Event | None:
    """Return the event that says what people said of a sample; None before it is judged."""
    return next((event for event in papers.record.of_type("set.judged") if event.data["checkpoint"] == sample), None)


def ratings_in(papers: Papers, event: Event) -> list[Rating]:
    """Return what people said, as it was written down."""
    lines = papers.text(event.ref("ratings").sha256).splitlines()
    return [Rating.model_validate_json(line) for line in lines]


def session_of(papers: Papers) -> tuple[Session, bytes]:
    """Return the rating session of the set that was made last, and its key."""
    made = papers.record.of_type("set.made")[-1]
    session, key = (papers.record.blobs.get(made.ref(role).sha256) for role in ("session", "key"))
    return Session.model_validate_json(session), key
