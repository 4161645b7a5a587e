"""A checkpoint of a synthetic set, made again from the papers of its study.

It does not cover what went back to the model while it wrote the set: that stands as it was put up.
"""

from __future__ import annotations

from typing import Any

from counterproof.agents.reasons import pending
from counterproof.agents.set_papers import (
    approved,
    approved_specification,
    data_of,
    judged,
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
from counterproof.tools.synth.review import Session
from counterproof.tools.synth.specification import SetSpecification


def set_again(study: OpenStudy, checkpoint: Checkpoint, shown: dict[str, Any], *, before: int) -> dict[str, Any]:
    """Return what a checkpoint should show; `before` is the number of the event that put it up.

    Raises:
        VerificationFailed: its set, its ratings or its rating session are not those of the record.
    """
    reasons = pending(study, CheckpointKind.SAMPLE, before=before)
    match checkpoint.kind:
        case CheckpointKind.SPECIFICATION:
            return specification_subject(study, SetSpecification.model_validate(shown["editable"]), reasons=reasons)
        case CheckpointKind.SAMPLE:
            sent_back = [row for row in shown["findings"] if row["kind"] == SENT_BACK]
            return _sample(study, checkpoint, sent_back, reasons)
        case CheckpointKind.RELEASE:
            return _release(study, checkpoint)
        case _:
            raise VerificationFailed(f"{checkpoint.id} is of an analysis, and the study is none.")


def _sample(
    study: OpenStudy, checkpoint: Checkpoint, sent_back: list[dict[str, str]], reasons: tuple[str, ...]
) -> dict[str, Any]:
    made, specification = study.record.of_type("set.made")[-1], approved_specification(study)
    files = named_files(made.refs)
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
        reasons=reasons,
    )


def _release(study: OpenStudy, checkpoint: Checkpoint) -> dict[str, Any]:
    sample = approved(study, CheckpointKind.SAMPLE).checkpoint
    said = judged(study, sample)
    if said is None:
        raise VerificationFailed(f"{checkpoint.id} is of a set that was not judged.")
    files, given = named_files(said.refs), ratings_in(study, said)
    bodies = rated_files(study, study.checkpoints.subject(sample)["files"], *session_of(study), given)
    if {name: study.record.blobs.get(commitment) for name, commitment in files.items()} != bodies:
        raise VerificationFailed(f"{checkpoint.id} is of another set than its sample and its ratings give.")
    commitment = study.checkpoints.get(sample).subject
    return set_release_subject(study, approved_specification(study), commitment, files=files, given=given)
