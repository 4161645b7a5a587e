"""Check: paired measurements are not compared as independent groups."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable, numeric

_UNPAIRED = ("ttest_ind", "mannwhitneyu", "ranksums", "ks_2samp")


def check_paired(seen: Seen) -> Finding:
    """Are two measurements of the same rows compared as if they came from different subjects?

    Fails where both samples of an unpaired test are two whole columns of one file (same rows, in the same order), or
    the same subjects (equal index). Missing cells may have been dropped before.

    Not for two columns that really hold different people, such as cases beside controls that were not matched.

    References
    ----------
    Altman DG, Bland JM. Units of analysis. BMJ 1997;314:1874. doi:10.1136/bmj.314.7098.1874
    """
    about = ("paired", "Are paired measurements compared as independent?")
    frame, fail = seen.frame(), []
    tests = [test for test in seen.tests if test.name in _UNPAIRED and len(test.args) >= 2]
    for test in tests:
        left, right = test.args[:2]
        columns = [_column(frame, side) for side in (left, right)]
        if all(columns) and columns[0] != columns[1]:
            fail.append(f"line {test.line}: {test.name} of the columns {columns[0]} and {columns[1]} of the same rows")
        elif _same_index(left, right):
            fail.append(f"line {test.line}: {test.name} of two samples of the same {len(left)} subjects")
    in_r = [call for call in seen.called("t.test", "wilcox.test") if seen.language == "r"]
    for call in in_r:
        sides = [re.fullmatch(r"([\w.]+)(?:\$|\[\[\")([\w.]+)(?:\"\]\])?", arg) for arg in call["args"][:2]]
        if (
            len(sides) == 2
            and all(sides)
            and sides[0][1] == sides[1][1]
            and call["named"].get("paired") not in ("TRUE", "T")
        ):
            fail.append(f"line {call['line']}: {call['name']}() of {sides[0][0]} and {sides[1][0]}, the same rows")
    if not tests and not in_r:
        return not_applicable(*about, "no unpaired test of two samples")
    return judged(*about, fail=fail, looked_at=f"{len(tests) + len(in_r)} unpaired tests, none of paired samples")


def _same_index(left: object, right: object) -> bool:
    if not (isinstance(left, pd.Series) and isinstance(right, pd.Series)) or len(left) != len(right) or len(left) < 5:
        return False
    return bool(left.index.equals(right.index)) and not isinstance(left.index, pd.RangeIndex) | (
        left.name == right.name
    )


def _column(frame: pd.DataFrame, sample: object) -> str:
    try:
        values = np.asarray(sample, float)
    except (TypeError, ValueError):
        return ""
    values = values[~np.isnan(values)]
    for column in map(str, frame.columns):
        held = numeric(frame, column)
        if len(values) >= 5 and len(held) == len(values) and np.array_equal(held, values):
            return column
    return ""
