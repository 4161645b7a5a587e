"""The card: its schema, what it says where nothing can be said, and the files that belong to it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.tools.data import read_file, read_table
from counterproof.tools.identifiers import find_identifiers
from counterproof.tools.synth.evaluation.card import SCHEMA_FILE, Assessment, Card, json_schema
from counterproof.tools.synth.evaluation.tables import Question
from counterproof.tools.synth.makers import MAKERS
from counterproof.tools.synth.marks import MARKS, check_marks, read_cells, write_content
from counterproof.tools.synth.report import to_html
from counterproof.tools.synth.sets import SyntheticSet, judge_file, make_set, split_sides
from counterproof.tools.twin import build_twin

from .conftest import SCENARIOS, TABLES

pytestmark = pytest.mark.synthetic
LBW = SCENARIOS / TABLES["lbw"].path


@pytest.fixture(scope="module")
def made() -> SyntheticSet:
    """A small synthetic set."""
    _, real = read_file(LBW)
    question = Question(model=TABLES["lbw"].model, subgroups="smoke")
    return make_set(real, MAKERS["trees"], findings=(), question=question, share=0.3, rows=None, seed=3)


def test_the_schema_that_is_shipped_is_that_of_the_card() -> None:
    shipped = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(shipped)
    assert shipped == json_schema(), "Write it anew: .venv/bin/python -P -m counterproof.tools.synth.evaluation"


def test_a_card_keeps_the_schema_and_comes_back_from_its_bytes(made: SyntheticSet) -> None:
    data = made.files["card.json"]
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(data))
    assert Card.model_validate_json(data).to_bytes() == data


def test_a_card_that_lacks_a_section_breaks_the_schema(made: SyntheticSet) -> None:
    value = json.loads(made.files["card.json"])
    del value["privacy"]
    with pytest.raises(jsonschema.ValidationError, match="'privacy' is a required property"):
        jsonschema.Draft202012Validator(json_schema()).validate(value)


def test_the_same_order_gives_the_same_bytes(made: SyntheticSet) -> None:
    _, real = read_file(LBW)
    question = Question(model=TABLES["lbw"].model, subgroups="smoke")
    again = make_set(real, MAKERS["trees"], findings=(), question=question, share=0.3, rows=None, seed=3)
    assert again.files == made.files


def test_every_row_is_marked_and_names_the_card(made: SyntheticSet) -> None:
    data = made.files["lbw.synthetic.csv"]
    check_marks(data, made.files["card.json"])
    cells = read_cells(data)
    assert set(cells["synthetic_twin"]) == {"1"}
    assert set(cells["synthetic_card"]) == {made.card.digest}


def _without_mark(cells: dict[str, list[str]]) -> None:
    cells["synthetic_twin"][4] = "0"


def _of_another_card(cells: dict[str, list[str]]) -> None:
    cells["synthetic_card"][4] = "0" * 64


def _changed(cells: dict[str, list[str]]) -> None:
    cells["bwt"][4] = "9999"


def _dropped(cells: dict[str, list[str]]) -> None:
    for column in cells.values():
        del column[4]


@pytest.mark.tamper
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_mark, "Not every row carries the mark"),
        (_of_another_card, "The rows name the card 000000000000"),
        (_changed, "The card is over other rows"),
        (_dropped, "The card is over other rows"),
    ],
)
def test_a_changed_file_does_not_belong_to_its_card(made: SyntheticSet, change: object, said: str) -> None:
    cells = read_cells(made.files["lbw.synthetic.csv"])
    assert callable(change)
    change(cells)
    with pytest.raises(VerificationFailed, match=said):
        check_marks(write_content(cells), made.files["card.json"])


@pytest.mark.attack
@pytest.mark.parametrize("left", MARKS)
def test_either_mark_alone_keeps_a_study_from_taking_the_file_for_real(made: SyntheticSet, left: str) -> None:
    cells = read_cells(made.files["lbw.synthetic.csv"])
    kept = {name: column for name, column in cells.items() if name == left or name not in MARKS}
    table = read_table("trial.csv", write_content(kept))
    with pytest.raises(UsageError, match=rf"column '{left}': it is synthetic.*must be real"):
        build_twin(table, [])


def test_a_card_refuses_a_synthetic_file_as_the_real_one(made: SyntheticSet) -> None:
    data = made.files["lbw.synthetic.csv"]
    table = read_table("lbw.csv", data)
    with pytest.raises(UsageError, match=r"it is synthetic.*must be real.*Give the real file first"):
        judge_file(table, "x.csv", data, question=Question(), holdout=None, made_with=None)


def test_the_card_finds_the_hold_out_again(made: SyntheticSet) -> None:
    _, real = read_file(LBW)
    data, card = made.files["lbw.synthetic.csv"], made.files["card.json"]
    question = Question(model=TABLES["lbw"].model, subgroups="smoke")
    judged = judge_file(real, "lbw.synthetic.csv", data, question=question, holdout=None, made_with=card)
    assert judged.card == made.card


def test_without_a_hold_out_nothing_is_said_of_copies_and_attacks() -> None:
    _, real = read_file(LBW)
    made = make_set(real, MAKERS["trees"], findings=(), question=Question(), share=0.0, rows=None, seed=3)
    unknown = [measure for measure in made.card.measures() if measure.definition.needs_holdout]
    assert len(unknown) >= 10
    assert all(measure.value is None and measure.verdict == "not assessed" for measure in unknown)
    assert all("did not see" in measure.reason for measure in unknown[:8])
    assert "There was no true hold-out" in " ".join(made.card.limits)
    unknown_uses = made.files["summary.md"].decode().partition("## Not known")[2]
    assert "train a model that is to work on real rows: not assessed" in unknown_uses


def test_other_rows_than_those_of_the_card_are_refused(made: SyntheticSet) -> None:
    _, real = read_file(LBW)
    other = made.files["lbw.synthetic.csv"].replace(b'"2","', b'"3","')
    with pytest.raises(UsageError, match="is over other rows"):
        judge_file(real, "x.csv", other, question=Question(), holdout=None, made_with=made.files["card.json"])


def test_subjects_stay_on_one_side() -> None:
    _, real = read_file(SCENARIOS / "sleep-restriction/data/sleepstudy.csv")
    sides = split_sides(real, share=0.3, seed=1, hidden={finding.column for finding in find_identifiers(real)})
    assert sides.holdout is not None
    people = [
        set(next(column for column in table.columns if column.name == "Subject").values)
        for table in (sides.train, sides.holdout)
    ]
    assert people[0]
    assert people[1]
    assert not people[0] & people[1]
    assert sides.train.rows + sides.holdout.rows == real.rows


def test_a_model_that_names_no_column_is_refused() -> None:
    _, real = read_file(LBW)
    with pytest.raises(UsageError, match=r"Column 'lows' can't be used.*One of: low, smoke"):
        make_set(
            real, MAKERS["marginals"], findings=(), question=Question(model="lows ~ age"), share=0.3, rows=None, seed=1
        )


def test_too_few_rows_are_refused() -> None:
    _, real = read_file(SCENARIOS / "bcg-meta-analysis/data/bcg.csv")
    with pytest.raises(UsageError, match=r"13 real and 13 synthetic rows.*At least 40"):
        make_set(real, MAKERS["marginals"], findings=(), question=Question(), share=0, rows=None, seed=1)


def test_more_rows_than_the_maker_saw_can_be_made() -> None:
    _, real = read_file(LBW)
    made = make_set(real, MAKERS["trees"], findings=(), question=Question(), share=0.3, rows=300, seed=1)
    assert len(read_cells(made.files["lbw.synthetic.csv"])["low"]) == 300


def test_the_report_needs_nothing_else_and_escapes_names(made: SyntheticSet, tmp_path: Path) -> None:
    page = made.files["report.html"].decode()
    assert "Synthetic data, never real" in page
    assert page.count("<svg") > 20
    assert not [word for word in ("<script", "http-equiv", "src=", "url(", "@import") if word in page]
    text = LBW.read_text(encoding="utf-8").replace("smoke", "<b>smoke", 1)
    _, real = read_file(_written(tmp_path / "odd.csv", text))
    odd = make_set(real, MAKERS["marginals"], findings=(), question=Question(), share=0.3, rows=None, seed=1)
    assert "<b>smoke" not in odd.files["report.html"].decode()
    assert "&lt;b&gt;smoke" in odd.files["report.html"].decode()


def test_pairs_are_drawn_without_cells_of_fewer_than_ten_real_rows(made: SyntheticSet) -> None:
    pairs = made.card.pictures.pairs
    assert len(pairs) == 6
    training = made.card.provenance.training_rows
    for pair in pairs:
        assert len(pair.real) == len(pair.made) == len(pair.first_labels)
        shown = [share for row in pair.real for share in row if share is not None]
        assert min(shown, default=1.0) >= 10 / training - 1e-6
        assert pair.first in made.files["report.html"].decode()


def test_a_table_of_more_columns_than_a_square_shows_has_a_card(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    header = ",".join(f"x{at}" for at in range(22))
    rows = "\n".join(",".join(f"{value:.2f}" for value in row) for row in random.normal(size=(90, 22)))
    _, real = read_file(_written(tmp_path / "wide.csv", f"{header}\n{rows}\n"))
    wide = make_set(real, MAKERS["marginals"], findings=(), question=Question(), share=0.3, rows=None, seed=1)
    assert wide.card.pictures.columns == ()
    assert wide.card.pictures.pairs == ()
    assert len(wide.card.pictures.distributions) == 22


def test_agreement_is_drawn_with_its_intervals(made: SyntheticSet) -> None:
    found = Assessment(status="assessed", facts={"guess: alpha (value, 95 % interval)": [0.41, 0.1, 0.6]})
    page = to_html(made.card.model_copy(update={"agreement": found}))
    assert "guess: alpha (value, 95 % interval): 0.41, 0.10 to 0.60</title>" in page
    assert "Agreement, with 95 % intervals" not in made.files["report.html"].decode()


def test_every_number_that_looked_at_a_sample_says_at_how_many_rows() -> None:
    rows = 22_000
    random = np.random.default_rng(1)
    lines = [f"{value:.3f},{'ab'[int(value > 0)]}" for value in random.normal(size=rows)]
    real = read_table("large.csv", ("x,y\n" + "\n".join(lines) + "\n").encode())
    question = Question(model="y ~ x", subgroups="y")
    card = make_set(real, MAKERS["marginals"], findings=(), question=question, share=0.3, rows=30_000, seed=1).card
    whole = {"diversity.levels", "plausibility.in_range", "plausibility.rules", "fairness.shares"}
    whole |= {"privacy.exact_rows", "privacy.rare_values"}
    for measure in card.measures():
        assert (measure.sampled is None) == (measure.definition.id in whole), measure.definition.id
        assert measure.sampled is None or measure.sampled <= 20_000
    assert "looked at a sample of the rows" in " ".join(card.limits)


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
