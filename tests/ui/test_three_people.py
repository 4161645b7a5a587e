"""A whole study by three people in three roles, from upload to the verified bundle, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from counterproof.agents.study import open_study, open_workplace
from counterproof.provenance.reviewers import CheckpointKind, Role
from counterproof.scenarios.catalogue import load_scenario
from counterproof.ui.access import FOLDER, Accounts, Sessions, SignIns
from counterproof.ui.web import WebApp
from tests.ui.sites import PASSPHRASE, Site, add_reviewer

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery"
PEOPLE = {"ivy": Role.INVESTIGATOR, "stan": Role.STATISTICIAN, "carl": Role.CUSTODIAN}
DECIDES = {
    CheckpointKind.PLAN: "stan",
    CheckpointKind.CODE: "stan",
    CheckpointKind.RELEASE: "carl",
    CheckpointKind.SIGNOFF: "ivy",
}
_WAIT_MS = 60_000
expect.set_options(timeout=_WAIT_MS)


def _signed_in(browser: Browser, url: str, account: str) -> Page:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(_WAIT_MS)
    page = context.new_page()
    page.goto(url)
    expect(page.get_by_role("heading", name="Counterproof")).to_be_visible()
    page.get_by_label("Account").fill(account)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text(f"{account.capitalize()} Example, ").first).to_be_visible()
    return page


def _make(page: Page, endpoint: str) -> str:
    scenario = load_scenario("lung-survival")
    page.get_by_role("button", name="New study", exact=True).click()
    page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(scenario.data_paths[0])
    expect(page.get_by_text("What the model would be told")).to_be_visible()
    page.get_by_role("textbox", name="Question").fill(scenario.question)
    page.get_by_label("Name of the model at the endpoint").fill("authored")
    page.get_by_label("Address of the endpoint").fill(endpoint)
    page.get_by_label("Address of the endpoint").blur()
    expect(page.get_by_text("4 to 8 model calls")).to_be_visible()
    page.get_by_role("button", name="Make the study and begin").click()
    expect(page.get_by_text("What happened")).to_be_visible()
    found = re.search(r"study=(study-[0-9a-f]+)", page.url)
    assert found is not None
    return found.group(1)


def _approve(page: Page, kind: CheckpointKind) -> None:
    page.get_by_role("button", name="Inbox", exact=True).click()
    # A study's page has such a button as well, and stands until the inbox takes its place.
    page.locator("[class*='st-key-row-']").get_by_role("button", name="Look and decide").click()
    expect(page.get_by_role("heading", name=f"{kind}".replace("signoff", "Sign-off"))).to_be_visible()
    page.get_by_text("Approve: the study").click()
    page.get_by_label("Reason (stands").fill(f"I read the {kind}.")
    page.get_by_role("button", name="Go to signing").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Key file")).to_have_count(0)
    dialog.get_by_label("Passphrase").fill(PASSPHRASE)
    dialog.get_by_role("button", name="Sign").click()
    expect(page.get_by_text(f"Decided: approve by {DECIDES[kind].capitalize()} Example.")).to_be_visible()


def test_three_people_do_a_whole_study(
    browser: Browser, serve: Callable[[Path], WebApp], worker: Callable[[Path], None], endpoint: str, tmp_path: Path
) -> None:
    workplace = open_workplace(tmp_path / "home")
    for name, role in PEOPLE.items():
        add_reviewer(workplace, name, roles=(role,))
        Accounts(workplace.store.home / FOLDER).set_password(name, PASSWORD)
    url = serve(workplace.store.home).url
    pages = {name: _signed_in(browser, url, name) for name in PEOPLE}
    study = _make(pages["ivy"], endpoint)
    worker(workplace.store.home)
    for kind, name in DECIDES.items():
        _approve(pages[name], kind)
    ivy = pages["ivy"]
    ivy.goto(f"{url}/?page=study&study={study}&section=report")
    expect(ivy.get_by_text("The bundle is written.")).to_be_visible()
    with ivy.expect_download() as download:
        ivy.get_by_role("button", name="Download the bundle").click()
    bundle = tmp_path / "bundle.zip"
    download.value.save_as(bundle)
    ivy.get_by_role("button", name="Verify", exact=True).click()
    ivy.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(bundle)
    expect(ivy.get_by_text("The bundle holds")).to_be_visible()
    expect(ivy.get_by_text("Numbered verification")).to_be_visible()
    decided = open_study(workplace, study).record.of_type("decision.recorded")
    by = {event.data["kind"]: event.data["reviewer"]["id"] for event in decided}
    assert by == {str(kind): name for kind, name in DECIDES.items()}
    happened = [(event.type, event.data["account"]) for event in SignIns(workplace.store.home / FOLDER).events()]
    assert happened == [("signin.accepted", name) for name in PEOPLE]
    for page in pages.values():
        page.context.close()


def test_a_session_that_ends_while_a_person_decides_signs_nothing(
    browser: Browser, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site]
) -> None:
    site = site_at(CheckpointKind.PLAN)
    add_reviewer(site.workplace, "stan", roles=(Role.STATISTICIAN,))
    Accounts(site.home / FOLDER).set_password("stan", PASSWORD)
    page = _signed_in(browser, serve(site.home).url, "stan")
    page.get_by_role("button", name="Look and decide").click()
    page.get_by_text("Approve: the study").click()
    page.get_by_label("Reason (stands").fill("I read it.")
    page.get_by_role("button", name="Go to signing").click()
    page.get_by_role("dialog").get_by_label("Passphrase").fill(PASSPHRASE)
    assert Sessions(site.home / FOLDER).end_all("stan") == 1
    page.get_by_role("dialog").get_by_role("button", name="Sign").click()
    expect(page.get_by_text("the session has ended").first).to_be_visible()
    assert open_study(site.workplace, site.study).checkpoints.waiting() is not None
    page.reload()
    expect(page.get_by_label("Password")).to_be_visible()
    page.context.close()


def test_a_server_restart_keeps_the_session_and_what_waits(
    browser: Browser, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site]
) -> None:
    site = site_at(CheckpointKind.PLAN)
    Accounts(site.home / FOLDER).set_password("ada", PASSWORD)
    first = serve(site.home)
    page = _signed_in(browser, first.url, "ada")
    page.get_by_role("button", name="Look and decide").click()
    expect(page.get_by_role("button", name="Go to signing")).to_be_visible()
    place = page.url.removeprefix(first.url)
    first.stop()
    page.goto(serve(site.home).url + place)
    expect(page.get_by_role("button", name="Go to signing")).to_be_visible()
    page.context.close()


def test_who_is_not_signed_in_gets_neither_pages_nor_files(
    browser: Browser, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site]
) -> None:
    site = site_at(CheckpointKind.PLAN)
    Accounts(site.home / FOLDER).set_password("ada", PASSWORD)
    url = serve(site.home).url
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/?page=decide&checkpoint={site.checkpoint(CheckpointKind.PLAN)}")
    assert page.url == f"{url}/signin"
    assert context.request.get(f"{url}/media/x.png").status == 401
    assert context.request.put(f"{url}/_stcore/upload_file/a/b").status == 401
    assert context.request.get(url, headers={"host": "rebound.example"}).status == 403
    elsewhere = context.request.post(f"{url}/signin", form={"account": "ada", "password": PASSWORD})
    assert (elsewhere.status, "another site" in elsewhere.text()) == (403, True)
    headers = context.request.get(f"{url}/signin").headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    context.close()
