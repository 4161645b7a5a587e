"""Check: labels of the test data are used once, at the end."""

from __future__ import annotations

import numpy as np
import pandas as pd

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable

_CHOOSES = ("max", "argmax", "nanargmax", "sorted", "idxmax", "which.max")


def check_test_labels(seen: Seen) -> Finding:
    """Were the labels of the test data used for more than one final score?

    Fails where a model is scored on the rows that it was fitted on (and nothing else is scored), where a model that is
    scored on held-out rows was fitted on some of them too, and where several models are scored on the same held-out
    labels and the program takes the best of them.

    Not for resampling inside the training data, which is how models should be chosen.

    References
    ----------
    Hastie T, Tibshirani R, Friedman J. The Elements of Statistical Learning, 2nd ed., section 7.10. Springer 2009.
    doi:10.1007/978-0-387-84858-7
    """
    about = ("test_labels", "Were test labels used for more than one final score?")
    fits = [
        call for call in seen.learned if call.what in ("fit", "fit_transform") and call.y is not None and call.model
    ]
    if not seen.scored:
        return not_applicable(*about, "no predictions are scored against labels")
    resampled = any(call.what.startswith("cross_") or call.what == "train_test_split" for call in seen.learned)
    split = resampled or bool(seen.called("split", "KFold", "LeaveOneOut", "sample", "permutation"))
    fail = []
    for score in seen.scored:
        same = [
            call for call in fits if len(call.y) == len(score.truth) and np.array_equal(np.asarray(call.y), score.truth)
        ]
        if same and not split and len(seen.frames) < 2:
            fail.append(f"line {score.line}: {score.name} on the {len(score.truth)} rows that the model was fitted on")
    held = {score.truth.tobytes(): [] for score in seen.scored}
    for score in seen.scored:
        held[score.truth.tobytes()].append(score)
    for scores in held.values():
        models = {score.guess.tobytes() for score in scores if not _fitted_on(fits, score.truth)}
        chooses = [call for call in seen.called(*_CHOOSES) if call["line"] >= scores[0].line]
        if len(models) >= 3 and chooses:
            fail.append(
                f"line {chooses[0]['line']}: the best of {len(models)} models by their scores on the same test labels"
            )
    fail += _both_sides(seen)
    return judged(*about, fail=list(dict.fromkeys(fail)), looked_at=f"{len(seen.scored)} scores")


def _fitted_on(fits: list, truth: np.ndarray) -> bool:  # type: ignore[type-arg]
    return any(len(call.y) == len(truth) and np.array_equal(np.asarray(call.y), truth) for call in fits)


def _both_sides(seen: Seen) -> list[str]:
    """Return models that were fitted on rows which they then predict, beside other rows."""
    found = []
    fits = [call for call in seen.learned if call.what == "fit" and isinstance(call.x, pd.DataFrame)]
    tests = [
        call for call in seen.learned if call.what in ("predict", "predict_proba") and isinstance(call.x, pd.DataFrame)
    ]
    split = [call for call in seen.learned if call.what == "train_test_split"]
    for fit in fits:
        for test in tests:
            shared = len(fit.x.index.intersection(test.x.index)) / max(1, len(test.x))
            if (
                split
                and test.model == fit.model
                and test.line >= fit.line
                and shared > 0.05
                and len(test.x) < len(fit.x)
            ):
                found.append(f"line {fit.line}: {fit.model} is fitted on {shared:.0%} of the rows that it is tested on")
    return found
