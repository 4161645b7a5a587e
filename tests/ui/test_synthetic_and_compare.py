"""The pages of synthetic data and of comparisons, driven with AppTest; rating with the keyboard in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from streamlit.testing.v1 import AppTest

from counterproof.agents.study import open_workplace
from counterproof.provenance.errors import UsageError
from counterproof.provenance.reviewers import Role
from counterproof.tools.synth import review
from counterproof.ui.desk import Desk, Person
from counterproof.ui.synthetic_sets import REVIEW, rate_item, rating_view
from counterproof.ui.web import WebApp
from tests.ui.app_pages import cells_of, labels_of, page_of, press, text_of
from tests.ui.kept_sets import SET, add_comparison, add_set

expect.set_options(timeout=60_000)
RATERS = ("ada", "ben", "cem")


def _rate(page: AppTest, answers: tuple[str, int, int]) -> AppTest:
    for radio, answer in zip(page.radio, answers, strict=True):
        radio.set_value(answer)
    return press(page, "Next")


def _truth(folder: Path) -> dict[str, str]:
    """Which items are real: what raters never get."""
    key: dict[str, str] = json.loads((folder / REVIEW / review.KEY).read_bytes())
    return key


def test_a_store_without_sets_and_comparisons_says_how_to_make_them(tmp_path: Path) -> None:
    assert "synth make FILE" in text_of(page_of(tmp_path / "home", "synthetic"))
    assert "counterproof compare" in text_of(page_of(tmp_path / "home", "compare"))


def test_a_set_is_shown_with_its_card_and_files(tmp_path: Path) -> None:
    add_set(tmp_path / "home")
    listed = page_of(tmp_path / "home", "synthetic")
    assert "marginals" in text_of(listed)
    assert f"'set': '{SET}'" in text_of(press(listed, "Look at the card"))
    shown = page_of(tmp_path / "home", "synthetic", set=SET)
    assert not shown.exception
    assert "Synthetic, never real" in text_of(shown)
    assert {"pass", "flag"} & set(cells_of(shown))
    assert {"card.json", "report.html", "summary.md", "lbw.synthetic.csv"} <= {
        label.replace("\\", "") for label in labels_of(shown, "download_button")
    }


@pytest.mark.parametrize("where", [{"set": "../studies"}, {"set": "no-such"}, {"rate": "no-such"}])
def test_a_set_that_is_not_there_is_said(tmp_path: Path, where: dict[str, str]) -> None:
    page = page_of(tmp_path / "home", "synthetic", **where)
    if page.text_input:
        page.text_input[0].set_value("ada").run()
    assert "There is no synthetic set" in text_of(page)
    assert not page.exception


def test_three_raters_rate_on_the_page_and_the_card_says_what_they_said(tmp_path: Path) -> None:
    folder = add_set(tmp_path / "home")
    truth = _truth(folder)
    for rater in RATERS:
        page = page_of(tmp_path / "home", "synthetic", rate=SET)
        page.text_input[0].set_value(rater).run()
        session = review.open_session(folder / REVIEW)
        for number, item in enumerate(session.order_for(rater), start=1):
            assert f"{number} of {len(session.items)}" in text_of(page)
            guess = truth[item.id] if number % 3 else "real"
            page = _rate(page, (guess, 4, 3 if truth[item.id] == "synthetic" else 5))
        assert "Everything is rated" in text_of(page)
    human, agreement = review.conclude(folder / REVIEW)
    assert (human.status, agreement.status) == ("assessed", "assessed")
    assert human.facts["ratings"] == 3 * len(truth)
    assert human.facts["plausibility, real"] == 5
    assert "3 raters so far" in " ".join(labels_of(page_of(tmp_path / "home", "synthetic"), "button"))


def test_an_answer_that_is_missing_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    folder = add_set(tmp_path / "home")
    page = page_of(tmp_path / "home", "synthetic", rate=SET)
    page.text_input[0].set_value("ada").run()
    page.radio[0].set_value("real")
    assert "Not said: realism, plausibility" in text_of(press(page, "Next"))
    assert review.ratings_of(folder / REVIEW) == []


def test_nobody_rates_for_another(tmp_path: Path) -> None:
    folder = add_set(tmp_path / "home")
    desk = Desk(
        workplace=open_workplace(tmp_path / "home"), who=lambda: Person(id="ada", name="Ada", roles=(Role.CUSTODIAN,))
    )
    item = rating_view(desk, SET, rater="ada").item
    with pytest.raises(UsageError, match="can't rate as ben"):
        rate_item(desk, SET, rater="ben", item=item, guess="real", realism=1, plausibility=1)
    rate_item(desk, SET, rater="ada", item=item, guess="real", realism=1, plausibility=1)
    with pytest.raises(UsageError, match="can't rate"):
        rate_item(desk, SET, rater="ada", item=item, guess="synthetic", realism=1, plausibility=1)
    assert len(review.ratings_of(folder / REVIEW)) == 1


def test_a_comparison_is_followed_and_read(tmp_path: Path) -> None:
    add_comparison(tmp_path / "home", tmp_path, ends=False)
    listed = page_of(tmp_path / "home", "compare")
    assert "1 of 2 cells" in text_of(listed)
    small = add_comparison(tmp_path / "home", tmp_path, ends=True)
    shown = page_of(tmp_path / "home", "compare", campaign=small.place.folder.name)
    assert not shown.exception
    cells = cells_of(shown)
    assert {"good", "prose", "no_code"} <= set(cells)


def test_a_comparison_that_goes_on_says_what_came_of_its_cells(tmp_path: Path) -> None:
    small = add_comparison(tmp_path / "home", tmp_path, ends=False)
    shown = page_of(tmp_path / "home", "compare", campaign=small.place.folder.name)
    assert "the same command goes on" in text_of(shown)
    assert "no_code 1" in cells_of(shown)


def test_a_comparison_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert "There is no comparison" in text_of(page_of(tmp_path / "home", "compare", campaign="../studies"))


@pytest.mark.browser
def test_an_item_is_rated_with_the_keyboard_alone(
    browser: Browser, serve: Callable[[Path], WebApp], tmp_path: Path
) -> None:
    folder = add_set(tmp_path / "home")
    page = browser.new_context().new_page()
    page.goto(f"{serve(tmp_path / 'home').url}/?page=synthetic&rate={SET}")
    page.get_by_label("Your name, as a rater").focus()
    page.keyboard.type("ada")
    page.keyboard.press("Enter")
    first = review.open_session(folder / REVIEW).order_for("ada")[0]
    expect(page.get_by_text("1 of 24")).to_be_visible()
    page.get_by_role("radio", name="real", exact=True).focus()
    page.keyboard.press("ArrowRight")
    for steps in (3, 4):
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        for _ in range(steps):
            page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 of 24")).to_be_visible()
    (given,) = review.ratings_of(folder / REVIEW)
    assert (given.item, given.guess, given.realism, given.plausibility) == (first.id, "synthetic", 4, 5)
    page.context.close()
