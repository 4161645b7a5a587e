"""Check: no subject is on both sides of a split."""

from __future__ import annotations

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable

_SPLITS = (
    "train_test_split",
    "KFold",
    "StratifiedKFold",
    "ShuffleSplit",
    "StratifiedShuffleSplit",
    "RepeatedKFold",
    "RepeatedStratifiedKFold",
    "cross_val_score",
    "cross_validate",
    "cross_val_predict",
    "GridSearchCV",
    "LeaveOneOut",
    "createFolds",
    "createDataPartition",
    "cv.glmnet",
    "vfold_cv",
    "initial_split",
)
_GROUPED = (
    "GroupKFold",
    "StratifiedGroupKFold",
    "GroupShuffleSplit",
    "LeaveOneGroupOut",
    "LeavePGroupsOut",
    "groupKFold",
    "group_vfold_cv",
)


def check_subject_overlap(seen: Seen) -> Finding:
    """Can rows of one subject be in training and in test data?

    Fails where a column names subjects with several rows, rows are split for training and testing, and no split is by
    group. A split of the subjects themselves (as many units as subjects) passes.

    Not for data with one row a subject.

    References
    ----------
    Saeb S, et al. The need to approximate the use-case in clinical machine learning. GigaScience 2017;6:1.
    doi:10.1093/gigascience/gix019
    """
    about = ("subject_overlap", "Is a subject on both sides of a split?")
    column, splits = seen.subject() or seen.cluster(), seen.called(*_SPLITS)
    if not column or not splits:
        return not_applicable(*about, "no split, or one row a subject")
    if seen.called(*_GROUPED) or any("groups" in call["named"] for call in seen.calls):
        return judged(*about, looked_at=f"split by {column}")
    if seen.language == "python" and any(call["last"] == "unique" for call in seen.calls) and column in seen.text:
        return judged(*about, looked_at=f"the {column}s themselves are split")
    units = int(seen.frame()[column].nunique())
    fail = [
        f"line {call['line']}: {call['name']}() splits {len(seen.frame())} rows of {units} {column}s"
        for call in splits[:4]
    ]
    return judged(*about, fail=fail, looked_at="")
