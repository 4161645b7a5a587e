"""A checkpoint of a synthetic set, made again from the papers of its study and from what people signed before.

It does not cover who wrote the texts of a set, nor what went back to the model: that stands as it was put up. Nor the
card of texts, whether the record of a making is what the maker gave, and who rated (ratings are not signed).
"""

from __future__ import annotations

from typing import Any

from counterproof.agents.reasons import pending
from counterproof.agents.set_papers import (
    CARD,
    approved,
    approved_limits,
    approved_specification,
    data_of,
    judged,
    making_order,
    making_request,
    named_files,
    ratings_in,
    session_of,
)
from counterproof.agents.study import OpenStudy
from counterproof.agents.subjects.sets import (
    SENT_BACK,
    rated_files,
    sample_subject,
    session_for,
    set_release_subject,
    specification_subject,
)
from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.tools.synth.marks import check_marks
from counterproof.tools.synth.review import Session, who_rated_all
from counterproof.tools.synth.specification import SetSpecification


def set_again(study: OpenStudy, checkpoint: Checkpoint, shown: dict[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint should show.

    Raises:
        VerificationFailed: its set, its ratings or its rating session are not those of the record.
    """
    match checkpoint.kind:
        case CheckpointKind.SPECIFICATION:
            specification = SetSpecification.model_validate(shown["editable"])
            return specification_subject(study, specification, reasons=pending(study, CheckpointKind.SAMPLE))
        case CheckpointKind.SAMPLE:
            return _sample(study, checkpoint, [row for row in shown["findings"] if row["kind"] == SENT_BACK])
        case CheckpointKind.RELEASE:
            return _release(study, checkpoint)
        case _:
            raise VerificationFailed(f"{checkpoint.id} is of an analysis, and the study is none.")


def _sample(study: OpenStudy, checkpoint: Checkpoint, sent_back: list[dict[str, str]]) -> dict[str, Any]:
    made, specification = study.record.of_type("set.made")[-1], approved_specification(study)
    files = named_files(made.refs)
    if specification.kind == "table":
        _check_made(study, specification, files)
    session, key = session_for(study, specification, *data_of(study, files))
    if (Session.model_validate_json(session), key) != session_of(study):
        raise VerificationFailed(f"{checkpoint.id} has another rating session than its set gives.")
    return sample_subject(
        study,
        specification,
        files,
        set_name=study.id,
        number=made.data["round"],
        sent_back=sent_back,
        reasons=pending(study, CheckpointKind.SAMPLE),
    )


def _check_made(study: OpenStudy, specification: SetSpecification, files: dict[str, str]) -> None:
    """Refuse a table that was not made as its specification was approved, or lacks the marks of synthetic data."""
    order = making_order(study, making_request(study, specification, approved_limits(study))).digest
    makings = [event for event in study.record.of_type("effect.finished") if event.data["kind"] == "making"]
    gave = [study.json(event.ref("response").sha256)["files"] for event in makings if event.data["order"] == order]
    if gave != [files]:
        raise VerificationFailed("The set is not what its making gave.")
    _, data = data_of(study, files)
    check_marks(data, study.record.blobs.get(files[CARD]))


def _release(study: OpenStudy, checkpoint: Checkpoint) -> dict[str, Any]:
    sample, specification = approved(study, CheckpointKind.SAMPLE).checkpoint, approved_specification(study)
    said, shown = judged(study, sample), study.checkpoints.subject(sample)["files"]
    if said is None:
        raise VerificationFailed(f"{checkpoint.id} is of a set that was not judged.")
    raw, key = session_for(study, specification, *data_of(study, shown))
    session, files, given = Session.model_validate_json(raw), named_files(said.refs), ratings_in(study, said)
    if len(who_rated_all(session, given)) < specification.raters:
        raise VerificationFailed(f"{checkpoint.id} was put up with fewer ratings than its specification asks for.")
    bodies = rated_files(study, shown, session, key, given)
    if {name: study.record.blobs.get(commitment) for name, commitment in files.items()} != bodies:
        raise VerificationFailed(f"{checkpoint.id} is of another set than its sample and its ratings give.")
    commitment = study.checkpoints.get(sample).subject
    return set_release_subject(study, specification, commitment, files=files, given=given)
