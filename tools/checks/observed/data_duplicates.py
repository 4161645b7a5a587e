"""Check: rows that stand twice in the data are not counted twice."""

from __future__ import annotations

from counterproof.tools.checks.observed._seen import SUBJECT, Finding, Seen, judged, not_applicable


def check_duplicates(seen: Seen) -> Finding:
    """Do whole rows stand twice, and were they counted twice?

    Looks at rows that are equal in every column, where the columns tell rows apart: there is a column that numbers
    subjects, or the columns could distinguish a thousand times more rows than there are. Fails where the rows are
    numbered and the program takes them all; warns where they are not numbered: two people may be alike.

    Not for tables of few coarse columns, in which equal rows are different people.

    References
    ----------
    Huebner M, et al. A contemporary conceptual framework for initial data analysis. Obs Stud 2018;4:171.
    doi:10.1353/obs.2018.0014
    """
    about = ("duplicates", "Do rows stand twice in the data?")
    frame = seen.frame()
    room = 1.0
    for column in frame.columns:
        room *= max(1, frame[column].nunique())
    numbered = any(SUBJECT.match(str(column)) for column in frame.columns)
    if not len(frame) or not (numbered or room > 1000 * len(frame)):
        return not_applicable(*about, "the columns can't tell a repeated row from another person")
    twice = int(frame.duplicated().sum())
    if not twice:
        return judged(*about, looked_at=f"{len(frame)} rows, all different")
    line = f"{twice} of {len(frame)} rows repeat another in every column"
    if seen.called("drop_duplicates", "duplicated", "unique", "distinct"):
        return judged(*about, looked_at=f"{line}; the program removes them")
    found = [line] if numbered else []
    return judged(*about, fail=found, warn=[] if found else [line], looked_at="")
