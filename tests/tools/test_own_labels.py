"""Names of codes that a file brings along are data: those of few persons are not told, and identifiers are refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from counterproof.provenance.errors import UsageError
from counterproof.tools.data import Taken, read_table, take_file
from counterproof.tools.identifiers import find_identifiers
from counterproof.tools.own_labels import own_labels
from counterproof.tools.profile import K, make_profile

pytestmark = pytest.mark.canary
RARE, SHARED = "Vexillotransmogrosis", "influenza"


@pytest.fixture(params=["sav", "dta"])
def taken(request: pytest.FixtureRequest, tmp_path: Path) -> Taken:
    """Forty persons: K - 1 with a rare disease, K with another, each with a name that a machine gave a code."""
    codes = [2] * (K - 1) + [3] * K
    frame = pd.DataFrame({"disease": codes + [1] * (40 - len(codes)), "who": range(40)})
    labels: dict[str, dict[int | float, str]] = {
        "disease": {1: SHARED, 2: RARE, 3: "cold", 4: "a disease that nobody has", 9: "not asked"},
        "who": {at: f"Zyxquell{at} Brandywickson" for at in range(40)},
    }
    path = tmp_path / f"d.{request.param}"
    write = pyreadstat.write_sav if request.param == "sav" else pyreadstat.write_dta
    write(frame, str(path), column_labels=["disease at entry", "who it is"], variable_value_labels=labels)
    return take_file(path)


def test_names_of_codes_need_k_persons(taken: Taken) -> None:
    disease, who = own_labels(taken.table, taken.variables, k=K)
    assert (disease.label, disease.levels) == ("disease at entry", {"1": SHARED, "3": "cold", "9": "not asked"})
    assert (who.label, who.levels) == ("who it is", {})
    assert (disease.levels_cut, who.levels_cut) == (True, True)
    assert own_labels(taken.table, taken.variables, k=K - 1)[0].levels["2"] == RARE


def test_k_counts_persons_where_a_column_tells_them_apart(tmp_path: Path) -> None:
    frame = pd.DataFrame({"patient": [at // 20 for at in range(400)], "disease": [1] * 180 + [2] * 220})
    path = tmp_path / "d.sav"
    pyreadstat.write_sav(frame, str(path), variable_value_labels={"disease": {1: RARE, 2: SHARED}})
    taken = take_file(path)
    (disease,) = own_labels(taken.table, taken.variables, subject="patient", k=K)
    assert disease.levels == {"2": SHARED}


@pytest.mark.parametrize("where", ["label", "code"])
def test_an_identifier_in_a_label_is_refused_and_not_repeated(tmp_path: Path, where: str) -> None:
    secret = "zyx.brandy@quorrumbool.intern"
    path = tmp_path / "d.sav"
    pyreadstat.write_sav(
        pd.DataFrame({"arm": [0, 1] * 20}),
        str(path),
        column_labels={"arm": f"ask {secret}" if where == "label" else "arm"},
        variable_value_labels={"arm": {0: f"ask {secret}" if where == "code" else "control", 1: "drug"}},
    )
    taken = take_file(path)
    with pytest.raises(UsageError, match=r"column 1 holds what looks like an identifier.*with --codebook") as caught:
        own_labels(taken.table, taken.variables, k=K)
    assert secret not in str(caught.value)


def test_of_a_column_that_identifies_persons_no_label_is_told() -> None:
    table = read_table("d.csv", ("name,arm\n" + "".join(f"P{at},{at % 2}\n" for at in range(40))).encode())
    codebook = {"name": {"label": RARE}, "arm": {"label": "arm"}}
    name, arm = make_profile(table, find_identifiers(table), codebook=codebook)["columns"]
    assert "codebook" not in name
    assert arm["codebook"] == {"label": "arm"}
