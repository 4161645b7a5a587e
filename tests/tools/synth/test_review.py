"""Rating sessions: blinded, resumable, and on the card in the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.tools.data import read_file
from counterproof.tools.synth.evaluation.card import Card
from counterproof.tools.synth.evaluation.tables import Question
from counterproof.tools.synth.exhibits import Exhibit, of_rows
from counterproof.tools.synth.makers import MAKERS
from counterproof.tools.synth.marks import check_marks
from counterproof.tools.synth.review import (
    KEY,
    RATINGS,
    Rating,
    Session,
    conclude,
    left_for,
    open_session,
    rate,
    ratings_of,
    start,
)
from counterproof.tools.synth.sets import make_set
from counterproof.tools.synth.text_sets import with_sections

from .conftest import SCENARIOS, TABLES

pytestmark = pytest.mark.synthetic
REAL, MADE = ([Exhibit(text=f"{side} {at}") for at in range(40)] for side in ("real", "made"))
RATERS = ("ada", "ben", "cyd")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A session of forty items."""
    start(tmp_path / "session", REAL, MADE, items=40, seed=1)
    return tmp_path / "session"


def _rate(folder: Path, rater: str, *, items: int, wrong: int = 0) -> None:
    """Rate as one who takes every `wrong`-th item for what it isn't."""
    for number, item in enumerate(left_for(open_session(folder), ratings_of(folder), rater)[:items]):
        right = "real" if item.text.startswith("real") else "synthetic"
        other = "synthetic" if right == "real" else "real"
        at = int(item.id.removeprefix("item-"))
        guess = other if wrong and at % wrong == 0 else right
        rate(
            folder,
            Rating.model_validate(
                {"rater": rater, "item": item.id, "guess": guess, "realism": 1 + at % 5, "plausibility": 1 + number % 2}
            ),
        )


def test_items_say_nothing_of_what_they_are_and_each_rater_has_an_order(folder: Path) -> None:
    session = open_session(folder)
    assert len(session.items) == 40
    assert sum(item.text.startswith("real") for item in session.items) == 20
    assert set(Session.model_fields) == {"seed", "key_sha256", "items"}
    assert {tuple(item.model_dump()) for item in session.items} == {("id", "text", "png")}
    orders = [[item.id for item in session.order_for(rater)] for rater in RATERS]
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] == [item.id for item in open_session(folder).order_for("ada")]


def test_a_session_goes_on_where_it_was_left_and_nothing_is_rated_twice(folder: Path) -> None:
    _rate(folder, "ada", items=15)
    first = left_for(open_session(folder), ratings_of(folder), "ada")
    assert len(first) == 25
    with (folder / RATINGS).open("a", encoding="utf-8") as file:
        file.write('{"rater": "ada", "it')
    assert left_for(open_session(folder), ratings_of(folder), "ada") == first
    _rate(folder, "ada", items=1)
    assert len(ratings_of(folder)) == 16
    again = ratings_of(folder)[0]
    with pytest.raises(UsageError, match=r"ada can't rate 'item-.*One of 24 items"):
        rate(folder, again)


def test_three_raters_and_their_agreement(folder: Path) -> None:
    for rater, wrong in zip(RATERS, (0, 10, 8), strict=True):
        _rate(folder, rater, items=40, wrong=wrong)
    human, agreement = conclude(folder)
    assert human.status == agreement.status == "assessed"
    assert human.facts["raters"] == 3
    assert human.facts["told apart"] == pytest.approx((120 - 4 - 5) / 120, abs=1e-6)
    low, high = human.facts["told apart, 95 % interval"]
    assert low < human.facts["told apart"] < high
    kappa = agreement.facts["guess: Cohen's kappa, ada and ben"][0]
    # Thirty-six of forty agree; the shares of both are known, so chance is, too.
    assert 0.75 < kappa < 0.85
    assert agreement.facts["realism: Krippendorff's alpha (value, 95 % interval)"][0] == pytest.approx(1)


def test_too_few_ratings_are_said_to_be_too_few(folder: Path) -> None:
    _rate(folder, "ada", items=40)
    human, _ = conclude(folder)
    assert (human.status, human.reason) == ("too few to conclude", "there is 1 rater; at least 2 are needed")
    _rate(folder, "ben", items=5)
    human, agreement = conclude(folder)
    assert human.status == agreement.status == "too few to conclude"
    assert "5 items were rated by two people; at least 20" in agreement.reason


@pytest.mark.tamper
def test_a_key_that_was_changed_is_noticed(folder: Path) -> None:
    _rate(folder, "ada", items=2)
    key = json.loads((folder / KEY).read_bytes())
    key["item-001"] = "synthetic" if key["item-001"] == "real" else "real"
    (folder / KEY).write_text(json.dumps(key), encoding="utf-8")
    with pytest.raises(VerificationFailed, match="The key was changed"):
        conclude(folder)


def test_a_session_with_too_few_items_or_in_a_used_folder_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"2 real and 40 synthetic items.*At least 10 of each"):
        start(folder / "other", REAL[:2], MADE, items=20, seed=1)
    with pytest.raises(UsageError, match="holds a session already"):
        start(folder, REAL, MADE, items=20, seed=1)


def test_what_people_said_is_on_the_card_and_the_file_names_the_new_card(tmp_path: Path) -> None:
    _, real = read_file(SCENARIOS / TABLES["asah"].path)
    made = make_set(real, MAKERS["marginals"], findings=(), question=Question(), share=0.3, rows=None, seed=1)
    data = made.files["asah.synthetic.csv"]
    start(tmp_path / "s", of_rows(real), [Exhibit(text="gos6: 1")] * 40, items=40, seed=1)
    for rater in RATERS:
        for item in left_for(open_session(tmp_path / "s"), [], rater):
            rate(tmp_path / "s", Rating(rater=rater, item=item.id, guess="real", realism=3, plausibility=3))
    human, agreement = conclude(tmp_path / "s")
    sections = {"human": human, "agreement": agreement}
    anew = with_sections("asah.synthetic.csv", data, made.files["card.json"], sections)
    card = Card.model_validate_json(anew.files["card.json"])
    assert card.human.facts["told apart"] == 0.5
    assert "told apart" in anew.files["report.html"].decode()
    check_marks(anew.files["asah.synthetic.csv"], anew.files["card.json"])
    with pytest.raises(VerificationFailed, match="The rows name the card"):
        check_marks(data, anew.files["card.json"])
