"""Metrics agree with scikit-learn and SciPy, tests hold their level, and what is unusable is named."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics as sk

from counterproof.tools.scoring import (
    METRICS,
    Answers,
    TargetFacts,
    Unusable,
    bootstrap,
    compare_paired,
    compare_value,
    read_predictions,
    score_numbers,
)

pytestmark = pytest.mark.campaign

CHANCE = np.random.default_rng(5)
LABEL = CHANCE.integers(0, 2, 60).astype(float)
SCORE = np.round(np.clip(LABEL * 0.3 + CHANCE.random(60) * 0.7, 0, 1), 1)
GIVEN = (SCORE > 0.5).astype(float)
NUMBER = CHANCE.normal(size=60)
GUESS = NUMBER + CHANCE.normal(size=60)
# scikit-learn 1.7 and SciPy 1.15, called here.
WANTED = {
    "accuracy": (LABEL, GIVEN, sk.accuracy_score(LABEL, GIVEN)),
    "balanced_accuracy": (LABEL, GIVEN, sk.balanced_accuracy_score(LABEL, GIVEN)),
    "auroc": (LABEL, SCORE, sk.roc_auc_score(LABEL, SCORE)),
    "brier": (LABEL, SCORE, sk.brier_score_loss(LABEL, SCORE)),
    "rmse": (NUMBER, GUESS, sk.root_mean_squared_error(NUMBER, GUESS)),
    "mae": (NUMBER, GUESS, sk.mean_absolute_error(NUMBER, GUESS)),
    "r2": (NUMBER, GUESS, sk.r2_score(NUMBER, GUESS)),
    "pearson": (NUMBER, GUESS, pearsonr(NUMBER, GUESS).statistic),
    "spearman": (NUMBER, GUESS, spearmanr(NUMBER, GUESS).statistic),
}
FACTS = TargetFacts(
    id_column="sample",
    target="state",
    classes=("control", "case"),
    others=frozenset({"v0", "v1"}),
    train_ids=frozenset({"T1", "T2"}),
)
NUMBERS = TargetFacts(
    id_column="sample", target="age", classes=(), others=frozenset({"v0"}), train_ids=frozenset(), low=20.0, high=80.0
)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_that_of_the_library_for_one_and_for_many(name: str) -> None:
    truth, given, wanted = WANTED[name]
    metric = METRICS[name]  # type: ignore[index]  # its names are the parameters
    assert float(metric.of(truth, given)) == pytest.approx(wanted, abs=1e-12)
    order = np.array([np.arange(60), np.random.default_rng(1).permutation(60)])
    assert metric.of(truth[order], given[order]) == pytest.approx([wanted, wanted], abs=1e-12)


def test_an_interval_holds_the_value_and_is_the_same_each_time() -> None:
    first, second = (bootstrap(METRICS["auroc"], LABEL, SCORE, seed=4) for _ in range(2))
    assert first == second
    assert first.low < first.value < first.high


def test_a_paired_test_finds_a_difference_and_no_difference() -> None:
    worse = CHANCE.random(60)
    assert compare_paired(METRICS["auroc"], LABEL, LABEL, worse, seed=1).p_value < 0.01
    assert compare_paired(METRICS["auroc"], LABEL, SCORE, SCORE.copy(), seed=1).p_value == 1.0
    assert compare_paired(METRICS["mae"], NUMBER, GUESS, -GUESS, seed=1).difference < 0


def test_a_paired_test_holds_its_level() -> None:
    chance, small = np.random.default_rng(9), 0
    for _ in range(60):
        truth = chance.normal(size=25)
        first, second = truth + chance.normal(size=25), truth + chance.normal(size=25)
        small += compare_paired(METRICS["rmse"], truth, first, second, seed=2).p_value < 0.05
    assert small <= 8  # 3 expected; 9 or more has a probability of 0.3%


def test_a_published_value_is_compared_by_the_bootstrap() -> None:
    at = float(METRICS["accuracy"].of(LABEL, GIVEN))
    assert compare_value(METRICS["accuracy"], LABEL, GIVEN, at, seed=1).p_value > 0.5
    assert compare_value(METRICS["accuracy"], LABEL, GIVEN, 0.05, seed=1).p_value < 0.01


@pytest.mark.parametrize(
    ("text", "fault", "words"),
    [
        (None, "bad_output", "wrote no predictions.csv"),
        ("sample,prediction\nA,case\nB,case\n", "bad_output", "lacks the columns score"),
        ("sample,v0\nA,1\nB,2\n", "wrong_target", "gives 'v0'"),
        ("sample,prediction,score\nA,case,1\n", "bad_output", "lacks 1 of 2"),
        ("sample,prediction,score\nT1,case,1\nT2,case,1\n", "wrong_target", "training samples"),
        ("sample,prediction,score\nA,tall,1\nB,tall,1\n", "wrong_target", "predicts tall"),
        ("sample,prediction,score\nA,case,1\nB,tall,1\n", "bad_output", "predicts 'tall'"),
        ("sample,prediction,score\nA,case,nan\nB,case,1\n", "bad_output", "missing or infinite"),
        ("sample,prediction,score\nA,case,1\nA,case,1\nB,case,1\n", "bad_output", "twice"),
        ("sample,prediction,score\nA,case,1\nB,case,1\nC,case,1\n", "bad_output", "too many"),
    ],
)
def test_unusable_predictions_are_named(text: str | None, fault: str, words: str) -> None:
    with pytest.raises(Unusable, match=words) as error:
        read_predictions(None if text is None else text.encode(), FACTS, ["A", "B"])
    assert error.value.fault == fault


def test_numbers_far_from_the_target_are_another_target() -> None:
    with pytest.raises(Unusable, match="far outside") as error:
        read_predictions(b"sample,prediction\nA,5000\nB,6000\n", NUMBERS, ["A", "B"])
    assert error.value.fault == "wrong_target"


def test_usable_predictions_come_in_the_order_asked_for() -> None:
    found = read_predictions(b"sample,score,prediction\nB,0.9,case\nA,0.1,control\n", FACTS, ["A", "B"])
    assert (found.prediction.tolist(), found.score.tolist()) == ([0.0, 1.0], [0.1, 0.9])


ANSWERS = Answers.model_validate(
    {"expected": {"hr": {"value": 0.588, "tol": 0.005}, "rate": {"range": [0, 3]}}, "traps": {"inverted": 1.7}}
)


@pytest.mark.parametrize(
    ("given", "share", "traps"),
    [
        ({"hr": 0.59, "rate": 2}, 1.0, ()),
        ({"hr": 0.593, "rate": 3}, 1.0, ()),
        ({"hr": 1.7, "rate": 4}, 0.0, ("inverted",)),
        ({"hr": 0.588}, 0.5, ()),
        (None, 0.0, ()),
    ],
)
def test_numbers_are_held_against_the_answers(
    given: dict[str, float] | None, share: float, traps: tuple[str, ...]
) -> None:
    found = score_numbers(given, ANSWERS)
    assert (found.share, found.traps) == (share, traps)


@pytest.mark.parametrize(("given", "right"), [(None, True), ({"hr": 0.588}, False)])
def test_cannot_conclude_is_right_where_it_is(given: dict[str, float] | None, right: bool) -> None:
    answers = ANSWERS.model_copy(update={"cannot_conclude": True})
    found = score_numbers(given, answers)
    assert (found.verdict_right, found.share) == (right, float(right))
