"""No real row, and no rare value, is in a twin: nearest records, and Anonymeter in an environment of its own."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from counterproof.tools.data import Table, read_file
from counterproof.tools.identifiers import find_identifiers
from counterproof.tools.profile import K, is_coded
from counterproof.tools.twin import MARK, make_twin

NAMES = [
    "asah",
    "babies_coded",
    "heart_transplant",
    "indo_rct",
    "lbw",
    "lung",
    "nhefs_complete",
    "sleepstudy",
    "whickham",
]
PYTHON = Path(sys.prefix) / "privacy" / "bin" / "python"


def _both(tables: Path, name: str) -> tuple[Table, pd.DataFrame, pd.DataFrame]:
    raw, table = read_file(tables / f"{name}.csv")
    twin = make_twin(table, find_identifiers(table))
    read = [pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False) for data in (raw, twin)]
    return table, read[0], read[1].drop(columns=MARK)


@pytest.mark.canary
@pytest.mark.parametrize("name", NAMES)
def test_no_row_of_five_values_is_in_the_twin(tables: Path, name: str) -> None:
    _, real, twin = _both(tables, name)
    if len(real.columns) >= 5:
        assert not {tuple(row) for row in real.to_numpy()} & {tuple(row) for row in twin.to_numpy()}


@pytest.mark.canary
@pytest.mark.parametrize("name", NAMES)
def test_no_rare_level_and_no_extreme_is_in_the_twin(tables: Path, name: str) -> None:
    table, real, twin = _both(tables, name)
    hidden = {finding.column for finding in find_identifiers(table)}
    for column in table.columns:
        times = Counter(real[column.name])
        made = set(twin[column.name]) - {""}
        if column.name in hidden:
            assert not made & set(times), column.name
        elif is_coded(column):
            assert not {value for value in made if 0 < times[value] < K}, column.name
        elif column.kind in ("integer", "number"):
            present = np.sort(column.values.dropna())
            values = {float(value) for value in made} & set(present)
            assert min(values, default=present[K]) >= present[K - 1] or times[str(min(values))] >= K
            assert max(values, default=present[-K]) <= present[-K], column.name


def _gower(rows: pd.DataFrame, to: pd.DataFrame, spread: pd.Series) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return for each row the distance to the nearest of the others; a missing value is as far as can be."""
    least = np.full(len(rows), np.inf)
    for _, other in to.iterrows():
        apart = ((rows - other).abs() / spread).clip(upper=1).fillna(1.0)
        least = np.minimum(least, apart.mean(axis=1).to_numpy())
    return least


@pytest.mark.canary
@pytest.mark.parametrize("name", ["lung", "lbw", "asah"])
def test_rows_of_the_twin_are_no_nearer_to_persons_than_persons_are(tables: Path, name: str) -> None:
    """A twin that followed single persons would lie nearer to them than they lie to each other."""
    _, real, twin = _both(tables, name)
    numbers = [frame.apply(pd.to_numeric, errors="coerce").dropna(axis=1, how="all") for frame in (real, twin)]
    shared = [column for column in numbers[0] if column in numbers[1]]
    data, made = numbers[0][shared], numbers[1][shared]
    spread = (data.quantile(0.95) - data.quantile(0.05)).replace(0, 1)
    half = data.sample(frac=0.5, random_state=1)
    others = data.drop(half.index)
    between = np.median(_gower(others, half, spread))
    to_twin = np.median(_gower(made.sample(len(others), random_state=1), half, spread))
    assert to_twin >= 0.75 * between


_ATTACK = """
import json, sys
import pandas as pd
from anonymeter.evaluators import SinglingOutEvaluator, InferenceEvaluator
real, twin, control = (pd.read_csv(path) for path in sys.argv[1:4])
out = {}
one = SinglingOutEvaluator(ori=real, syn=twin, control=control, n_attacks=100, max_attempts=100_000)
one.evaluate(mode="univariate")
out["singling out"] = one.risk(confidence_level=0.95).value
*known, secret = real.columns
guess = InferenceEvaluator(ori=real, syn=twin, control=control, aux_cols=known, secret=secret, n_attacks=100)
guess.evaluate()
out["inference"] = guess.risk(confidence_level=0.95).value
json.dump(out, sys.stdout)
"""


@pytest.mark.third_party
@pytest.mark.canary
def test_anonymeter_singles_nobody_out(tables: Path, tmp_path: Path) -> None:
    """Half of the data make the twin, the other half is what an attacker knows of anybody; copies are found at once."""
    assert PYTHON.is_file(), f"There is no Anonymeter in {PYTHON.parent}: run `make .venv/.privacy`."
    frame = pd.read_csv(tables / "whickham.csv").assign(more=lambda d: d.age_baseline % 7 + d.index % 11)
    train = frame.sample(frac=0.6, random_state=2)
    control = frame.drop(train.index)
    train.to_csv(tmp_path / "train.csv", index=False)
    control.to_csv(tmp_path / "control.csv", index=False)
    _, table = read_file(tmp_path / "train.csv")
    rows = list(csv.reader(io.StringIO(make_twin(table, []).decode())))
    pd.DataFrame([row[:-1] for row in rows[1:]], columns=rows[0][:-1]).to_csv(tmp_path / "twin.csv", index=False)
    found = {}
    for which in ("twin", "train"):
        paths = [str(tmp_path / f"{part}.csv") for part in ("train", which, "control")]
        done = subprocess.run([str(PYTHON), "-c", _ATTACK, *paths], capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr[-2000:]
        found[which] = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["twin"]["singling out"] <= 0.2
    assert found["twin"]["inference"] <= 0.2
    assert found["train"]["inference"] > found["twin"]["inference"]
