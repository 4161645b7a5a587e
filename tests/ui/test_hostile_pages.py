"""What a model, a program or a data file wrote stays text on every page, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from counterproof.agents.study import open_study, open_workplace
from counterproof.provenance.errors import UsageError
from counterproof.provenance.permissions import KINDS_OF
from counterproof.ui.making import Upload, preview
from counterproof.ui.pages.study import SECTIONS
from counterproof.ui.quoting import file_name, visible
from counterproof.ui.web import launch
from tests.ui.browsing import fits_soon, settle
from tests.ui.hostile import BEACON, add_hostile_study
from tests.ui.sites import DONE, Site, add_reviewer


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, stages: dict[str, Site], browser: Browser) -> Iterator[Hostile]:
    """The pages of a store with the hostile study."""
    workplace = open_workplace(tmp_path_factory.mktemp("hostile") / "home")
    add_reviewer(workplace)
    done = stages[DONE]
    study = add_hostile_study(workplace, open_study(done.workplace, done.study))
    app = launch(workplace.store.home, 0)
    try:
        yield Hostile(app.url, study, browser)
    finally:
        app.stop()


class Hostile:
    """The pages, the study on them, and what a page of them asked the network for."""

    def __init__(self, url: str, study: str, browser: Browser) -> None:
        self.url, self.study, self._browser = url, study, browser
        self.elsewhere: list[str] = []

    def open(self, query: str) -> Page:
        """Open a page and note every request that goes elsewhere."""
        for context in self._browser.contexts:
            context.close()
        page = self._browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(30_000)
        page.on("request", lambda asked: self.elsewhere.append(asked.url) if not self._is_ours(asked.url) else None)
        page.goto(f"{self.url}/?{query}")
        settle(page)
        return page

    def _is_ours(self, url: str) -> bool:
        return url.startswith((self.url, self.url.replace("http", "ws"), "data:", "blob:"))


PAGES = [
    "page=inbox",
    "page=study",
    *[f"page=decide&checkpoint={{study}}.{kind}.1" for kind in KINDS_OF["analysis"]],
    *[f"page=study&study={{study}}&section={section}" for section in SECTIONS],
    "page=study&study={study}&section=results&result=hr_women_vs_men",
]


_REPORT = "page=study&study={study}&section=report"


@pytest.mark.browser
@pytest.mark.parametrize("query", PAGES)
def test_a_hostile_study_is_only_text(hostile: Hostile, query: str) -> None:
    page = hostile.open(query.format(study=hostile.study))
    shown = page.inner_text("[data-testid=stMain]")
    assert "<script>window.pwned=1</script>" in shown
    assert "\u202e" not in shown
    assert "\x1b" not in shown
    assert page.evaluate("window.pwned") is None
    assert hostile.elsewhere == []
    assert page.locator(f"img[src*='{BEACON}'], a[href^='javascript'], [data-testid=stMain] script").count() == 0
    assert page.get_by_test_id("stException").count() == 0
    assert page.get_by_text("Something went wrong").count() == 0
    assert page.get_by_text("Verification failed").count() == 0
    for width in (1280,) if query == _REPORT else (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        fits_soon(page)


@pytest.mark.browser
def test_the_report_fits_a_narrow_screen(hostile: Hostile) -> None:
    page = hostile.open(_REPORT.format(study=hostile.study))
    page.set_viewport_size({"width": 390, "height": 900})
    fits_soon(page)


@pytest.mark.parametrize(
    ("name", "shown"), [("../../etc/passwd.csv", "passwd.csv"), ("C:\\data\\lung.csv", "lung.csv")], ids=["up", "back"]
)
def test_an_upload_keeps_only_the_last_part_of_its_name(name: str, shown: str) -> None:
    found = preview(Upload(name=name, content=b"age,sex\n1,2\n3,1\n"), exposure="metadata")
    assert (found.name, found.rows) == (shown, 2)


def test_an_upload_without_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'\.\.' can't be the name of a data file. Rename"):
        preview(Upload(name="a/..", content=b"age\n1\n"), exposure="metadata")


def test_a_long_text_is_cut_and_says_so() -> None:
    assert visible("x" * 50, longest=10) == "x" * 10 + "… (cut here; 50 characters in all)"


def test_what_steers_a_screen_is_named() -> None:
    assert visible("a\u202eb\x1b[31m\ttab\n") == "a⟨U+202E⟩b⟨U+001B⟩[31m\ttab\n"


@pytest.mark.parametrize(("name", "made"), [("../x y\u202e", "x-y.zip"), ("..", "study.zip")], ids=["path", "dots"])
def test_a_download_has_a_plain_name(name: str, made: str, tmp_path: Path) -> None:
    assert file_name(name, ".zip") == made
    assert (tmp_path / made).parent == tmp_path
