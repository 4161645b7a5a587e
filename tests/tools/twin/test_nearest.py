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

from counterproof.tools.data import Table, read_file, read_table
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


def _nearest(rows: pd.DataFrame, to: pd.DataFrame, spread: pd.Series) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return for each row the distance to the nearest of the others (Gower's); a missing value is as far as can be."""
    given, others, width = rows.to_numpy(float), to.to_numpy(float), spread.to_numpy(float)
    apart = np.nan_to_num(np.clip(np.abs(given[:, None] - others[None]) / width, None, 1), nan=1.0)
    least: np.ndarray[tuple[int], np.dtype[np.float64]] = apart.mean(axis=2).min(axis=1)
    return least


def _nearer_to_the_half(made: pd.DataFrame, half: pd.DataFrame, others: pd.DataFrame) -> float:
    """Return the share of made rows that lie nearer to the half that they were made from; even ones count half."""
    data = pd.concat([half, others])
    spread = (data.quantile(0.95) - data.quantile(0.05)).replace(0, 1)
    ours, theirs = (_nearest(made, side, spread) for side in (half, others))
    return float((ours < theirs).mean() + (ours == theirs).mean() / 2)


@pytest.mark.canary
@pytest.mark.parametrize("name", ["lung", "lbw", "asah"])
def test_rows_of_the_twin_are_hardly_nearer_to_their_persons_than_to_strangers(tables: Path, name: str) -> None:
    """Half of the persons make the twin. To a twin that follows none of them the other half, of which it knows nothing,
    is as near: a share of 0.5. How far persons lie from each other, and where a twin ends, has no say in that.

    The control is a twin that does follow persons: their rows, with a twentieth of each column's spread added.
    """
    table, real, _ = _both(tables, name)
    hidden = {finding.column for finding in find_identifiers(table)}
    found: dict[str, list[float]] = {"twin": [], "control": []}
    for seed in range(3):
        half = real.sample(n=len(real) // 2, random_state=seed)
        others = real.drop(half.index).head(len(half))
        of_half = read_table(f"{name}.csv", half.to_csv(index=False).encode())
        twin = pd.read_csv(io.BytesIO(make_twin(of_half, find_identifiers(table))))
        numbers = [frame.drop(columns=hidden).apply(pd.to_numeric, errors="coerce") for frame in (half, others, twin)]
        shared = [column for column in numbers[0] if all(frame[column].notna().any() for frame in numbers)]
        ours, theirs, made = (frame[shared] for frame in numbers)
        chance = np.random.default_rng(seed)
        followed = ours + chance.normal(size=ours.shape) * ours.std().to_numpy() / 20
        found["twin"].append(_nearer_to_the_half(made, ours, theirs))
        found["control"].append(_nearer_to_the_half(followed, ours, theirs))
    assert np.mean(found["twin"]) <= 0.75, found
    assert np.mean(found["control"]) >= 0.9, found


_ATTACK = """
import json, sys
import numpy as np
import pandas as pd
from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator
real, twin, control = (pd.read_csv(path) for path in sys.argv[1:4])
np.random.seed(1)  # pandas draws the targets
of = {"ori": real, "syn": twin, "control": control}
out = {}
for mode in sys.argv[4:]:
    one = SinglingOutEvaluator(**of, n_attacks=100, n_cols=4, max_attempts=100_000)
    one.evaluate(mode=mode)
    out[f"singling out, {mode}"] = one.risk(confidence_level=0.95).value
of["n_attacks"] = len(control)  # with 100 the risk of one and the same twin lay between 0.1 and 0.4
*known, secret = real.columns
guess = InferenceEvaluator(**of, aux_cols=known, secret=secret)
guess.evaluate()
out["inference"] = guess.risk(confidence_level=0.95).value
half = len(real.columns) // 2
link = LinkabilityEvaluator(**of, aux_cols=(list(real.columns[:half]), list(real.columns[half:])), n_neighbors=1)
link.evaluate()
out["linkability"] = link.risk(confidence_level=0.95).value
json.dump(out, sys.stdout)
"""


def _risks(frame: pd.DataFrame, folder: Path, *modes: str) -> dict[str, dict[str, float]]:
    """Return what Anonymeter finds of a twin, and of copies of the rows that it was made from.

    Six tenths of the rows make the twin; the others are what an attacker knows of anybody.
    """
    assert PYTHON.is_file(), f"There is no Anonymeter in {PYTHON.parent}: run `make .venv/.privacy`."
    train = frame.sample(frac=0.6, random_state=2)
    train.to_csv(folder / "train.csv", index=False)
    frame.drop(train.index).to_csv(folder / "control.csv", index=False)
    _, table = read_file(folder / "train.csv")
    rows = list(csv.reader(io.StringIO(make_twin(table, []).decode())))
    pd.DataFrame([row[:-1] for row in rows[1:]], columns=rows[0][:-1]).to_csv(folder / "twin.csv", index=False)
    found = {}
    for which in ("twin", "train"):
        paths = [str(folder / f"{part}.csv") for part in ("train", which, "control")]
        done = subprocess.run([str(PYTHON), "-c", _ATTACK, *paths, *modes], capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr[-2000:]
        found[which] = json.loads(done.stdout[done.stdout.index("{") :])
    return found


@pytest.mark.third_party
@pytest.mark.canary
def test_anonymeter_singles_nobody_out(tables: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(tables / "whickham.csv").assign(more=lambda d: d.age_baseline % 7 + d.index % 11)
    found = _risks(frame, tmp_path, "univariate")
    assert found["twin"]["singling out, univariate"] <= 0.2
    assert found["twin"]["inference"] <= 0.2
    assert found["train"]["inference"] > found["twin"]["inference"]


@pytest.mark.third_party
@pytest.mark.canary
def test_anonymeter_finds_copies_and_no_twin_of_them(tables: Path, tmp_path: Path) -> None:
    """A table in which persons stand out: of copies the attacks find nearly everybody.

    Risks of the twin were 0.1 to 0.2, 0.04 and 0, those of copies 0.98, 0.99 and 0.34, with Anonymeter 1.1.0.
    """
    columns = ["qsmk", "death", "yrdth", "modth", "dadth", "sbp", "dbp", "sex", "age", "race", "income", "marital"]
    found = _risks(pd.read_csv(tables / "nhefs_complete.csv")[columns], tmp_path, "multivariate")
    most = {"singling out, multivariate": 0.3, "inference": 0.15, "linkability": 0.05}
    assert {name: risk for name, risk in found["twin"].items() if risk > most[name]} == {}
    least = {"singling out, multivariate": 0.8, "inference": 0.7, "linkability": 0.15}
    assert {name: risk for name, risk in found["train"].items() if risk < least[name]} == {}
