"""View objects hold what the pages show, exactly as it is signed; a draft becomes a signed decision."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from counterproof.agents import releases
from counterproof.agents.study import open_study
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.permissions import KINDS_OF
from counterproof.provenance.reviewers import CheckpointKind, Role
from counterproof.provenance.store import Status
from counterproof.ui.deciding import draft_decision, sign_draft
from counterproof.ui.history import study_list, study_view, timeline
from counterproof.ui.reading import part_of
from counterproof.ui.subjects import CodePart, PlanPart, ReleasePart, SignoffPart
from counterproof.ui.views import DecisionView, decision_view, in_words, inbox
from tests.ui.sites import DONE, PASSPHRASE, Site, add_reviewer, add_scenario, add_study, desk

At = Callable[[str], Site]
_NOT_OF_A_COX_MODEL = {
    "Does everything random begin with the plan's seed?",
    "Are rows of one subject taken as independent?",
    "Is an exposure taken as known before it began?",
    "Are paired measurements compared as independent?",
    "Is a change score compared without its baseline?",
    "Does a predictor separate the outcome?",
    "Are cells filled enough for a chi-squared test?",
    "Do counts vary more than the model says?",
    "Is the spread even where the errors rest on it?",
    "Are small samples near enough to normal?",
    "Does one row carry the answer?",
    "Is a predictor nearly a combination of others?",
    "Do whole numbers fit into their type?",
    "Is a subject on both sides of a split?",
    "Is anything learned from the whole data before it is resampled?",
    "Is a predictor the outcome in disguise?",
    "Were test labels used for more than one final score?",
    "Are predicted probabilities as large as the outcomes?",
}
"""Titles of the checks of which the study of the fixture has nothing to look at."""


def _view(stages: dict[str, Site], kind: CheckpointKind) -> DecisionView:
    site = stages[kind]
    return decision_view(desk(site), site.checkpoint(kind))


def test_inbox_has_what_waits_with_its_roles_and_age(stages: dict[str, Site]) -> None:
    site = stages[CheckpointKind.PLAN]
    opened = datetime.fromisoformat(site.workplace.store.waiting()[0]["opened_at"])
    (row,) = inbox(site.workplace, now=opened + timedelta(hours=3))
    assert (row.checkpoint, row.kind, row.title) == (f"{site.study}.plan.1", CheckpointKind.PLAN, "Survival by sex")
    assert (row.roles, row.waits_for) == ((Role.INVESTIGATOR, Role.STATISTICIAN), "3 h")


def test_inbox_of_a_finished_study_is_empty(stages: dict[str, Site]) -> None:
    assert inbox(stages[DONE].workplace) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "under a minute"), (59, "under a minute"), (60, "1 min"), (7200, "2 h"), (172_800, "2 days")],
)
def test_age_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize("kind", KINDS_OF["analysis"])
def test_the_digest_is_that_of_the_bytes_on_the_page(stages: dict[str, Site], kind: CheckpointKind) -> None:
    view = _view(stages, kind)
    assert sha256_bytes(bytes.fromhex(view.salt) + view.subject) == view.digest
    assert len(view.salt) == (64 if kind is CheckpointKind.RELEASE else 0)
    assert view.decided is None


def test_plan_shows_the_plan_the_profile_and_the_identifiers(stages: dict[str, Site]) -> None:
    part = _view(stages, CheckpointKind.PLAN).part
    assert isinstance(part, PlanPart)
    assert "## Estimand" in part.markdown
    titles = {listing.title: listing for listing in part.listings}
    assert len(titles["What the model is told about lung.csv (228 rows)"].rows) == 10
    assert titles["Columns that may identify a person"].empty.startswith("None was found")


def test_code_shows_programs_findings_twin_run_and_what_is_read(stages: dict[str, Site]) -> None:
    view = _view(stages, CheckpointKind.CODE)
    assert isinstance(view.part, CodePart)
    assert [program.role for program in view.part.programs] == ["primary", "replication"]
    for program in view.part.programs:
        assert (program.status, len(program.results.rows)) == ("ok", 9)
        assert sha256_bytes(program.code.encode()) == program.sha256
    assert view.part.listings[0].rows[0]["file"] == "lung.csv"


def test_release_shows_items_figure_checks_and_comparison(stages: dict[str, Site]) -> None:
    part = _view(stages, CheckpointKind.RELEASE).part
    assert isinstance(part, ReleasePart)
    shown = {row["item"]: row["shows"] for row in part.numbers.rows}
    assert "0.588004 (0.423719 to 0.815986)" in shown["hr_women_vs_men"]
    figure, table = part.files
    assert figure.image is not None
    assert figure.image.startswith(b"\x89PNG")
    assert [row["group"] for row in table.rows] == ["women", "men", "everybody"]
    checks, comparison = part.listings
    verdicts = {row["check"]: row["verdict"] for row in checks.rows}
    assert len(verdicts) == len(checks.rows)
    assert {check for check, verdict in verdicts.items() if verdict != "pass"} == _NOT_OF_A_COX_MODEL
    assert {verdicts[check] for check in _NOT_OF_A_COX_MODEL} == {"not_applicable"}
    assert all(row["evidence"] for row in checks.rows)
    assert {row["agrees"] for row in comparison.rows} == {"yes"}


def test_signoff_shows_the_report_and_where_each_number_comes_from(stages: dict[str, Site]) -> None:
    part = _view(stages, CheckpointKind.SIGNOFF).part
    assert isinstance(part, SignoffPart)
    assert "0.424 to 0.816" in part.markdown
    found = [row for row in part.numbers.rows if row["comes from"] == "hr_women_vs_men.value"]
    assert {row["number"] for row in found} == {"0.588"}


def test_signoff_shows_the_statement_and_what_is_missing_from_it(stages: dict[str, Site]) -> None:
    part = _view(stages, CheckpointKind.SIGNOFF).part
    assert isinstance(part, SignoffPart)
    assert re.fullmatch(r"\d+ of 59 items present, \d+ not applicable, \d+ missing", part.summary)
    assert len(part.missing.rows) == int(part.summary.split()[-2])
    assert [row["lacks"] for row in part.missing.rows if row["item"] == "A4"] == ["person"]
    assert part.statement.startswith("Transparency statement: ")


def test_a_sign_off_is_not_approved_when_other_answers_are_kept_now(stages: dict[str, Site]) -> None:
    view = _view(stages, CheckpointKind.SIGNOFF)
    signer = view.signers[0]
    assert draft_decision(view, signer=signer, decision="approve", comment="Read it.").meaning == "responsibility"
    other = replace(view, answers="ab" * 32)
    with pytest.raises(UsageError, match=r"put up with no answers .*now there are the answers abababababab.*`edit`"):
        draft_decision(other, signer=signer, decision="approve", comment="Read it.")
    draft = draft_decision(other, signer=signer, decision="edit", comment="My answers.", edited=other.editable)
    assert (draft.edited, draft.meaning) == (other.editable, "authorship")


def test_a_subject_of_another_form_is_refused(stages: dict[str, Site]) -> None:
    site = stages[CheckpointKind.PLAN]
    blobs = open_study(site.workplace, site.study).record.blobs
    with pytest.raises(VerificationFailed, match=r"not of the form .*'editable'.* with the version"):
        part_of(
            CheckpointKind.PLAN,
            {
                "data": [],
                "noticed": [],
                "identifiers": [],
                "quasi_identifiers": [],
                "twins": [],
                "profile": {"files": []},
            },
            blobs,
        )


def test_a_changed_subject_is_refused(site_at: At) -> None:
    site = site_at(CheckpointKind.PLAN)
    study = open_study(site.workplace, site.study)
    path = study.record.blobs.path(study.checkpoints.get(site.checkpoint(CheckpointKind.PLAN)).subject)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"cohort", b"cohorT"))
    with pytest.raises(VerificationFailed, match="has been changed"):
        decision_view(desk(site), site.checkpoint(CheckpointKind.PLAN))


def test_only_fitting_reviewers_may_sign_and_never_the_replay_reviewer(site_at: At) -> None:
    site = site_at(CheckpointKind.CODE)
    add_scenario(site.workplace)
    add_reviewer(site.workplace, "carl", roles=(Role.CUSTODIAN,))
    add_reviewer(site.workplace, "stella", roles=(Role.STATISTICIAN,))
    signers = decision_view(desk(site), site.checkpoint(CheckpointKind.CODE)).signers
    assert [(signer.id, signer.role) for signer in signers] == [
        ("ada", Role.STATISTICIAN),
        ("stella", Role.STATISTICIAN),
    ]
    assert signers[0].key == site.home / "keys" / "ada"


def test_study_view_tells_what_happened(stages: dict[str, Site]) -> None:
    site = stages[DONE]
    view = study_view(desk(site), site.study)
    assert (view.status, view.waits, view.may_run) == (Status.DONE, None, False)
    assert view.bundle == site.workplace.store.study_folder(site.study) / "bundle.zip"
    rows = timeline(desk(site), site.study).rows
    decided = [row for row in rows if row.event == "decision recorded"]
    assert [row.who for row in decided] == ["human: ada"] * 4
    assert not [row for row in rows if row.event == "effect started"]


def test_study_view_says_what_waits_and_who_may_go_on(site_at: At) -> None:
    site = site_at(CheckpointKind.PLAN)
    waiting = study_view(desk(site), site.study)
    assert waiting.waits is not None
    assert not waiting.may_run
    new = study_view(desk(site), add_study(site.workplace, "http://127.0.0.1:9/v1", title="new"))
    assert (new.waits, new.may_run, new.bundle) == (None, True, None)
    assert [row.title for row in study_list(desk(site)).rows] == ["new", "Survival by sex"]


# Deciding


def _draft(view: DecisionView, **other: Any) -> Any:
    filled = {"signer": view.signers[0], "decision": "approve", "comment": "I read it.", **other}
    return draft_decision(view, **filled)


@pytest.mark.parametrize(
    ("other", "text"),
    [
        ({"signer": None}, "No reviewer is chosen. Choose who decides"),
        ({"decision": None}, "No decision is chosen. Approve, edit, reject or withdraw"),
        ({"comment": " \n"}, "reason has 0 characters.*Say what you looked at"),
        ({"comment": "x" * 10_001}, "reason has 10,001 characters"),
        ({"decision": "edit", "edited": {}}, "not of the required form"),
    ],
    ids=["nobody", "nothing", "no reason", "long reason", "no plan"],
)
def test_an_unusable_draft_is_refused(stages: dict[str, Site], other: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        _draft(_view(stages, CheckpointKind.PLAN), **other)


@pytest.mark.parametrize("kind", KINDS_OF["analysis"])
def test_an_edit_that_changes_nothing_is_refused(stages: dict[str, Site], kind: CheckpointKind) -> None:
    view = _view(stages, kind)
    with pytest.raises(UsageError, match=r"The edit changes nothing. Approve"):
        _draft(view, decision="edit", edited=view.editable)


def test_a_signed_draft_is_recorded_and_leaves_word_for_the_worker(site_at: At) -> None:
    site = site_at(CheckpointKind.RELEASE)
    view = decision_view(desk(site), site.checkpoint(CheckpointKind.RELEASE))
    draft = _draft(view, decision="edit", edited={**view.editable, "flow": "suppress"})
    sign_draft(desk(site), draft, key=str(view.signers[0].key), passphrase=PASSPHRASE)
    decided = decision_view(desk(site), view.checkpoint).decided
    assert decided is not None
    assert (decided.decision, decided.by, decided.role) == ("edit", "Ada Example", "custodian")
    assert site.workplace.store.study(site.study)["run_asked"]
    with pytest.raises(UsageError, match=r"already decided by ada \(edit\). Nothing was changed"):
        sign_draft(desk(site), _draft(view), key=str(view.signers[0].key), passphrase=PASSPHRASE)


def test_a_release_of_something_else_than_is_shown_is_not_signed(site_at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    site = site_at(CheckpointKind.RELEASE)
    view = decision_view(desk(site), site.checkpoint(CheckpointKind.RELEASE))
    monkeypatch.setattr(releases, "proposed_release", lambda *_args: ({"results": []}, ()))
    with pytest.raises(VerificationFailed, match="put up with another document than what it shows would let go"):
        sign_draft(desk(site), _draft(view), key=str(view.signers[0].key), passphrase=PASSPHRASE)
    assert decision_view(desk(site), view.checkpoint).decided is None
    monkeypatch.undo()
    sign_draft(desk(site), _draft(view), key=str(view.signers[0].key), passphrase=PASSPHRASE)


@pytest.mark.parametrize(
    ("key", "passphrase", "text"),
    [
        ("", PASSPHRASE, "No key file is named. Ada Example's is usually"),
        ("ada", "wrong", "can't be opened with this passphrase. Nothing was signed"),
        ("ada", "", "can't be opened without a passphrase. Nothing was signed"),
        ("ada.pub", PASSPHRASE, "can't be opened with this passphrase.*not the .pub file"),
        ("nobody", PASSPHRASE, "can't be read: No such file"),
        ("carl", PASSPHRASE, "This key is not ada's. ada signs with SHA256"),
    ],
    ids=["no file named", "wrong", "none", "public", "missing", "another's"],
)
def test_a_key_that_cannot_be_used_signs_nothing(site_at: At, key: str, passphrase: str, text: str) -> None:
    site = site_at(CheckpointKind.PLAN)
    add_reviewer(site.workplace, "carl")
    view = decision_view(desk(site), site.checkpoint(CheckpointKind.PLAN))
    path = str(site.home / "keys" / key) if key else " "
    with pytest.raises(UsageError, match=text):
        sign_draft(desk(site), _draft(view), key=path, passphrase=passphrase)
    assert decision_view(desk(site), view.checkpoint).decided is None
    assert not site.workplace.store.study(site.study)["run_asked"]
