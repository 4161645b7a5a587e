"""axe-core finds no serious barrier on any page, nor on the sign-in page, in light and in dark."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from counterproof.provenance.reviewers import CheckpointKind
from counterproof.ui.access import FOLDER, Accounts
from counterproof.ui.web import WebApp, launch
from tests.ui.browsing import settle
from tests.ui.kept_sets import add_comparison, add_set
from tests.ui.pictures import Picture, pictures
from tests.ui.sites import DONE, Site

pytestmark = pytest.mark.browser

_SERIOUS = ("serious", "critical")
_LOOKED_AT = {
    "inbox",
    "decide-plan-edit",
    "decide-code",
    "decide-release-edit",
    "decide-signoff-sign",
    "studies",
    "study-timeline",
    "study-results",
    "study-report",
    "new",
    "verify",
    "synthetic-set",
    "synthetic-rating",
    "compare-ended",
    "reviewers",
    "models",
    "system",
}
"""One picture of each page; the other states are made of the same parts."""


def _barriers(page: Page) -> list[str]:
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in found.response["violations"]
        if one["impact"] in _SERIOUS
    ]


@pytest.fixture(scope="module")
def served(stages: dict[str, Site], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A function that gives the address of the pages at a stage; the last has a synthetic set and a comparison too."""
    started: dict[str, WebApp] = {}

    def url(stage: str) -> str:
        if stage not in started:
            folder = tmp_path_factory.mktemp("served")
            home = Path(shutil.copytree(stages[stage].home, folder / "home"))
            if stage == DONE:
                add_set(home)
                add_comparison(home, folder / "tasks", ends=True)
            started[stage] = launch(home, 0)
        return started[stage].url

    yield url
    for app in started.values():
        app.stop()


def test_every_picture_that_is_looked_at_is_taken() -> None:
    assert {picture.name for picture in pictures("study-0")} >= _LOOKED_AT


@pytest.mark.parametrize("name", sorted(_LOOKED_AT))
def test_no_serious_barrier(page: Page, served: Callable[[str], str], stages: dict[str, Site], name: str) -> None:
    picture: Picture = next(one for one in pictures(stages[DONE].study) if one.name == name)
    page.goto(f"{served(picture.stage)}/?{picture.query}")
    settle(page)
    picture.clicks(page)
    settle(page)
    assert _barriers(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_barrier_at_the_door(
    browser: Browser, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site], scheme: Literal["light", "dark"]
) -> None:
    site = site_at(CheckpointKind.PLAN)
    Accounts(site.home / FOLDER).set_password("ada", "correct horse battery")
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(serve(site.home).url)
    assert page.get_by_label("Password").count() == 1
    assert _barriers(page) == []
    context.close()
