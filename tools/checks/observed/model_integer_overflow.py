"""Check: whole numbers fit into the type that they are put into."""

from __future__ import annotations

import re

import numpy as np

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable, numeric

_NARROW = {
    "int8": 127,
    "uint8": 255,
    "int16": 32_767,
    "uint16": 65_535,
    "int32": 2**31 - 1,
    "float16": 65_504,
    "as.integer": 2**31 - 1,
}


def check_integer_overflow(seen: Seen) -> Finding:
    """Do numbers that are put into a narrow type leave its range, at once or when they are multiplied?

    Fails where a column that the program uses holds values beyond the narrowest type that the text asks for, or where
    their squares are and the program multiplies. Warnings of overflow count too.

    Not able to see sums that leave 64 bits.

    References
    ----------
    Goldberg D. What every computer scientist should know about floating-point arithmetic. ACM Comput Surv 1991;23:5.
    doi:10.1145/103162.103163
    """
    about = ("integer_overflow", "Do whole numbers fit into their type?")
    asked = {name: limit for name, limit in _NARROW.items() if re.search(rf"(?<!\w){re.escape(name)}\b", seen.text)}
    fail = [f"{kind}: {text}" for kind, text in seen.warned if "overflow" in text.lower()]
    if not asked and not fail:
        return not_applicable(*about, "no number is put into a narrow type")
    limit = min(asked.values(), default=0)
    frame, multiplies = seen.frame(), bool(re.search(r"\*|prod|dot|pow|square", seen.text))
    for column in sorted(seen.used()) if asked else ():
        values = numeric(frame, column)
        largest = float(np.abs(values).max()) if len(values) else 0.0
        if largest > limit:
            fail.append(f"{column} holds {largest:g}, and {min(asked, key=asked.__getitem__)} ends at {limit}")
        elif multiplies and largest**2 > limit and limit < 2**31 - 1:
            fail.append(f"{column} holds {largest:g}; its products leave {min(asked, key=asked.__getitem__)} ({limit})")
        elif multiplies and largest**2 > limit:
            fail.append(f"{column} holds {largest:g}; its products leave 32 bits")
    return judged(*about, fail=fail, looked_at=f"{', '.join(asked)}: every used column fits")
