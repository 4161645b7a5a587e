"""Check: nothing is learned from the whole data before it is resampled."""

from __future__ import annotations

import math
import re

import numpy as np

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable

_LEARNS = re.compile(
    r"Scaler|SelectK|SelectPercentile|SelectFrom|SelectFdr|RFE|PCA|Imputer|Lasso|SMOTE|VarianceThreshold|Encoder|PLS|LDA"
)
_USES_Y = re.compile(r"SelectK|SelectPercentile|SelectFrom|SelectFdr|RFE|Lasso|SMOTE|PLS|LDA|TargetEncoder")
_RESAMPLES = (
    "cross_val_score",
    "cross_validate",
    "cross_val_predict",
    "GridSearchCV",
    "RandomizedSearchCV",
    "KFold",
    "split",
    "StratifiedKFold",
    "LeaveOneOut",
    "train_test_split",
    "cv.glmnet",
    "createFolds",
    "train",
    "RepeatedStratifiedKFold",
)
_R_SELECTS = ("cor", "t.test", "cor.test", "wilcox.test")
_AREA = re.compile(r"auc|auroc|c.?index|concordance", re.IGNORECASE)
_HITS = re.compile(r"accuracy", re.IGNORECASE)


def check_preprocessing(seen: Seen) -> Finding:
    """Is something learned from all rows before they are split or resampled?

    Two ways. From the program: a selection that uses the outcome is fitted on all rows that are then resampled (fails);
    scaling or imputation is (warns). From label permutation: the program is run once more on data whose outcome was
    permuted; an area under the curve then lies around one half, and accuracy around the larger class. Fails where it is
    more than four standard errors above: the procedure finds what isn't there.

    Not for areas of a marker that is not fitted, which permutation leaves at one half too.

    References
    ----------
    Ambroise C, McLachlan GJ. Selection bias in gene extraction on the basis of microarray gene-expression data. PNAS
    2002;99:6562. doi:10.1073/pnas.102102699. Ojala M, Garriga GC. Permutation tests for studying classifier
    performance. J Mach Learn Res 2010;11:1833.
    """
    about = ("preprocessing", "Is anything learned from the whole data before it is resampled?")
    fail, warn = [], []
    resampled = [
        call for call in seen.learned if call.what in ("cross_val_score", "cross_validate", "cross_val_predict")
    ]
    splits = [call for call in seen.learned if call.what == "train_test_split"]
    resamples = seen.called(*_RESAMPLES)
    total = max((len(call.y) for call in resampled if hasattr(call.y, "__len__")), default=0)
    total = max([total, *(len(call.x) for call in splits if hasattr(call.x, "__len__"))])
    for call in seen.learned:
        learns = call.what in ("fit", "fit_transform") and _LEARNS.search(call.model)
        rows = len(call.x) if learns and hasattr(call.x, "__len__") else 0
        if rows and (rows >= total if total else resamples and rows >= 0.98 * len(seen.frame())):
            line = f"line {call.line}: {call.model} learns from all {rows} rows before they are resampled"
            (fail if _USES_Y.search(call.model) else warn).append(line)
    if seen.language == "r" and resamples:
        first = min(call["line"] for call in resamples)
        fail += [
            f"line {call['line']}: {call['name']}() in a loop selects on all rows before {resamples[0]['name']}()"
            for call in seen.called(*_R_SELECTS)
            if call["loop"] and call["line"] <= first
        ]
    looked = "no selection or scaling on all rows"
    for row in seen.permuted or ():
        text = _too_good(seen, row)
        looked = "no selection or scaling on all rows; permuted labels are not predicted"
        if text:
            fail.append(text)
    if not (resamples or seen.permuted or seen.scored):
        return not_applicable(*about, "nothing is resampled, split or scored")
    return judged(*about, fail=fail, warn=warn, looked_at=looked)


def _too_good(seen: Seen, row: dict[str, object]) -> str:
    name, value, n = f"{row.get('id')} {row.get('label')}", float(row.get("value", 0)), int(row.get("n", 0))  # type: ignore[arg-type]
    outcome = seen.plan.get("outcome", "")
    counts = seen.frame()[outcome].value_counts(normalize=True) if outcome in seen.frame() else None
    if n < 10 or counts is None or len(counts) != 2 or not 0 <= value <= 1:
        return ""
    share = float(counts.iloc[0])
    if _AREA.search(name):
        few = max(1.0, n * (1 - share))
        error = math.sqrt((n + 1) / (12 * few * max(1.0, n - few)))
        if value - 0.5 > 4 * error:
            return f"{row.get('id')}: {value:.2f} on permuted labels, where 0.5 ± {error:.2f} is expected"
    elif _HITS.search(name):
        error = float(np.sqrt(share * (1 - share) / n))
        if value - share > 4 * error:
            return f"{row.get('id')}: {value:.2f} on permuted labels, where at most {share:.2f} is expected"
    return ""
