"""The pages, driven with Streamlit's AppTest; `test_browser` does the same in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from counterproof.agents.study import open_study, open_workplace
from counterproof.provenance.reviewers import CheckpointKind, Role
from counterproof.provenance.store import Status
from tests.ui.app_pages import labels_of, page_of, press, text_of
from tests.ui.sites import DONE, PASSPHRASE, Site, add_reviewer, add_scenario, add_study

At = Callable[[str], Site]


def _decide(site: Site, kind: CheckpointKind) -> AppTest:
    return page_of(site.home, "decide", checkpoint=site.checkpoint(kind))


def test_inbox_lists_what_waits_and_leads_there(stages: dict[str, Site]) -> None:
    site = stages[CheckpointKind.PLAN]
    page = page_of(site.home, "inbox")
    assert "for: investigator or statistician" in text_of(page)
    assert f"to {{'page': 'decide', 'checkpoint': '{site.study}.plan.1'}}" in text_of(press(page, "Look and decide"))


def test_empty_inbox_says_so(tmp_path: Path) -> None:
    assert "Nothing waits for a decision" in text_of(page_of(tmp_path / "home", "inbox"))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (CheckpointKind.PLAN, "What the model is told about lung.csv"),
        (CheckpointKind.CODE, "SYNTHETIC: what follows was computed from the twin"),
        (CheckpointKind.RELEASE, "code can't tell whether single persons or small groups can be made out"),
        (CheckpointKind.SIGNOFF, "Where each number comes from"),
        (CheckpointKind.SIGNOFF, "Transparency statement, signed with the report"),
        (CheckpointKind.SIGNOFF, "Missing from the transparency statement"),
    ],
)
def test_each_checkpoint_is_shown_with_its_digest(stages: dict[str, Site], kind: CheckpointKind, words: str) -> None:
    site = stages[kind]
    page = _decide(site, kind)
    waiting = open_study(site.workplace, site.study).checkpoints.get(site.checkpoint(kind))
    assert not page.exception
    assert words in text_of(page)
    assert waiting.subject in [code.value for code in page.code]


def test_programs_are_shown_to_the_last_character(stages: dict[str, Site]) -> None:
    site = stages[CheckpointKind.CODE]
    page = _decide(site, CheckpointKind.CODE)
    subject = open_study(site.workplace, site.study).checkpoints.subject(site.checkpoint(CheckpointKind.CODE))
    shown = [code.value for code in page.code if code.language == "python"]
    assert shown == [program["code"].strip() for program in (*subject["programs"], *subject["checkers"])]


def test_exact_bytes_are_shown_when_asked_for(stages: dict[str, Site]) -> None:
    site = stages[CheckpointKind.PLAN]
    page = _decide(site, CheckpointKind.PLAN)
    page.toggle[0].set_value(True).run()
    study = open_study(site.workplace, site.study)
    subject = study.record.blobs.get(study.checkpoints.get(site.checkpoint(CheckpointKind.PLAN)).subject)
    assert subject.decode() in [code.value for code in page.code]


def test_nothing_is_chosen_beforehand(stages: dict[str, Site]) -> None:
    page = press(_decide(stages[CheckpointKind.PLAN], CheckpointKind.PLAN), "Go to signing")
    assert [error.value for error in page.error] == ["No decision is chosen. Approve, edit, reject or withdraw."]


# AppTest runs the whole script for a click in a dialog, which closes it; so here the script opens it each time.
_DIALOG = """
from pathlib import Path
from counterproof.agents.study import open_workplace
from counterproof.ui.deciding import draft_decision
from counterproof.ui.desk import Desk
from counterproof.ui.pages.decide import confirm
from counterproof.ui.views import decision_view
place = Desk(workplace=open_workplace(Path({home!r})))
view = decision_view(place, {checkpoint!r})
confirm(place, draft_decision(view, signer=view.signers[0], decision={decision!r}, comment="I read it."))
"""


def _dialog(site: Site, decision: str = "approve") -> AppTest:
    checkpoint = site.checkpoint(CheckpointKind.PLAN)
    script = _DIALOG.format(home=str(site.home), checkpoint=checkpoint, decision=decision)
    return AppTest.from_string(script, default_timeout=30).run()


def _sign(dialog: AppTest, passphrase: str) -> AppTest:
    dialog.text_input[1].set_value(passphrase)
    return press(dialog, "Sign")


def test_filled_in_decision_leads_to_a_confirmation(stages: dict[str, Site]) -> None:
    site = stages[CheckpointKind.PLAN]
    page = _decide(site, CheckpointKind.PLAN)
    page.radio[0].set_value("approve")
    page.text_area[0].set_value("I read it.")
    press(page, "Go to signing")
    assert "by **Ada Example** as **investigator**; meaning of the signature: **approval**" in text_of(page)
    digest = open_study(site.workplace, site.study).checkpoints.get(site.checkpoint(CheckpointKind.PLAN)).subject
    assert [code.value for code in page.code].count(digest) == 2
    assert [field.value for field in page.text_input] == [str(site.home / "keys" / "ada"), ""]


@pytest.mark.parametrize("decision", ["approve", "reject", "withdraw"])
def test_a_decision_is_signed_in_the_confirmation(site_at: At, decision: str) -> None:
    site = site_at(CheckpointKind.PLAN)
    assert not _sign(_dialog(site, decision), PASSPHRASE).exception
    signed = open_study(site.workplace, site.study).checkpoints.decision(site.checkpoint(CheckpointKind.PLAN))
    assert signed is not None
    assert (signed.decision.decision, signed.decision.comment) == (decision, "I read it.")
    assert f"Decided: {decision} by Ada Example." in text_of(_decide(site, CheckpointKind.PLAN))


def test_a_wrong_passphrase_signs_nothing(site_at: At) -> None:
    site = site_at(CheckpointKind.PLAN)
    dialog = _sign(_dialog(site), "wrong")
    assert "with this passphrase. Nothing was signed" in dialog.error[0].value
    assert open_study(site.workplace, site.study).checkpoints.waiting() is not None


def test_a_second_tab_is_told_who_decided(site_at: At) -> None:
    site = site_at(CheckpointKind.PLAN)
    second = _dialog(site, "reject")
    _sign(_dialog(site), PASSPHRASE)
    assert "was already decided by ada (approve). Nothing was changed." in _sign(second, PASSPHRASE).error[0].value


def test_an_edit_of_a_program_that_does_not_parse_is_refused(stages: dict[str, Site]) -> None:
    page = _decide(stages[CheckpointKind.CODE], CheckpointKind.CODE)
    page.radio[0].set_value("edit").run()
    areas = {area.label: area for area in page.text_area}
    assert {"New primary", "New replication"} < set(areas)
    areas["New primary"].set_value("import (")
    areas["Reason (stands in the record and in the signature)"].set_value("shorter")
    press(page, "Go to signing")
    assert "The primary program, line 1: it does not parse" in page.error[0].value


def test_nobody_in_the_role_is_said(stages: dict[str, Site], site_at: At) -> None:
    site = site_at(CheckpointKind.CODE)
    site.workplace.registry.revoke("ada", by="test")
    add_reviewer(site.workplace, "carl", roles=(Role.CUSTODIAN,))
    assert "No reviewer may decide this checkpoint" in text_of(_decide(site, CheckpointKind.CODE))


@pytest.mark.parametrize("where", ["", "nonsense", "study-00000000.plan.1"], ids=["none", "no id", "unknown"])
def test_a_wrong_address_is_said_and_raises_nothing(tmp_path: Path, where: str) -> None:
    page = page_of(tmp_path / "home", "decide", **({"checkpoint": where} if where else {}))
    assert not page.exception
    assert page.error if where else "No checkpoint is chosen" in text_of(page)


def test_a_changed_record_is_said(site_at: At) -> None:
    site = site_at(CheckpointKind.PLAN)
    path = site.home / "studies" / site.study / "record" / "events.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"seq":3', b'"seq":4'))
    for page in (_decide(site, CheckpointKind.PLAN), page_of(site.home, "study", study=site.study)):
        assert not page.exception
        assert "Verification failed. Don't sign anything." in page.error[0].value


def test_a_finished_study_names_its_bundle(stages: dict[str, Site]) -> None:
    site = stages[DONE]
    page = page_of(site.home, "study", study=site.study, section="report")
    assert "Status: **done**" in text_of(page)
    assert "Download the bundle" in labels_of(page, "download_button")


def test_a_study_that_stopped_can_be_asked_to_go_on(site_at: At) -> None:
    site = site_at(CheckpointKind.PLAN)
    study = add_study(site.workplace, "http://127.0.0.1:9/v1")
    site.workplace.store.set_status(study, Status.STOPPED, "the endpoint is down")
    page = page_of(site.home, "study", study=study)
    assert "the endpoint is down" in text_of(page)
    press(page, "Ask the worker to go on")
    assert site.workplace.store.study(study)["run_asked"]
    assert "counterproof worker" in text_of(page_of(site.home, "study", study=study))


def test_a_scenario_is_labelled_and_the_list_has_all(tmp_path: Path) -> None:
    workplace = open_workplace(tmp_path / "home")
    study = add_scenario(workplace)
    assert "no person reviewed it" in text_of(page_of(tmp_path / "home", "study", study=study))
    assert f"to {{'page': 'study', 'study': '{study}'}}" in text_of(press(page_of(tmp_path / "home", "study"), "Open"))
