"""A whole study by hand on the pages, in a real headless Chromium, with the worker as a process of its own.

`COUNTERPROOF_SCREENSHOTS` names a folder for pictures of every checkpoint at 1280 and 390 pixels.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from counterproof.agents.study import Workplace, open_study, open_workplace
from counterproof.provenance.permissions import KINDS_OF
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import Status
from counterproof.ui.web import WebApp
from tests.ui.browsing import overflow
from tests.ui.sites import DONE, PASSPHRASE, Site, add_reviewer, add_study

pytestmark = pytest.mark.browser

_WAIT_MS = 60_000
_KEY_NOTICE = "Single-user mode: to sign, your key file is opened"
_STUDY_NOTICE = "Single-user mode: one person made this study and decides everything in it."
expect.set_options(timeout=_WAIT_MS)


def _picture(page: Page, name: str) -> None:
    folder = os.environ.get("COUNTERPROOF_SCREENSHOTS")
    if folder is None:
        return
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": width, "height": min(int(height) + 80, 14_000)})
        page.wait_for_timeout(700)
        page.screenshot(path=Path(folder) / f"{name}-{width}.png")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_timeout(300)


def _fill_in(page: Page, decision: str, comment: str) -> None:
    page.get_by_text(re.compile(f"^{decision}: ")).click()
    page.get_by_label("Reason (stands").fill(comment)
    page.get_by_label("Reason (stands").blur()
    for _ in range(3):  # where the page is drawn again between the halves of a click, it is lost; people click again
        page.get_by_role("button", name="Go to signing").click()
        with suppress(AssertionError):
            expect(page.get_by_role("dialog")).to_be_visible(timeout=20_000)
            return
    expect(page.get_by_role("dialog")).to_be_visible()


def _sign(page: Page, passphrase: str) -> None:
    page.get_by_role("dialog").get_by_label("Passphrase").fill(passphrase)
    page.get_by_role("dialog").get_by_role("button", name="Sign").click()


def _decisions(workplace: Workplace, study: str) -> list[str]:
    events = open_study(workplace, study).record.of_type("decision.recorded")
    return [f"{event.data['kind']} {event.data['decision']}" for event in events]


def test_a_whole_study_is_done_by_hand(
    page: Page, serve: Callable[[Path], WebApp], worker: Callable[[Path], None], endpoint: str, tmp_path: Path
) -> None:
    workplace = open_workplace(tmp_path / "home")
    add_reviewer(workplace)
    study = add_study(workplace, endpoint)
    page.goto(serve(workplace.store.home).url)
    expect(page.get_by_text("Nothing waits for a decision")).to_be_visible()
    workplace.store.ask_run(study)
    worker(workplace.store.home)
    for kind in KINDS_OF["analysis"]:
        row = page.locator(f"[class*='st-key-row-{study}-{kind}-1']")
        expect(row).to_be_visible()  # without a click: the inbox refreshes by itself
        _picture(page, f"inbox-{kind}")
        row.get_by_role("button", name="Look and decide").click()
        waiting = open_study(workplace, study).checkpoints.waiting()
        assert waiting is not None
        expect(page.get_by_text(waiting.subject).first).to_be_visible()
        expect(page.get_by_text(_KEY_NOTICE)).to_be_visible()
        expect(page.get_by_text(_STUDY_NOTICE).first).to_be_visible()  # the report of a sign-off says it again
        expect(page.get_by_role("button", name="Go to signing")).to_be_visible()
        _picture(page, f"checkpoint-{kind}")
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            assert overflow(page) <= 0
        _fill_in(page, "Approve", f"I read the {kind}.")
        expect(page.get_by_role("dialog").get_by_text(waiting.subject)).to_be_visible()
        _picture(page, f"sign-{kind}")
        _sign(page, PASSPHRASE)
        expect(page.get_by_text("Decided: approve by Ada Example.")).to_be_visible()
        page.get_by_role("button", name="Inbox", exact=True).click()
    _until(lambda: workplace.store.study(study)["status"] == Status.DONE)
    assert _decisions(workplace, study) == [f"{kind} approve" for kind in KINDS_OF["analysis"]]
    page.get_by_role("button", name="Studies", exact=True).click()
    expect(page.get_by_role("heading", name="Studies")).to_be_visible()
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_text("The bundle is written.")).to_be_visible()
    _picture(page, "study-done")
    assert (workplace.store.study_folder(study) / "bundle.zip").is_file()


def test_two_tabs_give_one_decision_and_a_clear_message(
    browser: Browser, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site]
) -> None:
    site = site_at(CheckpointKind.PLAN)
    address = f"{serve(site.home).url}/?page=decide&checkpoint={site.checkpoint(CheckpointKind.PLAN)}"
    tabs = [browser.new_page() for _ in range(2)]
    for tab, decision in zip(tabs, ("Approve", "Reject"), strict=True):
        tab.set_default_timeout(_WAIT_MS)
        tab.goto(address)
        _fill_in(tab, decision, f"{decision} in this tab")
    _sign(tabs[0], PASSPHRASE)
    expect(tabs[0].get_by_text("Decided: approve by Ada Example.")).to_be_visible()
    _sign(tabs[1], PASSPHRASE)
    expect(tabs[1].get_by_role("dialog").get_by_text("was already decided by ada (approve)")).to_be_visible()
    _picture(tabs[1], "already-decided")
    assert _decisions(site.workplace, site.study) == ["plan approve"]
    for tab in tabs:
        tab.close()


def test_two_tabs_that_sign_at_once_give_one_decision(
    browser: Browser, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site]
) -> None:
    site = site_at(CheckpointKind.PLAN)
    address = f"{serve(site.home).url}/?page=decide&checkpoint={site.checkpoint(CheckpointKind.PLAN)}"
    tabs = [browser.new_page() for _ in range(2)]
    for tab, decision in zip(tabs, ("Approve", "Reject"), strict=True):
        tab.set_default_timeout(_WAIT_MS)
        tab.goto(address)
        _fill_in(tab, decision, f"{decision} in this tab")
    for tab in tabs:
        _sign(tab, PASSPHRASE)
    for tab in tabs:
        expect(tab.get_by_text(re.compile("Decided: |was already decided by ada")).first).to_be_visible()
    assert sorted(tab.get_by_text("was already decided by ada").count() for tab in tabs) == [0, 1]
    assert _decisions(site.workplace, site.study) in (["plan approve"], ["plan reject"])
    for tab in tabs:
        tab.close()


def test_double_click_gives_one_decision(
    page: Page, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site]
) -> None:
    site = site_at(CheckpointKind.PLAN)
    page.goto(f"{serve(site.home).url}/?page=decide&checkpoint={site.checkpoint(CheckpointKind.PLAN)}")
    _fill_in(page, "Approve", "clicked twice")
    page.get_by_role("dialog").get_by_label("Passphrase").fill(PASSPHRASE)
    page.get_by_role("dialog").get_by_role("button", name="Sign").dblclick()
    expect(page.get_by_text("Decided: approve by Ada Example.")).to_be_visible()
    assert _decisions(site.workplace, site.study) == ["plan approve"]
    assert page.get_by_text("Traceback").count() == 0


def test_wrong_passphrase_is_said_and_can_be_mended(
    page: Page, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site]
) -> None:
    site = site_at(CheckpointKind.PLAN)
    page.goto(f"{serve(site.home).url}/?page=decide&checkpoint={site.checkpoint(CheckpointKind.PLAN)}")
    _fill_in(page, "Reject", "the estimand is unclear")
    _sign(page, "wrong")
    expect(page.get_by_role("dialog").get_by_text("can't be opened")).to_be_visible()
    _picture(page, "wrong-passphrase")
    assert _decisions(site.workplace, site.study) == []
    _sign(page, PASSPHRASE)
    expect(page.get_by_text("Decided: reject by Ada Example.")).to_be_visible()
    assert _decisions(site.workplace, site.study) == ["plan reject"]


def test_edited_code_is_checked_then_signed(
    page: Page, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site]
) -> None:
    site = site_at(CheckpointKind.CODE)
    page.goto(f"{serve(site.home).url}/?page=decide&checkpoint={site.checkpoint(CheckpointKind.CODE)}")
    page.get_by_text(re.compile("^Edit: ")).click()
    area = page.get_by_label("New primary")
    expect(area).to_be_visible()  # it moves the button down
    page.get_by_label("Reason (stands").fill("a comment is added")
    page.get_by_role("button", name="Go to signing").click()
    expect(page.get_by_text("The edit changes nothing.")).to_be_visible()
    _picture(page, "edit-code")
    area.fill(area.input_value() + "\n# looked at by a statistician\n")
    page.get_by_role("button", name="Go to signing").click()
    _sign(page, PASSPHRASE)
    expect(page.get_by_text("Decided: edit by Ada Example.")).to_be_visible()
    assert site.workplace.store.study(site.study)["run_asked"]


def test_a_network_that_is_cut_while_a_person_signs_loses_nothing(
    page: Page, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site]
) -> None:
    site, lines, is_cut = site_at(CheckpointKind.PLAN), list[WebSocketRoute](), threading.Event()

    def between(line: WebSocketRoute) -> None:
        if is_cut.is_set():
            line.close()
            return
        line.connect_to_server()
        lines.append(line)

    page.route_web_socket(re.compile("_stcore/stream"), between)
    page.goto(f"{serve(site.home).url}/?page=decide&checkpoint={site.checkpoint(CheckpointKind.PLAN)}")
    _fill_in(page, "Approve", "I read it.")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Passphrase")).to_be_visible()
    is_cut.set()
    lines[-1].close()
    expect(page.get_by_role("button", name="Inbox", exact=True)).to_be_disabled()  # as is everything else
    assert _decisions(site.workplace, site.study) == []
    is_cut.clear()
    expect(dialog.get_by_label("Passphrase")).to_be_enabled()
    _sign(page, PASSPHRASE)
    expect(page.get_by_text("Decided: approve by Ada Example.")).to_be_visible()
    assert _decisions(site.workplace, site.study) == ["plan approve"]


def test_the_study_page_is_reached_by_its_address(
    page: Page, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site]
) -> None:
    site = site_at(DONE)
    page.goto(f"{serve(site.home).url}/?page=study&study={site.study}")
    expect(page.get_by_text("The bundle is written.")).to_be_visible()
    expect(page.get_by_text(_KEY_NOTICE)).to_be_visible()
    expect(page.get_by_text(_STUDY_NOTICE)).to_be_visible()


def test_back_leads_back_and_a_reload_keeps_the_place(
    page: Page, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site]
) -> None:
    page.goto(serve(site_at(CheckpointKind.PLAN).home).url)
    page.get_by_role("button", name="Look and decide").click()
    expect(page.get_by_role("heading", name="◆1 Plan")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="◆1 Plan")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()


def test_the_file_of_a_page_as_first_address_shows_the_app(
    page: Page, serve: Callable[[Path], WebApp], tmp_path: Path
) -> None:
    page.goto(f"{serve(tmp_path / 'home').url}/decide")
    expect(page.get_by_text("Single-user mode")).to_be_visible()


def test_going_to_and_fro_never_blanks_a_page(
    page: Page, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site]
) -> None:
    page.goto(serve(site_at(CheckpointKind.PLAN).home).url)
    for _ in range(8):
        page.get_by_role("button", name="Look and decide").click()
        expect(page.get_by_role("button", name="Go to signing")).to_be_visible()
        page.get_by_role("button", name="Inbox", exact=True).click()
        expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
        page.wait_for_timeout(1950)  # a refresh of the inbox is about to begin


def test_another_host_name_gets_no_page(page: Page, serve: Callable[[Path], WebApp], tmp_path: Path) -> None:
    url = serve(tmp_path / "home").url
    page.goto(url.replace("127.0.0.1", "localhost"))
    expect(page.get_by_text("Single-user mode")).to_be_visible()
    page.goto(url.replace("127.0.0.1", "rebound.localhost"))
    page.wait_for_timeout(2000)
    assert page.get_by_text("Single-user mode").count() == 0


def _until(holds: Callable[[], bool], *, wait_s: float = 60) -> None:
    end = time.monotonic() + wait_s
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)
