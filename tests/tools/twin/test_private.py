"""The twin with differential privacy: OpenDP's noise, calibrated to epsilon, and nothing else of the data."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping
from math import exp
from typing import Any

import numpy as np
import pytest
from opendp.mod import Measurement

from counterproof.provenance.errors import UsageError
from counterproof.tools.data import Table, read_table
from counterproof.tools.twin import MARK
from counterproof.tools.twin.private import Domain, Mechanisms, Privacy, private_twin

AB = {"arm": Domain(levels=("a", "b"))}


def _table(rows: str) -> Table:
    return read_table("d.csv", rows.encode())


def _trial(rows: int = 400) -> Table:
    chance = np.random.default_rng(4)
    lines = ["mrn,arm,age,score,when,note"]
    for at in range(rows):
        age = int(chance.integers(20, 80))
        arm, score = "ab"[at % 2], f"{age / 10 + chance.normal():.2f}"
        lines.append(f"MRN-{at:05d},{arm},{age},{score if at % 5 else ''},2020-0{1 + at % 9}-10,said {at}")
    return _table("\n".join(lines) + "\n")


DOMAINS: Mapping[str, Domain] = {
    **AB,
    "age": Domain(bounds=(18, 100)),
    "score": Domain(bounds=(0, 12)),
    "when": Domain(bounds=("2019-01-01", "2021-12-31")),
}


def _made(table: Table, privacy: Privacy, *, hidden: set[str] | None = None, subject: str = "") -> list[dict[str, str]]:
    column = next((one for one in table.columns if one.name == subject), None)
    twin = private_twin(table, hidden or set(), column, privacy)
    return list(csv.DictReader(io.StringIO(twin.data.decode())))


def test_the_noise_is_a_measurement_of_opendp_that_takes_its_part_of_epsilon() -> None:
    made = Mechanisms(3.0, moved=2, columns=5)
    for one, part in ((made.noise_of_columns, 1 / 5), (made.noise_of_pairs, 1 / 4), (made.choice_of_pairs, 1 / 4)):
        assert isinstance(one, Measurement)
        taken: float = one.map(2)  # type: ignore[no-untyped-call]  # the library's
        assert taken == pytest.approx(part, rel=1e-9)
        assert taken <= part


def test_a_twin_takes_epsilon_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum of what OpenDP says of each use; that the uses are counted shows in a smaller sum of fewer columns."""
    made: list[Mechanisms] = []
    begin = Mechanisms.__init__

    def noting(self: Mechanisms, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        made.append(self)

    monkeypatch.setattr(Mechanisms, "__init__", noting)
    _made(_trial(), Privacy(epsilon=1.5, domains=DOMAINS))
    _made(_trial(), Privacy(epsilon=0.5, domains=AB))
    assert [one.taken for one in made] == pytest.approx([1.5, 0.5], rel=1e-9)
    assert made[0].taken <= 1.5 * (1 + 1e-9)


@pytest.mark.parametrize(("epsilon", "holds"), [(1.0, True), (2.0, False)], ids=["of epsilon", "of twice as much"])
def test_counts_of_neighbours_differ_by_epsilon(epsilon: float, holds: bool) -> None:
    """One person moves from a cell to another. The event that tells both apart best is as likely within a factor of e;
    with noise for twice the epsilon it is not: the test would see it."""
    noise, times = Mechanisms(epsilon, moved=2, columns=1), 40_000
    first = noise.counts(np.tile(np.array([20, 20]), (times, 1)))
    second = noise.counts(np.tile(np.array([19, 21]), (times, 1)))
    seen = [float(((one[:, 0] >= 20) & (one[:, 1] <= 20)).mean()) for one in (first, second)]
    error = sum(1 / (share * times) for share in seen) ** 0.5
    ratio = seen[0] / seen[1]
    assert (ratio <= exp(1) * (1 + 4 * error)) is holds, ratio
    assert ratio == pytest.approx(exp(epsilon), rel=4 * error)


@pytest.mark.parametrize(("epsilon", "holds"), [(0.5, True), (8.0, False)], ids=["of epsilon", "of far more"])
def test_twins_of_neighbours_differ_by_epsilon(epsilon: float, holds: bool) -> None:
    """The same over whole twins, of a table of one person: in which arm that person is."""
    times = 200
    found = []
    for arm in ("a", "b"):
        twins = [_made(_table(f"arm\n{arm}\n"), Privacy(epsilon=epsilon, domains=AB)) for _ in range(times)]
        found.append(sum(twin[0]["arm"] == "a" for twin in twins) / times)
    error = sum(1 / (max(share, 1 / times) * times) for share in found) ** 0.5
    assert (found[0] / max(found[1], 1 / times) <= exp(0.5) * (1 + 4 * error)) is holds, found


def test_a_twin_keeps_form_shares_and_a_relation() -> None:
    table = _trial()
    twin = private_twin(table, {"mrn", "note"}, None, Privacy(epsilon=20, domains=DOMAINS))
    read = read_table("d.csv", twin.data)
    assert [column.name for column in read.columns] == [*(column.name for column in table.columns), MARK]
    kinds = {column.name: column.kind for column in read.columns}
    assert {column.name: column.kind for column in table.columns}.items() <= kinds.items()
    values = {column.name: column.values for column in read.columns}
    assert (values["arm"] == "b").mean() == pytest.approx(0.5, abs=0.12)
    assert values["score"].isna().mean() == pytest.approx(0.2, abs=0.12)
    assert values["age"].corr(values["score"]) > 0.3
    assert values["score"].dropna().map(lambda score: round(score, 2) == score).all()


def test_nothing_that_is_not_public_shows() -> None:
    """A level that the policy does not name, values beyond the ends, identifiers, and all columns without a domain."""
    lines = ["mrn,arm,age,free"] + [f"MRN-{at},{'c' if at % 3 else 'a'},{at * 7919},word{at}" for at in range(200)]
    table = _table("\n".join(lines))
    domains = {**AB, "age": Domain(bounds=(18, 100))}
    rows = _made(table, Privacy(epsilon=20, domains=domains), hidden={"mrn"})
    assert {row["arm"] for row in rows} <= {"a", "b", ""}
    assert all(18 <= float(row["age"]) <= 100 for row in rows if row["age"])
    assert all(row[name].startswith("SYNTHETIC-") for row in rows for name in ("mrn", "free"))


def test_where_none_may_be_missing_none_is() -> None:
    domains = {"score": Domain(bounds=(0, 12), missing=False), "arm": Domain(levels=("a", "b"), missing=False)}
    rows = _made(_trial(), Privacy(epsilon=0.1, domains=domains))
    assert all(row["score"] and row["arm"] in ("a", "b") for row in rows)


def test_the_facts_say_epsilon_and_what_it_holds_for() -> None:
    facts = private_twin(_trial(), {"mrn"}, None, Privacy(epsilon=2.5, domains=AB)).facts
    assert (facts["epsilon"], facts["k"]) == (2.5, None)
    assert facts["protects"] == "any one row, put in the place of any other; the number of rows is public"
    assert facts["made"] == [
        {"how": "made up", "columns": ["mrn", "age", "score", "when", "note"]},
        {"how": "noisy counts", "columns": ["arm"]},
    ]


def test_two_twins_of_the_same_table_differ() -> None:
    """Noise that a table determines would hide nobody."""
    table, privacy = _trial(), Privacy(epsilon=1, domains=DOMAINS)
    assert _made(table, privacy) != _made(table, privacy)


VISITS = "patient_id,arm\n" + "".join(f"P{at // 4},{'ab'[at // 4 % 2]}\n" for at in range(80))


def test_rows_of_one_person_are_counted_up_to_the_bound() -> None:
    privacy = Privacy(epsilon=20, rows_per_person=4, domains=AB)
    rows = _made(_table(VISITS), privacy, hidden={"patient_id"}, subject="patient_id")
    assert len({row["patient_id"] for row in rows}) == 20
    twin = private_twin(_table(VISITS), {"patient_id"}, _table(VISITS).columns[0], privacy)
    assert twin.facts["protects"].startswith("all rows of any one person, at most 4, put in the place")


def test_rows_of_one_person_beyond_the_bound_have_no_say() -> None:
    """One person has nearly all rows; two of them are counted, so that hardly any row of the twin is like them."""
    table = _table("patient_id,arm\n" + "".join(f"P{at},a\n" for at in range(60)) + "P0,b\n" * 600)
    privacy = Privacy(epsilon=20, rows_per_person=2, domains=AB)
    rows = _made(table, privacy, hidden={"patient_id"}, subject="patient_id")
    assert sum(row["arm"] == "b" for row in rows) < 60


REFUSED: dict[str, tuple[str, Privacy, str, str]] = {
    "rows repeat and each is said to be another person": (
        VISITS, Privacy(epsilon=1, domains=AB), "patient_id", r"another person.*'patient_id'.*rows_per_person"
    ),
    "rows repeat and nobody said who is who": (
        VISITS, Privacy(epsilon=1, domains=AB), "", r"'patient_id', which identifies persons, repeat.*--subject"
    ),
    "a bound on rows and no column that tells persons apart": (
        "arm\na\nb\n", Privacy(epsilon=1, rows_per_person=3, domains=AB), "", r"up to 3 rows, and no column.*--subject"
    ),
    "a column that is not there": (
        "arm\na\n", Privacy(epsilon=1, domains={"arms": Domain(levels=("a",))}), "", r"'arms' does not fit: there is no"
    ),
    "neither levels nor bounds": ("arm\na\n", Privacy(epsilon=1, domains={"arm": Domain()}), "", "needs either levels"),
    "bounds of a text": (
        "arm\na\n", Privacy(epsilon=1, domains={"arm": Domain(bounds=(0, 1))}), "", "kind is text.*levels = "
    ),
    "bounds the wrong way round": (
        "v\n1.5\n", Privacy(epsilon=1, domains={"v": Domain(bounds=(9, 1))}), "", "first bound must lie below"
    ),
    "one bound": ("v\n1.5\n", Privacy(epsilon=1, domains={"v": Domain(bounds=(9,))}), "", "bounds are two numbers"),
    "a level that is no number": (
        "v\n1\n2\n", Privacy(epsilon=1, domains={"v": Domain(levels=("1", "x"))}), "", "kind is integer, and a level"
    ),
    "a level named twice": (
        "v\n1\n2\n", Privacy(epsilon=1, domains={"v": Domain(levels=("1", "1.0"))}), "", "a level is named twice"
    ),
    "too many columns": (
        ",".join(f"c{at}" for at in range(61)) + "\n" + ",".join("1" * 61) + "\n",
        Privacy(epsilon=1, domains={f"c{at}": Domain(levels=("1",)) for at in range(61)}), "", "61 columns.*At most 60"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_where_epsilon_can_not_hold_it_is_refused(name: str) -> None:
    content, privacy, subject, message = REFUSED[name]
    table = _table(content)
    hidden = {column.name for column in table.columns if column.name == "patient_id"}
    with pytest.raises(UsageError, match=message):
        _made(table, privacy, hidden=hidden, subject=subject)


def test_a_twin_has_no_twin() -> None:
    twin = private_twin(_trial(), set(), None, Privacy(epsilon=1, domains=AB))
    with pytest.raises(UsageError, match=r"it is synthetic.*must be real"):
        private_twin(read_table("d.csv", twin.data), set(), None, Privacy(epsilon=1, domains=AB))


def test_without_opendp_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opendp.prelude", None)
    with pytest.raises(UsageError, match=r"OpenDP is not installed.*counterproof\[dp\].*epsilon = 0"):
        private_twin(_trial(), set(), None, Privacy(epsilon=1, domains=AB))
