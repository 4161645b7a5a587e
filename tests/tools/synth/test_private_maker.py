"""The maker with differential privacy: only what the policy says is public, epsilon on the card, a blind hold-out."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from counterproof.provenance.errors import UsageError
from counterproof.provenance.policy import DataPolicy, read_policy
from counterproof.tools.data import Table, read_file, read_table
from counterproof.tools.synth.evaluation.tables import Question
from counterproof.tools.synth.makers import Order, private_maker
from counterproof.tools.synth.marks import check_marks, read_cells
from counterproof.tools.synth.sets import SyntheticSet, judge_file, make_set
from counterproof.tools.synth.splitting import split

from .conftest import SCENARIOS, TABLES

pytestmark = pytest.mark.synthetic
LBW = SCENARIOS / TABLES["lbw"].path
PUBLIC = b"""
[data."lbw.csv"]
epsilon = 8

[data."lbw.csv".columns]
low = {levels = ["0", "1"], missing = false}
smoke = {levels = ["0", "1"], missing = false}
race = {levels = ["1", "2", "3"], missing = false}
age = {bounds = [10, 60], missing = false}
lwt = {bounds = [50, 300], missing = false}
ptl = {levels = ["0", "1", "2", "3"], missing = false}
ht = {levels = ["0", "1"], missing = false}
ui = {levels = ["0", "1"], missing = false}
ftv = {levels = ["0", "1", "2", "3", "4", "5", "6"], missing = false}
bwt = {bounds = [500, 6000], missing = false}
"""


def _rules() -> DataPolicy:
    return read_policy(PUBLIC, source="policy.toml").of_file("lbw.csv")


def _set(epsilon: float | None = None) -> SyntheticSet:
    make = private_maker(_rules(), epsilon=epsilon)
    question = Question(model=TABLES["lbw"].model, subgroups="smoke")
    return make_set(read_file(LBW)[1], make, findings=(), question=question, share=0.3, rows=400, seed=3, blind=True)


@pytest.fixture(scope="module")
def made() -> SyntheticSet:
    """A set of more rows than the maker saw."""
    return _set(2.0)


def test_the_card_says_epsilon_delta_and_what_was_taken_for_public(made: SyntheticSet) -> None:
    maker = made.card.provenance.maker
    assert (maker["maker"], maker["epsilon"], maker["delta"]) == ("dp", 2.0, 0.0)
    assert maker["public"]["race"] == "1, 2, 3"
    assert maker["public"]["bwt"] == "500 to 6000"
    assert maker["protects"].startswith("any one row")
    said = " ".join(made.card.limits)
    assert "epsilon 2, delta 0). This card, its report and its summary are not" in said
    assert "differential privacy, epsilon 2" in made.files["summary.md"].decode()


def test_every_row_is_marked_and_holds_public_levels_alone(made: SyntheticSet) -> None:
    data = made.files["lbw.synthetic.csv"]
    check_marks(data, made.files["card.json"])
    cells = read_cells(data)
    assert len(cells["race"]) == 400
    assert set(cells["race"]) <= {"1", "2", "3"}
    assert all(500 <= int(value) <= 6000 for value in cells["bwt"])


def test_the_card_finds_the_blind_hold_out_again(made: SyntheticSet) -> None:
    question = Question(model=TABLES["lbw"].model, subgroups="smoke")
    data, card = made.files["lbw.synthetic.csv"], made.files["card.json"]
    judged = judge_file(read_file(LBW)[1], "lbw.synthetic.csv", data, question=question, holdout=None, made_with=card)
    assert judged.card == made.card


def test_more_epsilon_keeps_more_of_single_columns() -> None:
    kept = [_set(epsilon).card.measure("fidelity.marginals").value for epsilon in (0.1, 8.0)]
    assert kept[0] is not None
    assert kept[1] is not None
    assert kept[0] < kept[1]


def test_without_another_epsilon_that_of_the_policy_holds() -> None:
    assert _set().card.provenance.maker["epsilon"] == 8.0


def _changed(table: Table) -> Table:
    """Return the table with another person in the place of the first."""
    text = LBW.read_text(encoding="utf-8").splitlines()
    text[1] = text[2]
    return read_table(table.name, ("\n".join(text) + "\n").encode())


@pytest.mark.parametrize(("blind", "moved"), [(True, 1), (False, 10)], ids=["blind", "by the digest"])
def test_one_person_moves_no_other_to_the_other_side(blind: bool, moved: int) -> None:
    """By the digest of the file, whoever is changed deals all rows anew: epsilon would not hold."""
    _, table = read_file(LBW)
    sides = [split(one, share=0.3, seed=1, hidden=(), blind=blind).train for one in (table, _changed(table))]
    rows = [list(zip(*(column.values for column in side.columns), strict=True)) for side in sides]
    apart = sum(one != other for one, other in zip(*rows, strict=True))
    assert (apart <= moved) is blind


def _several(rules: DataPolicy) -> DataPolicy:
    return rules.model_copy(update={"rows_per_person": 2})


def _partly(rules: DataPolicy) -> DataPolicy:
    return rules.model_copy(update={"columns": {"low": rules.columns["low"]}})


def _none(rules: DataPolicy) -> DataPolicy:
    return rules.model_copy(update={"epsilon": 0.0})


REFUSED: dict[str, tuple[Callable[[DataPolicy], DataPolicy], float | None, str]] = {
    "more than the policy allows": (lambda rules: rules, 9.0, r"allows an epsilon of 8; 9 was asked for"),
    "no epsilon": (_none, None, r"without an epsilon.*--epsilon"),
    "several rows a person": (_several, 1.0, r"up to 2 rows.*One row a person"),
    "columns of which nothing is public": (
        _partly,
        1.0,
        r"nothing is publicly known of 'smoke'.*and 4 more columns.*break epsilon.*levels = .*without them",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_where_epsilon_can_not_hold_it_is_refused(name: str) -> None:
    change, epsilon, said = REFUSED[name]
    _, table = read_file(LBW)
    with pytest.raises(UsageError, match=said):
        private_maker(change(_rules()), epsilon=epsilon)(table, Order(findings=(), rows=50, seed=1))


def test_without_opendp_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opendp.prelude", None)
    with pytest.raises(UsageError, match=r"OpenDP is not installed.*counterproof\[dp\]"):
        private_maker(_rules(), epsilon=1.0)(read_file(LBW)[1], Order(findings=(), rows=50, seed=1))


def test_levels_that_the_policy_does_not_name_are_never_shown() -> None:
    rules = _rules()
    fewer = rules.columns["race"].model_copy(update={"levels": ("1", "2"), "missing": True})
    rules = rules.model_copy(update={"columns": {**rules.columns, "race": fewer}})
    _, table = read_file(LBW)
    cells = private_maker(rules, epsilon=8.0)(table, Order(findings=(), rows=200, seed=1)).cells
    assert set(cells["race"]) <= {"1", "2", ""}
    assert np.mean([value == "" for value in cells["race"]]) > 0.1
