"""Check: codes for "missing" are not taken as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, kept, not_applicable, numeric

CODES = (9, 99, 999, 9999, 99999, 88, 888, 8888, 77, 777, 98, 998, -1, -7, -8, -9, -99, -999, -9999)
ROWS_MIN = 10


def check_sentinels(seen: Seen) -> Finding:
    """Do codes such as 99 or -9 stand for "missing", and did they reach a model as numbers?

    A code counts where it is the largest or smallest value of a column that the program names, and lies further from
    the rest than the rest spans. Fails where rows with it are in a model; where the models are not known (R), where
    the program's text never names the code.

    Not for columns in which the code is a possible value close to others.

    References
    ----------
    Wickham H. Tidy data. J Stat Softw 2014;59(10). doi:10.18637/jss.v059.i10
    """
    about = ("sentinels", "Are codes for missing values taken as numbers?")
    frame, fail, columns = seen.frame(), [], 0
    for column in sorted(seen.used()):
        values = numeric(frame, column)
        codes = sentinel_codes(values)
        columns += 1
        if not codes:
            continue
        inside = kept(seen, column, set(codes))
        if inside is None:
            inside = not any(abs(number) in {abs(code) for code in codes} for number in seen.numbers)
        if inside:
            count = int(np.isin(values, codes).sum())
            fail.append(f"{column}: {', '.join(f'{code:g}' for code in codes)} in {count} rows is taken as a number")
    if not columns:
        return not_applicable(*about, "the program names no column of the data")
    return judged(*about, fail=fail, looked_at=f"{columns} columns that the program uses")


def sentinel_codes(values: np.ndarray[Any, Any]) -> list[float]:
    """Return the codes among some numbers (no missing ones among them), highest end first."""
    found: list[float] = []
    if len(values) < ROWS_MIN:
        return found
    distinct = np.unique(values)
    for end in (-1, 0):
        while len(distinct) >= 3 and distinct[end] in CODES:
            rest = distinct[:-1] if end == -1 else distinct[1:]
            gap = abs(distinct[end] - rest[end])
            if gap < rest[-1] - rest[0] or gap < 1.5:
                break
            found.append(float(distinct[end]))
            distinct = rest
    return found
