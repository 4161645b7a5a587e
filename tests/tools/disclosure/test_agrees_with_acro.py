"""Our rules mark the cells that ACRO marks: it runs for real, in an environment of its own (`make .venv/.privacy`).

The cases are those of its documentation: tables of counts, of means and of sums over two variables, with negative
contributions, with zeros, and linear models with few observations.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from counterproof.tools.disclosure.degrees import is_too_few
from counterproof.tools.disclosure.dominance import in_cell, is_nk_dominated, is_p_dominated
from counterproof.tools.disclosure.review import table_item

PYTHON = Path(sys.prefix) / "privacy" / "bin" / "python"
pytestmark = pytest.mark.third_party


def _data() -> pd.DataFrame:
    source = np.random.default_rng(3)
    size = 400
    return pd.DataFrame(
        {
            "year": source.integers(2010, 2015, size).astype(str),
            "kind": source.choice(list("ABCD"), size, p=[0.5, 0.3, 0.15, 0.05]),
            "region": source.choice(["north", "south", "west"], size, p=[0.6, 0.35, 0.05]),
            "amount": source.lognormal(3, 2.2, size).round(2),
            "change": source.normal(0, 5, size).round(2),
            "arm": np.repeat(["drug", "control"], size // 2),
            "outcome": ["well"] * 150 + ["ill"] * 50 + ["well"] * 200,
        }
    )


@pytest.fixture(scope="module")
def acro(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What ACRO found, case by case."""
    assert PYTHON.is_file(), f"There is no ACRO in {PYTHON.parent}: run `make .venv/.privacy`."
    folder = tmp_path_factory.mktemp("acro")
    _data().to_csv(folder / "data.csv", index=False)
    script = Path(__file__).with_name("with_acro.py")
    done = subprocess.run(
        [str(PYTHON), str(script), str(folder / "data.csv")], capture_output=True, text=True, timeout=400, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[dict[str, Any]] = json.loads(done.stdout[done.stdout.index("[{") :])
    return found


def _cells(case: dict[str, Any], check: str) -> set[str]:
    return {place for place, names in case["cells"].items() if check in names}


@pytest.mark.parametrize(("number", "rows", "columns"), [(0, "year", "kind"), (4, "arm", "outcome")])
def test_small_cells_are_those_of_acro(acro: list[dict[str, Any]], number: int, rows: str, columns: str) -> None:
    data = _data()
    table = pd.crosstab(data[rows], data[columns])
    item = table_item("tables/t.csv", table.to_csv().encode(), "0" * 64)
    ours = {finding.text.partition(":")[0] for finding in item.findings if finding.check == "small cells"}
    small = _cells(acro[number], "MinimumThresholdCheck")
    marked = {
        f"row {at}, {column}"
        for at, row in enumerate(table.index, start=1)
        for column in table
        if f"{row}|{column}" in small and table[column][row] > 0
    }
    assert ours == marked
    assert (acro[number]["status"] == "fail") == (item.verdict == "suppress")


def test_an_empty_cell_that_acro_marks_is_class_disclosure(acro: list[dict[str, Any]]) -> None:
    assert _cells(acro[4], "MinimumThresholdCheck") | _cells(acro[4], "PresenceOfZeroCheck") == {"control|ill"}
    data = _data()
    item = table_item("tables/t.csv", pd.crosstab(data.arm, data.outcome).to_csv().encode(), "0" * 64)
    assert [(finding.check, finding.suggestion) for finding in item.findings] == [("class disclosure", "merge")]


@pytest.mark.parametrize(("number", "rows"), [(1, "year"), (2, "region")])
def test_dominance_is_that_of_acro(acro: list[dict[str, Any]], number: int, rows: str) -> None:
    data = _data()
    groups = {f"{row}|{kind}": part.amount.to_numpy() for (row, kind), part in data.groupby([rows, "kind"])}
    assert {place for place, of in groups.items() if is_p_dominated(of)} == _cells(acro[number], "PPercentCheck")
    nk = {place for place, of in groups.items() if is_nk_dominated(of)}
    assert nk == _cells(acro[number], "NKCheck")
    assert len(_cells(acro[number], "PPercentCheck")) < len(groups)


def test_negative_contributions_are_for_a_look_as_in_acro(acro: list[dict[str, Any]]) -> None:
    assert "not defined when negative value" in acro[3]["summary"]
    (finding,) = in_cell("mean", _data().change.to_numpy())
    assert (finding.suggestion, finding.stops) == ("look", False)


def test_degrees_of_freedom_are_judged_as_in_acro(acro: list[dict[str, Any]]) -> None:
    assert [case["status"] for case in acro[5:]] == ["fail", "fail", "pass", "pass"]
    assert [is_too_few(rows - 2) for rows in (9, 11, 12, 60)] == [True, True, False, False]
