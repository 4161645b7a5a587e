"""The metrics give what SDMetrics and Anonymeter give, on the same rows; both run in an environment of their own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from counterproof.tools.synth.evaluation import attacks, diversity, fidelity, plausibility, privacy

from .others import case_of, categories, complete, part, run_in, within, written

pytestmark = [pytest.mark.synthetic, pytest.mark.third_party]
_SDMETRICS = """
import json, sys
import pandas as pd
from itertools import combinations
from sdmetrics.column_pairs import ContingencySimilarity, CorrelationSimilarity
from sdmetrics.single_column import (
    BoundaryAdherence, CategoryAdherence, CategoryCoverage, KSComplement, MissingValueSimilarity, TVComplement)
real, made = (pd.read_csv(path) for path in sys.argv[1:3])
words = json.loads(sys.argv[3])
for side in (real, made):
    for name in words:
        side[name] = side[name].astype("string").astype(object)
numbers = [name for name in real if name not in words]
out = {}
for name in real:
    metric = TVComplement if name in words else KSComplement
    out["close " + name] = metric.compute(real_data=real[name].dropna(), synthetic_data=made[name].dropna())
    out["missing " + name] = MissingValueSimilarity.compute(real_data=real[name], synthetic_data=made[name])
    metric = CategoryAdherence if name in words else BoundaryAdherence
    out["range " + name] = metric.compute(real_data=real[name].dropna(), synthetic_data=made[name].dropna())
    if name in words:
        out["levels " + name] = CategoryCoverage.compute(
            real_data=real[name].dropna(), synthetic_data=made[name].dropna())
for one, other in combinations(numbers, 2):
    out[f"correlation {one} {other}"] = CorrelationSimilarity.compute(
        real_data=real[[one, other]].dropna(), synthetic_data=made[[one, other]].dropna(), coefficient="Pearson")
for one, other in combinations(words, 2):
    out[f"pairs {one} {other}"] = ContingencySimilarity.compute(
        real_data=real[[one, other]], synthetic_data=made[[one, other]])
json.dump(out, sys.stdout)
"""
_NEW_ROWS = """
import json, sys
import pandas as pd
from sdmetrics.single_table import NewRowSynthesis
train, made, other = (pd.read_csv(path) for path in sys.argv[1:4])
words = json.loads(sys.argv[4])
about = {"columns": {name: {"sdtype": "categorical" if name in words else "numerical"} for name in train}}
out = {}
for name, real in (("train", train), ("holdout", other)):
    out[name] = 1 - NewRowSynthesis.compute(real, made, about, numerical_match_tolerance=0)
json.dump(out, sys.stdout)
"""
_ANONYMETER = """
import json, sys, warnings
warnings.simplefilter("ignore")
import pandas as pd
from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator
train, made, control = (pd.read_csv(path) for path in sys.argv[1:4])
words = json.loads(sys.argv[4])
for side in (train, made, control):
    for name in words:
        side[name] = side[name].astype(str)
count = min(len(train), len(control))
train = train.sample(count, random_state=1)
out = {}
one = SinglingOutEvaluator(ori=train, syn=made, control=control, n_attacks=int(sys.argv[5]))
one.evaluate(mode="univariate")
out["singling out"] = one.risk(confidence_level=0.95).value
names = list(train.columns)
link = LinkabilityEvaluator(ori=train, syn=made, control=control, n_attacks=count,
                            aux_cols=(names[::2], names[1::2]), n_neighbors=1)
link.evaluate(n_jobs=1)
out["linkability"] = link.risk(confidence_level=0.95).value
risks = []
for secret in sorted({names[int(at)] for at in __import__("numpy").linspace(0, len(names) - 1, 5)}):
    guess = InferenceEvaluator(ori=train, syn=made, control=control, n_attacks=count, secret=secret,
                               aux_cols=[name for name in names if name != secret], regression=secret not in words)
    guess.evaluate(n_jobs=1)
    risks.append(guess.risk(confidence_level=0.95).value)
out["inference"] = max(risks)
json.dump(out, sys.stdout)
"""


@pytest.mark.parametrize("name", ["lbw", "lung", "babies"])
def test_columns_and_pairs_are_those_of_sdmetrics(name: str, tmp_path: Path) -> None:
    case = case_of(name, "trees")
    words, paths = categories(case), written(case, tmp_path)
    theirs = run_in("privacy", _SDMETRICS, *paths[:2], json.dumps(words))
    names = [variable.name for variable in case.schema.variables]

    def of(what: str) -> list[float]:
        return [value for key, value in theirs.items() if key.startswith(what)]

    ours = fidelity.closeness(case.train, case.candidate, case.schema)
    for at, column in enumerate(names):
        assert ours[at] == pytest.approx(theirs[f"close {column}"], abs=1e-6), column
    # These numbers are means over draws of as many rows as the hold-out has; here each side has all of its rows.
    whole = within(case)
    assert fidelity.missing(whole) == pytest.approx(np.mean(of("missing")), abs=1e-6)
    assert fidelity.correlation(whole) == pytest.approx(np.nanmean(of("correlation")), abs=1e-6)
    present = [int((~np.isnan(case.candidate[:, at])).sum()) for at in range(len(names))]
    in_range = np.average(of("range"), weights=present)
    assert plausibility.in_range(whole) == pytest.approx(in_range, abs=0.01)
    at = np.flatnonzero(case.schema.categories).tolist()
    assert diversity.levels(part(whole, at)) == pytest.approx(np.mean(of("levels")), abs=1e-6)


def test_pairs_of_categories_are_those_of_sdmetrics(tmp_path: Path) -> None:
    case = case_of("indo", "trees")
    rows = within(part(case, np.flatnonzero(case.schema.categories).tolist()[:8]))
    theirs = run_in("privacy", _SDMETRICS, *written(rows, tmp_path)[:2], json.dumps(categories(rows)))
    pairs = [value for key, value in theirs.items() if key.startswith("pairs")]
    assert len(pairs) == 28
    assert fidelity.pairs(rows) == pytest.approx(np.mean(pairs), abs=1e-6)


@pytest.mark.parametrize("maker", ["copies real rows", "collapses to the mode"])
def test_exact_rows_are_those_of_sdmetrics(maker: str, tmp_path: Path) -> None:
    case = complete(case_of("babies", maker))
    theirs = run_in("privacy", _NEW_ROWS, *written(case, tmp_path), json.dumps(categories(case)))
    assert privacy.exact_rows(case) == pytest.approx(theirs["train"] - theirs["holdout"], abs=1e-6)
    assert theirs["train"] > 0.1


@pytest.mark.parametrize("maker", ["trees", "copies real rows"])
def test_risks_are_those_of_anonymeter(maker: str, tmp_path: Path) -> None:
    """Within what chance gives: both draw their guesses."""
    case = case_of("babies", maker)
    singled = attacks.singling_out(case)
    assert singled is not None
    # Anonymeter divides by the guesses that it was asked for, also where fewer could be made.
    theirs = run_in(
        "privacy", _ANONYMETER, *written(case, tmp_path), json.dumps(categories(case)), str(singled.guesses)
    )
    ours = {
        "singling out": singled,
        "linkability": attacks.linkability(case),
        "inference": attacks.inference(case),
    }
    for attack, risk in ours.items():
        assert risk is not None
        assert risk.value == pytest.approx(theirs[attack], abs=0.15 if maker == "trees" else 0.25), attack
    if maker != "trees":
        assert min(theirs.values()) > 0.3
