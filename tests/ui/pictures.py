"""Pictures of every page and state, at 1280 and 390 pixels: `make pictures`, or `python -m tests.ui.pictures FOLDER`.

The studies on them are made by the authored answers of the lung scenario. A page that is wider than its window, or that
shows an exception, ends the command with exit code 1 after all pictures are made.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from counterproof.provenance.permissions import KINDS_OF
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.ui.pages.study import SECTIONS
from counterproof.ui.web import launch
from tests.ui.browsing import WIDTHS, chromium, grow, overflow, settle
from tests.ui.kept_sets import SET, add_comparison, add_set
from tests.ui.sites import DONE, Site, authored_endpoint, make_stages

PLACES = ("verify", "synthetic", "compare", "reviewers", "models", "system")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture: at which stage of the study, under which address, after which clicks."""

    name: str
    stage: str
    query: str
    clicks: Callable[[Page], None] = lambda _page: None


def pictures(study: str) -> Iterator[Picture]:
    """Yield what is to be taken."""
    yield Picture(name="inbox", stage=CheckpointKind.PLAN, query="")
    yield Picture(name="inbox-empty", stage=DONE, query="")
    for kind in KINDS_OF["analysis"]:
        where = f"page=decide&checkpoint={study}.{kind}.1"
        yield Picture(name=f"decide-{kind}", stage=kind, query=where)
        yield Picture(name=f"decide-{kind}-edit", stage=kind, query=where, clicks=_edit)
        yield Picture(name=f"decide-{kind}-sign", stage=kind, query=where, clicks=_sign)
        yield Picture(name=f"decide-{kind}-decided", stage=DONE, query=where)
    yield Picture(name="studies", stage=DONE, query="page=study")
    yield Picture(name="study-waits", stage=CheckpointKind.CODE, query=f"page=study&study={study}")
    for section in SECTIONS:
        yield Picture(name=f"study-{section}", stage=DONE, query=f"page=study&study={study}&section={section}")
    lineage = f"page=study&study={study}&section=results&result=hr_women_vs_men"
    yield Picture(name="study-lineage", stage=DONE, query=lineage)
    yield Picture(name="new", stage=DONE, query="page=new")
    for place in PLACES:
        yield Picture(name=place, stage=DONE, query=f"page={place}")
    yield Picture(name="synthetic-set", stage=DONE, query=f"page=synthetic&set={SET}")
    yield Picture(name="synthetic-rating", stage=DONE, query=f"page=synthetic&rate={SET}", clicks=_rate)
    yield Picture(name="compare-ended", stage=DONE, query="page=compare", clicks=_open)


def take(page: Page, url: str, picture: Picture, folder: Path) -> list[str]:
    """Take a picture at each width, and return what is wrong with the page."""
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{url}/?{picture.query}")
    settle(page)
    picture.clicks(page)
    settle(page)
    wrong = []
    for width in WIDTHS:
        grow(page, width)
        page.screenshot(path=folder / f"{picture.name}-{width}.png")
        if (pixels := overflow(page)) > 0:
            wrong.append(f"{picture.name} at {width}: {pixels} pixels lie beyond the right edge")
    if page.get_by_test_id("stException").count():
        wrong.append(f"{picture.name}: an exception is shown")
    return wrong


def main(folder: Path) -> int:
    """Take all pictures; return the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        with authored_endpoint() as endpoint:
            stages = make_stages(Path(place), endpoint)
        add_set(stages[DONE].home)
        add_comparison(stages[DONE].home, Path(place, "tasks"), ends=True)
        with chromium() as browser:
            page = browser.new_page()
            for stage, site in stages.items():
                wrong += _of_stage(page, stage, site, folder)
    print("\n".join(wrong) or "Every page fits.", file=sys.stderr)
    return 1 if wrong else 0


def _of_stage(page: Page, stage: str, site: Site, folder: Path) -> list[str]:
    app = launch(site.home, 0)
    try:
        wanted = [picture for picture in pictures(site.study) if picture.stage == stage]
        return [fault for picture in wanted for fault in take(page, app.url, picture, folder)]
    finally:
        app.stop()


def _edit(page: Page) -> None:
    page.get_by_text("Edit: hand in").click()


def _rate(page: Page) -> None:
    page.get_by_label("Your name, as a rater").fill("ada")
    page.get_by_label("Your name, as a rater").press("Enter")
    page.get_by_role("button", name="Next").wait_for()


def _open(page: Page) -> None:
    page.get_by_role("button", name="Open").click()
    page.get_by_role("button", name="Download the report").or_(
        page.get_by_text("What the categories mean")
    ).first.wait_for()


def _sign(page: Page) -> None:
    page.get_by_text("Approve: the study").click()
    page.get_by_label("Reason (stands").fill("I read it.")
    page.get_by_role("button", name="Go to signing").click()
    page.get_by_role("dialog").wait_for()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures")))
