"""The metrics give what syntheval and mostlyai-qa give, wherever both sides define the same number, on the same rows.

| number | syntheval 1.7 | mostlyai-qa 1.10 | tolerance |
|---|---|---|---|
| fidelity.marginals, numbers | ks_test, avg ks | other: ten bins, no KS distance | 1e-6 |
| fidelity.marginals, categories | ks_test, avg tvd | accuracy, univariate | 1e-4, 2e-5: what they round to |
| fidelity.pairs, in our quarters | none | accuracy, bivariate | 2e-5 |
| fidelity.correlation | corr_diff, its Pearson block | other: phi-k | 1e-6 |
| associations, with our correction put on theirs | corr_diff, Cramer's V, correlation ratio | other: phi-k | 1e-6 |
| Gower distances to the nearest row | distances of dcr, nndr and nnaa | other: Euclidean, in an embedding | 1e-5 |
| privacy.exact_rows | hit_rate at 0, both sides turned | identical matches | 1e-6, 0.002 |
| privacy.nearer_to_training | from its distances | DCR share, another distance | 1e-6, 0.12 |

Where syntheval is given the same rows twice, no row is its own nearest; here it is, which is what tells a copy. It
corrects tables of two levels by two (Yates), and we don't, so these associations are left out.

Not compared, because the definitions differ: syntheval's confidence intervals are those of means, its pMSE is that of a
cross-validated logistic regression, its identifiability weighs columns by entropy, its parity is that of predictions;
mostlyai-qa's discriminator and cosine similarity are those of an embedding, it has no attack, and says nothing of fewer
than a hundred rows.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from counterproof.tools.synth.evaluation import fidelity, privacy
from counterproof.tools.synth.evaluation.case import Case
from counterproof.tools.synth.evaluation.distances import nearest, scaled
from counterproof.tools.synth.evaluation.frames import Floats, Variable

from .others import case_of, categories, complete, part, run_in, within, written

pytestmark = [pytest.mark.synthetic, pytest.mark.third_party]
_COLUMNS = 15
_SYNTHEVAL = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np, pandas as pd
from syntheval.metrics.privacy.metric_hitting_rate import HittingRate
from syntheval.metrics.utility.metric_kolmogorov_smirnov import KolmogorovSmirnovTest
from syntheval.metrics.utility.metric_mixed_correlation import mixed_correlation
from syntheval.utils.nn_distance import _knn_distance
from syntheval.utils.preprocessing import consistent_label_encoding
train, made, other = (pd.read_csv(path) for path in sys.argv[1:4])
words = json.loads(sys.argv[4])
numbers = [name for name in train if name not in words]
given = dict(cat_cols=words, num_cols=numbers, do_preprocessing=False, verbose=False, plot_figures=False)
found = KolmogorovSmirnovTest(train, made, **given).evaluate(n_perms=2)
out = {"ks": found["avg ks"], "tvd": found["avg tvd"]}
def ranked(side):
    return side.assign(**{name: side[name].rank() for name in numbers})
for name, rows in (("train", train), ("made", made), ("ranked", ranked(train))):
    matrix = mixed_correlation(rows, numbers, words)
    for one in matrix.index:
        for two in matrix.columns:
            out[f"{name} {one} {two}"] = None if np.isnan(matrix.loc[one, two]) else float(matrix.loc[one, two])
code = consistent_label_encoding(train, made, words, numbers, other)
sides = {"train": code.encode(train), "made": code.encode(made), "other": code.encode(other)}
for one, two in (("made", "train"), ("made", "other"), ("other", "train")):
    found = _knn_distance(sides[one].copy(), sides[two].copy(), words, 1, "gower")[0]
    for at, distance in enumerate(found):
        out[f"{one} to {two} {at}"] = float(distance)
for name, rows in (("train", train), ("other", other)):
    out[f"hits {name}"] = HittingRate(made, rows, **given).evaluate(thres_percent=0)["hit rate"]
json.dump(out, sys.stdout)
"""
_MOSTLY = """
import json, os, sys, warnings
os.environ.update(HF_HUB_OFFLINE="1", LOKY_MAX_CPU_COUNT="1")
warnings.simplefilter("ignore")
import pandas as pd
from mostlyai import qa
folder, words, use_other = sys.argv[1], json.loads(sys.argv[5]), sys.argv[6] == "True"
train, made, other = (pd.read_csv(path) for path in sys.argv[2:5])
for side in (train, made, other):
    for name in words:
        side[name] = side[name].map(lambda value: None if pd.isna(value) else f"level {value:g}").astype(object)
_, found = qa.report(trn_tgt_data=train, syn_tgt_data=made, hol_tgt_data=other if use_other else None,
                     report_path=folder + "/report.html")
json.dump({"univariate": found.accuracy.univariate, "bivariate": found.accuracy.bivariate,
           "same train": found.distances.ims_training, "same other": found.distances.ims_holdout,
           "nearer": found.distances.dcr_share}, sys.stdout)
"""


def _numbers(case: Case) -> list[int]:
    return [at for at, variable in enumerate(case.schema.variables) if variable.kind == "number"]


def _words(case: Case) -> list[int]:
    return [at for at, variable in enumerate(case.schema.variables) if variable.kind == "category"]


def _distances(theirs: dict[str, float], of: str) -> Floats:
    return np.array([value for key, value in theirs.items() if key.startswith(of)])


@pytest.mark.parametrize("name", ["lbw", "asah", "lung", "babies", "indo", "nhefs"])
def test_tables_are_judged_as_by_syntheval(name: str, tmp_path: Path) -> None:
    whole = case_of(name, "trees")
    case = complete(part(whole, list(range(min(len(whole.schema.variables), _COLUMNS)))))
    theirs = run_in("measures", _SYNTHEVAL, *written(case, tmp_path), json.dumps(categories(case)))
    close = fidelity.closeness(case.train, case.candidate, case.schema)
    assert 1 - close[_numbers(case)].mean() == pytest.approx(theirs["ks"], abs=1e-6)
    assert 1 - close[_words(case)].mean() == pytest.approx(theirs["tvd"], abs=1e-4)
    for one, other in (("made", "train"), ("made", "other"), ("other", "train")):
        rows = {"made": case.candidate, "train": case.train, "other": case.holdout}
        ours = nearest(scaled(rows[one], case.schema), scaled(rows[other], case.schema)).distance
        assert ours == pytest.approx(_distances(theirs, f"{one} to {other} "), abs=1e-5)
    near, far = (_distances(theirs, f"made to {side} ") for side in ("train", "other"))
    share = (near < far - 1e-7).mean() + (np.abs(near - far) <= 1e-7).mean() / 2
    assert privacy.nearer_to_training(case).value == pytest.approx(share, abs=1e-6)
    assert privacy.exact_rows(case) == pytest.approx(theirs["hits train"] - theirs["hits other"], abs=1e-6)
    _correlations_agree(case, theirs)
    _associations_agree(case, theirs)


def _correlations_agree(case: Case, theirs: dict[str, float]) -> None:
    names = [case.schema.variables[at].name for at in _numbers(case)]
    apart = [
        theirs[f"train {one} {other}"] - theirs[f"made {one} {other}"]
        for one, other in combinations(names, 2)
        if None not in (theirs[f"train {one} {other}"], theirs[f"made {one} {other}"])
    ]
    assert fidelity.correlation(within(case)) == pytest.approx(1 - np.abs(apart).mean() / 2, abs=1e-6)


def _associations_agree(case: Case, theirs: dict[str, float]) -> None:
    """Theirs are squared and not corrected for the number of levels; a table of two levels twice, by Yates, is not."""
    ours = fidelity.associations(case.train, case.schema)
    compared = 0
    for at, (one, other) in enumerate(combinations(range(len(case.schema.variables)), 2)):
        left, right = case.schema.variables[one], case.schema.variables[other]
        levels = [len(np.unique(case.train[:, place])) for place in (one, other)]
        value = theirs[f"ranked {left.name} {right.name}"]
        if value is None or min(levels) < 2 or (len(ours) > 200) or (_both(left, right) and max(levels) == 2):
            continue
        assert ours[at] == pytest.approx(_corrected(value, levels, left, right, len(case.train)), abs=1e-6), (
            left.name,
            right.name,
        )
        compared += 1
    assert compared >= 5


def _both(left: Variable, right: Variable) -> bool:
    return left.kind == right.kind == "category"


def _corrected(value: float, levels: list[int], left: Variable, right: Variable, count: int) -> float:
    """Return their number with Bergsma's correction of Cramer's V, or as epsilon squared."""
    if left.kind == right.kind == "number":
        return abs(value)
    if _both(left, right):
        rows, columns = levels
        phi = max(0.0, value * (min(levels) - 1) - (rows - 1) * (columns - 1) / (count - 1))
        fewest = min(rows - (rows - 1) ** 2 / (count - 1), columns - (columns - 1) ** 2 / (count - 1))
        return float((phi / (fewest - 1)) ** 0.5)
    groups = levels[0] if left.kind == "category" else levels[1]
    return float(max(0.0, 1 - (1 - value) * (count - 1) / (count - groups)) ** 0.5)


@pytest.mark.parametrize("name", ["lbw", "indo"])
def test_a_copy_hits_as_often_as_by_syntheval(name: str, tmp_path: Path) -> None:
    case = complete(case_of(name, "copies real rows"))
    theirs = run_in("measures", _SYNTHEVAL, *written(case, tmp_path), json.dumps(categories(case)))
    assert theirs["hits train"] > 0.9
    assert privacy.exact_rows(case) == pytest.approx(theirs["hits train"] - theirs["hits other"], abs=1e-6)


def _quartered(case: Case) -> Case:
    """Return numbers as their quarters among the training rows, as `fidelity.pairs` cuts them; gaps stay gaps."""
    variables = []
    sides = [side.copy() for side in (case.train, case.candidate)]
    for at, variable in enumerate(case.schema.variables):
        if variable.kind == "number":
            edges = np.unique(np.nanquantile(case.train[:, at], [0.25, 0.5, 0.75]))
            for side in sides:
                there = ~np.isnan(side[:, at])
                side[there, at] = np.searchsorted(edges, side[there, at], "right")
            names = tuple(str(quarter) for quarter in range(len(edges) + 1))
            variable = Variable(name=variable.name, kind="category", levels=(*names, "rare", "unseen"), low=0, high=0)
        variables.append(variable)
    schema = replace(case.schema, variables=tuple(variables))
    return replace(case, schema=schema, train=sides[0], holdout=sides[0], candidate=sides[1])


@pytest.mark.parametrize("name", ["lbw", "lung", "babies"])
def test_columns_and_pairs_are_those_of_mostlyai(name: str, tmp_path: Path) -> None:
    of = case_of(name, "trees")
    of = part(of, list(range(min(len(of.schema.variables), _COLUMNS))))
    case = _quartered(of)
    # It keeps the ten most frequent levels, and none of fewer than five rows.
    used = [
        at
        for at in range(len(case.schema.variables))
        if len(levels := np.unique(case.train[~np.isnan(case.train[:, at]), at], return_counts=True)[1]) <= 10
        and levels.min() >= 5
    ]
    case, of = part(case, used), part(of, used)
    words = json.dumps(categories(case))
    theirs = run_in("measures", _MOSTLY, str(tmp_path), *written(case, tmp_path), words, "False")
    assert len(used) >= 5
    assert fidelity.pairs(within(of)) == pytest.approx(theirs["bivariate"], abs=2e-5)
    full = [at for at in range(len(used)) if not np.isnan(case.train[:, at]).any()]
    if len(full) == len(used):
        close = fidelity.closeness(case.train, case.candidate, case.schema)
        assert close.mean() == pytest.approx(theirs["univariate"], abs=2e-5)


@pytest.mark.parametrize(("name", "maker"), [("babies", "trees"), ("babies", "copies real rows")])
def test_copies_and_nearness_are_those_of_mostlyai(name: str, maker: str, tmp_path: Path) -> None:
    """It takes the largest share over all columns and parts of them, in an embedding: near, not equal."""
    whole = case_of(name, maker)
    case = complete(part(whole, list(range(min(len(whole.schema.variables), _COLUMNS)))))
    words = json.dumps(categories(case))
    theirs = run_in("measures", _MOSTLY, str(tmp_path), *written(case, tmp_path), words, "True")
    assert privacy.exact_rows(case) == pytest.approx(theirs["same train"] - theirs["same other"], abs=0.002)
    assert privacy.nearer_to_training(case).value == pytest.approx(theirs["nearer"], abs=0.12)
