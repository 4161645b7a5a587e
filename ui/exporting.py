"""What can be taken away from a study: its report in three forms, and its bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from counterproof.agents.study import OpenStudy, open_study
from counterproof.provenance.errors import UsageError
from counterproof.provenance.labels import review_label
from counterproof.provenance.store import ENDED, Status
from counterproof.ui.desk import Desk
from counterproof.ui.gates import exporting_side
from counterproof.ui.reports import Document, report_document


@dataclass(frozen=True, kw_only=True)
class ExportView:
    """What is there to take away.

    Attributes:
        report: the report; None where there is none yet.
        bundle: the bundle's file; None where it is not written.
        label: how the study was reviewed, as the bundle says it.
        ended: whether the study has ended, so that its bundle can be written.
    """

    report: Document | None
    bundle: Path | None
    label: str
    ended: bool


def export_view(desk: Desk, study_id: str) -> ExportView:
    """Return what can be taken away.

    Raises:
        UsageError: there is no such study.
        NotAllowed: nobody is there.
        VerificationFailed: its record was changed.
    """
    desk.require("read")
    study = open_study(desk.workplace, study_id)
    return ExportView(
        report=report_document(study) if study.record.of_type("report.rendered") else None,
        bundle=path if (path := _bundle(study)).exists() else None,
        label=review_label(study.record.events()),
        ended=Status(desk.workplace.store.study(study_id)["status"]) in ENDED,
    )


def write_bundle(desk: Desk, study_id: str) -> Path:
    """Write the bundle of a study that has ended, however it ended, and return its file.

    Raises:
        NotAllowed: nobody is there, or somebody in none of the roles for it.
        UsageError: the study has not ended.
        VerificationFailed: its record was changed.
    """
    desk.require("export")
    study = open_study(desk.workplace, study_id)
    if Status(desk.workplace.store.study(study_id)["status"]) not in ENDED:
        raise UsageError(f"Study {study_id} has not ended.", advice="Its bundle is written when it has.")
    from counterproof.agents.bundling import make_bundle  # lazy: seldom needed

    side = exporting_side(desk.workplace.store.home, study)
    make_bundle(desk.workplace, study, _bundle(study), side=side)
    return _bundle(study)


def _bundle(study: OpenStudy) -> Path:
    return study.folder / "bundle.zip"
