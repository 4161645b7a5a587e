"""What is noticed about a file at the intake: each kind with data that have it, and with data that don't."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from counterproof.tools.codebooks import Variable, read_codebook
from counterproof.tools.data import read_table
from counterproof.tools.exposure import DataRules, Suppression
from counterproof.tools.looking import look
from counterproof.tools.noticed import Noticed, notice
from counterproof.tools.reading.date_forms import form_of

ROWS = 200
_RANDOM = np.random.default_rng(7)
PRESSURE = _RANDOM.integers(90, 180, ROWS)
HEIGHT = _RANDOM.normal(170, 8, ROWS).round(1)


def _noticed(
    columns: Mapping[str, object], *, codebook: str = "", subject: str = "", k: int = 10
) -> dict[tuple[str, tuple[str, ...]], Noticed]:
    table = read_table("d.csv", pd.DataFrame(columns).to_csv(index=False).encode())
    rules = Suppression(k=k)
    looked = look(table, rules=DataRules(subject=subject), suppression=rules)
    variables: Sequence[Variable] = read_codebook("b.csv", codebook.encode()).variables if codebook else ()
    found = notice(table, looked, codebook=variables, rules=rules)
    return {(one.kind, one.columns): one for one in found}


def _with(values: object, other: object, many: int) -> list[object]:
    return [other] * many + list(pd.Series(values)[many:])


@pytest.mark.parametrize(("many", "shown"), [(12, True), (3, False)], ids=["k persons", "fewer"])
@pytest.mark.parametrize("code", [999, -99])
def test_a_code_for_missing_is_named_where_k_persons_have_it(code: int, many: int, shown: bool) -> None:
    found = _noticed({"sbp": _with(PRESSURE, code, many)})[("code for missing", ("sbp",))]
    assert (str(code) in found.text.replace("-99)", "")) is shown
    assert ("fewer than 10 persons" in found.text) is not shown


def test_k_counts_persons_not_rows() -> None:
    columns = {"patient": np.repeat(range(20), 10), "sbp": _with(PRESSURE, 999, 12)}
    found = _noticed(columns, subject="patient")[("code for missing", ("sbp",))]
    assert "999" not in found.text


def test_a_code_that_the_codebook_declares_is_told_but_not_how_few_have_it() -> None:
    found = _noticed({"sbp": _with(PRESSURE, 175, 2)}, codebook="name,label,missing\nsbp,Pressure,175\n")
    assert found["code for missing", ("sbp",)].text.endswith('among the values: "175" (fewer than 10 persons)')


@pytest.mark.parametrize("word", ["unknown", "Not recorded", "refused", "?", "N/K"])
def test_words_for_missing_among_categories(word: str) -> None:
    found = _noticed({"smoke": ["yes", "no"] * 80 + [word] * 40})
    assert found["code for missing", ("smoke",)].text == f'stand for missing, or seem to: "{word}" (about 20 %)'


def test_words_among_numbers() -> None:
    found = _noticed({"crp": [f"{value:.1f}" for value in HEIGHT[:180]] + ["<0.1"] * 18 + ["haemolysed"] * 2})
    text = found["words among numbers", ("crp",)].text
    assert '"<0.1" (about 10 %)' in text
    assert "haemolysed" not in text


def test_two_units_in_a_column_of_numbers() -> None:
    found = _noticed({"height": [*(HEIGHT[:40] / 100).round(2), *HEIGHT[40:]]})
    assert found["mixed units", ("height",)].text.endswith("about 20 % lower, about 80 % about 100 times as high")


def test_a_unit_of_few_is_said_without_a_number() -> None:
    found = _noticed({"height": [*(HEIGHT[:5] / 100).round(2), *HEIGHT[5:]]})
    assert found["mixed units", ("height",)].text.endswith("two units; one is of fewer than 10 persons")


def test_units_behind_numbers() -> None:
    found = _noticed({"weight": ["70 kg", "81.5kg", "154 lb", "160 lb"] * 50})
    assert '"kg" (about 50 %), "lb" (about 50 %)' in found["mixed units", ("weight",)].text


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("2020-05-01", "YYYY-MM-DD"),
        ("2020-05-01T10:30:00Z", "YYYY-MM-DD with a time"),
        ("2020/5/1", "YYYY/MM/DD"),
        ("20200501", "YYYYMMDD"),
        ("01/05/2020", "nn/nn/YYYY"),
        ("1.5.20", "nn.nn.YY"),
        ("1 May 2020", "DD Mon YYYY"),
        ("01-Mar-2020", "DD Mon YYYY"),
        ("March 1, 2020", "Mon DD, YYYY"),
        ("13/13/2020", None),
        ("120/80", None),
        ("12345678", None),
        ("1.5", None),
    ],
)
def test_the_form_of_a_date(value: str, form: str | None) -> None:
    assert form_of(value) == form


@pytest.mark.parametrize(
    ("dates", "says"),
    [
        ([f"{day:02d}/03/2020" for day in range(1, 29)], "in the form: nn/nn/YYYY (about 100 %); the day stands first"),
        ([f"{3:02d}/{day:02d}/2020" for day in range(1, 29)], "the month stands first"),
        ([f"{day:02d}/05/2020" for day in range(1, 10)], "whether day or month stands first can't be told"),
        (["01/02/2020", "2020-02-03"], "in several forms: nn/nn/YYYY (about 50 %), YYYY-MM-DD (about 50 %)"),
        (["20/01/2020", "01/20/2020"], "the day stands first in some and the month in others"),
    ],
)
def test_dates_in_other_forms_are_told_to_people_where_they_may_identify(dates: list[str], says: str) -> None:
    found = _noticed({"seen": (dates * ROWS)[:ROWS], "arm": [0, 1] * (ROWS // 2)})
    one = found["form of dates", ("seen",)]
    assert says in one.text
    assert one.hidden


def test_whole_numbers_that_read_as_dates() -> None:
    days = [20200100 + day for day in range(1, 29)]
    assert ("form of dates", ("seen",)) in _noticed({"seen": (days * ROWS)[:ROWS], "arm": [0, 1] * (ROWS // 2)})


def test_several_rows_a_person() -> None:
    found = _noticed({"patient": np.repeat(range(50), 4), "score": PRESSURE})
    assert "several rows a person (median 4)" in found["repeated rows", ("patient",)].text


def test_rows_that_stand_twice() -> None:
    frame = pd.DataFrame({"patient": range(ROWS), "score": PRESSURE, "height": HEIGHT})
    found = _noticed(pd.concat([frame, frame[:20]]).to_dict("list"))  # type: ignore[arg-type]
    assert found["duplicate rows", ()].text == "rows that equal another one in every column: about 10 %"


def test_data_that_are_not_as_the_codebook_says() -> None:
    book = "name,label,values\nARM,Arm,0=placebo;1=active\nsex,Sex,1=m;2=f\nold,Gone,\n"
    found = _noticed({"arm": [0, 1] * 94 + [2] * 12, "sex": [1, 2] * 99 + [7, 8], "bare": PRESSURE}, codebook=book)
    assert found["codebook", ("bare",)].text == "the codebook does not describe it"
    assert '"old"' in found["codebook", ()].text
    assert '"2" (about 5 %)' in found["codebook", ("arm",)].text
    assert found["codebook", ("sex",)].text.endswith("codes: values that fewer than 10 persons have each")


def test_nothing_is_noticed_about_sound_data() -> None:
    columns = {
        "age": _RANDOM.integers(20, 80, ROWS),
        "sbp": PRESSURE,
        "height": HEIGHT,
        "arm": ["a", "b"] * (ROWS // 2),
        "crp": _RANDOM.lognormal(1, 1, ROWS).round(2),
        "grade": _RANDOM.choice([1, 2, 3, 4], ROWS),
        "ratio": [f"{value}/80" for value in PRESSURE],
    }
    assert _noticed(columns) == {}


def test_what_was_noticed_does_not_depend_on_the_order_of_the_rows() -> None:
    frame = pd.DataFrame({"sbp": _with(PRESSURE, 999, 12), "height": [*(HEIGHT[:40] / 100).round(2), *HEIGHT[40:]]})
    turned = frame.sample(frac=1, random_state=3)
    assert _noticed(frame.to_dict("list")) == _noticed(turned.to_dict("list"))  # type: ignore[arg-type]


def test_no_value_of_fewer_than_k_persons_is_told() -> None:
    rare = ["unknown at admission by Dr Quux", "77777", "9.9 xyz"]
    columns = {
        "smoke": ["yes", "no", "unknown"] * 66 + ["not known", "refused"],
        "crp": ["1.5"] * (ROWS - 3) + rare,
        "dose": ["5 mg", "5 g"] * 98 + ["3 furlong"] * 4,
        "sbp": _with(PRESSURE, 9999, 4),
    }
    told = json.dumps([one.told() for one in _noticed(columns).values()])
    assert [word for word in (*rare, "refused", "not known", "furlong", "9999") if word in told] == []


def test_of_many_columns_the_first_are_named() -> None:
    found = _noticed({f"item{at}": ["yes", "no"] * 80 + ["unknown"] * 40 for at in range(30)})
    (((kind, columns), one),) = ((key, value) for key, value in found.items() if key[0] == "code for missing")
    assert (kind, len(columns), columns[0]) == ("code for missing", 20, "item0")
    assert one.text.endswith('"unknown" (about 20 %) (and 10 more columns)')
