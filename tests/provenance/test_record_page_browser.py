"""The record page in a real Chromium, opened from a file: nothing runs, nothing leaves, nothing overflows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, Request, sync_playwright

from counterproof.provenance.page import make_page, make_preview
from counterproof.provenance.transparency import make_statement, to_html

from .stories import Told, tell
from .test_record_page import HOSTILE

pytestmark = pytest.mark.browser

_SHAPE = """() => {
  const found = {};
  for (const { tagName } of document.querySelectorAll("*")) {
    if (tagName !== "SPAN") found[tagName] = 1 + (found[tagName] || 0);
  }
  return found;
}"""
"""Counts elements by their tag; coloured program text has as many spans as it has tokens, so those are not counted."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


def write(folder: Path, name: str, source: bytes) -> str:
    """Write a page and return its address."""
    path = folder / name
    path.write_bytes(source)
    return path.as_uri()


def watched(page: Page) -> tuple[list[str], list[str]]:
    """Return the lists in which the requests of a page and the dialogs that it opens will be written down."""
    asked: list[str] = []
    opened: list[str] = []

    def on_request(request: Request) -> None:
        asked.append(request.url)

    def on_dialog(dialog: Dialog) -> None:
        opened.append(dialog.message)
        dialog.dismiss()

    page.on("request", on_request)
    page.on("dialog", on_dialog)
    return asked, opened


def pages(told: Told, file: str) -> dict[str, bytes]:
    """Everything that a browser may open, by name."""
    return {
        "record.html": make_page(told.events, told.blobs, spans=told.spans),
        "statement.html": to_html(make_statement(told.events, told.blobs), record_page="record.html"),
        "preview.html": make_preview(told.events, {file: 1, "record.html": 1}),
    }


@pytest.fixture(scope="module")
def shapes(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, int]]:
    """How many elements of each kind each page has when its text is harmless."""
    folder = tmp_path_factory.mktemp("harmless")
    found = {}
    for name, source in pages(tell(folder, text="harmless"), "harmless:x").items():
        page = browser.new_page()
        page.goto(write(folder, name, source))
        found[name] = page.evaluate(_SHAPE)
        page.close()
    return found


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_runs_nothing_asks_for_nothing_and_stays_in_its_place(
    text: str, browser: Browser, shapes: dict[str, dict[str, int]], tmp_path: Path
) -> None:
    for name, source in pages(tell(tmp_path, text=text), f"a:{text.replace('/', '')}").items():
        page = browser.new_page()
        asked, opened = watched(page)
        address = write(tmp_path, name, source)
        page.goto(address)
        if name == "record.html":
            page.click("#unfold")
        assert page.evaluate("window.hit") is None
        assert opened == []
        assert page.evaluate(_SHAPE) == shapes[name]
        assert [url for url in asked if not url.startswith(("data:image/", address))] == []
        page.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_of_the_demo_fits_and_says_nothing_on_the_console(
    width: int, scheme: str, browser: Browser, demo_told: Told, tmp_path: Path
) -> None:
    source = make_page(demo_told.events, demo_told.blobs, spans=demo_told.spans)
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(write(tmp_path, "record.html", source))
    page.click("#unfold")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every((one) => one.naturalWidth > 0)")
    assert said == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(20, 24, 29)" if scheme == "dark" else "rgb(255, 255, 255)")
    context.close()


def test_button_unfolds_and_folds(browser: Browser, told: Told, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(write(tmp_path, "record.html", make_page(told.events, told.blobs)))
    page.click("#unfold")
    assert page.evaluate("[...document.querySelectorAll('details')].every((one) => one.open)")
    page.click("#unfold")
    assert page.evaluate("[...document.querySelectorAll('details')].every((one) => !one.open)")
    page.close()


def test_number_of_the_report_jumps_to_its_result(browser: Browser, told: Told, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(write(tmp_path, "record.html", make_page(told.events, told.blobs)))
    page.click("#report a.num")
    assert page.url.endswith("#result-0")
    page.close()


def test_page_works_without_any_script(browser: Browser, told: Told, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(write(tmp_path, "record.html", make_page(told.events, told.blobs)))
    page.locator("details.call").first.locator("summary").first.click()
    assert page.locator("details.call").first.get_attribute("open") is not None
    assert not page.locator("#unfold").is_visible()
    context.close()


def test_page_prints_with_everything_unfolded(browser: Browser, told: Told, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(write(tmp_path, "record.html", make_page(told.events, told.blobs)))
    page.emulate_media(media="print")
    assert page.pdf()[:5] == b"%PDF-"
    assert page.locator("details.call .inside").first.bounding_box() is not None
    assert not page.locator("nav").is_visible()
    page.close()
