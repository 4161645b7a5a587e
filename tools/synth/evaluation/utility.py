"""Whether what is learned from the candidate holds on real rows: a random forest, tested on the hold-out.

The target is the planned outcome, or each of some columns where none was named. Concordance is the share of pairs that
stand in the right order: the AUC of a category (one against the rest, mean), the same of the pairs of a number. So all
targets are on one scale, where 0.5 is chance.

It does not cover times until an event: a planned survival model is compared by its coefficients.

Source: Esteban, Hyland and Raetsch 2017, https://arxiv.org/abs/1706.02633
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau, rankdata
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from counterproof.tools.synth.evaluation.case import Case, some
from counterproof.tools.synth.evaluation.frames import Floats, Schema

TARGETS_MAX = 4
"""So many columns are targets where no outcome was named."""
TRAINING_MAX = 5_000
TEST_MAX = 5_000
_TREES = 50
_LEAF = 5
_FEWEST = 10


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Predictions of the hold-out.

    Attributes:
        truth: shape (rows,); the target in the hold-out.
        scores: shape (rows, classes), or (rows, 1) of a number.
        classes: codes of the classes, in the order of the scores; none of a number.
        rows: which rows of the hold-out they are.
    """

    truth: Floats
    scores: Floats
    classes: Floats
    rows: Floats

    def concordance(self, keep: Floats | None = None) -> float | None:
        """Return the concordance, of some rows only where `keep` says which; None where it has no meaning."""
        use = np.ones(len(self.truth), dtype=bool) if keep is None else keep.astype(bool)
        truth, scores = self.truth[use], self.scores[use]
        if len(truth) < _FEWEST:
            return None
        if not len(self.classes):
            if truth.std() == 0:
                return None
            return float((np.nan_to_num(kendalltau(truth, scores[:, 0]).statistic) + 1) / 2)
        areas = [auc(truth == code, scores[:, at]) for at, code in enumerate(self.classes.tolist())]
        known = [area for area in areas if area is not None]
        missing = [code for code in np.unique(truth).tolist() if code not in self.classes]
        # A class that was never learned is told from the others by chance.
        known += [0.5] * len(missing)
        return float(np.mean(known)) if known else None


def auc(positive: Floats, score: Floats) -> float | None:
    """Return the area under the ROC curve, ties half; None where a side is empty."""
    is_positive = positive.astype(bool)
    count = int(is_positive.sum())
    if count in (0, len(is_positive)):
        return None
    ranks = rankdata(score)
    return float((ranks[is_positive].sum() - count * (count + 1) / 2) / (count * (len(is_positive) - count)))


def targets(case: Case, outcome: str) -> list[int]:
    """Return the columns that are predicted: the outcome, or some that have a spread."""
    if outcome:
        return [case.schema.at(outcome)]
    spread = [at for at in range(len(case.schema.variables)) if len(np.unique(case.train[:, at])) > 1]
    at = np.linspace(0, len(spread) - 1, min(TARGETS_MAX, len(spread))).astype(int)
    return [spread[place] for place in sorted(set(at.tolist()))] if spread else []


def fit(training: Floats, case: Case, target: int, *, predictors: Sequence[int] = ()) -> Fitted | None:
    """Fit a forest to rows and predict the hold-out; None where there is nothing to learn.

    Args:
        training: shape (rows, variables).
        case: whose hold-out is predicted.
        target: position of the column to predict.
        predictors: positions of the columns to predict it from; all others where none are given.
    """
    random = case.random(f"forest {target}")
    test = some(case.holdout[~np.isnan(case.holdout[:, target])], TEST_MAX, random)
    rows = some(training[~np.isnan(training[:, target])], TRAINING_MAX, random)
    if len(rows) < _FEWEST or len(test) < _FEWEST or len(case.schema.variables) < 2:
        return None
    others = list(predictors) or [at for at in range(rows.shape[1]) if at != target]
    if not _is_category(case.schema, target):
        forest = RandomForestRegressor(_TREES, min_samples_leaf=_LEAF, random_state=0)
        forest.fit(rows[:, others], rows[:, target])
        scores = forest.predict(test[:, others])[:, None]
        return Fitted(truth=test[:, target], scores=scores, classes=np.empty(0), rows=test)
    forest = RandomForestClassifier(_TREES, min_samples_leaf=_LEAF, random_state=0)
    forest.fit(rows[:, others], rows[:, target].astype(np.int64))
    scores = forest.predict_proba(test[:, others])
    return Fitted(truth=test[:, target], scores=scores, classes=forest.classes_.astype(np.float64), rows=test)


class Forests:
    """Forests that were fitted once, by the name of their training rows.

    Args:
        case: whose hold-out they are tested on.
        outcome: the planned outcome, or "".
        predictors: what it is predicted from; all other columns where none are given.
    """

    def __init__(self, case: Case, outcome: str, *, predictors: Sequence[int] = ()) -> None:
        self._case = case
        self._predictors = predictors
        self._fitted: dict[tuple[str, int], Fitted | None] = {}
        self.targets = targets(case, outcome)

    def fitted(self, name: str, training: Floats, target: int) -> Fitted | None:
        """Return the forest of these rows; None where there was nothing to learn."""
        if (name, target) not in self._fitted:
            self._fitted[name, target] = fit(training, self._case, target, predictors=self._predictors)
        return self._fitted[name, target]

    def concordance(self, name: str, training: Floats) -> float | None:
        """Return the mean concordance over the targets on the hold-out; higher is better, None without any."""
        found = []
        for target in self.targets:
            fitted = self.fitted(name, training, target)
            value = None if fitted is None else fitted.concordance()
            if value is not None:
                found.append(value)
        return float(np.mean(found)) if found else None


def _is_category(schema: Schema, at: int) -> bool:
    return schema.variables[at].kind == "category"
