"""Check: many tests are allowed for."""

from __future__ import annotations

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable

_ADJUSTS = (
    "multipletests",
    "p.adjust",
    "fdrcorrection",
    "false_discovery_control",
    "pairwise_tukeyhsd",
    "tukey_hsd",
    "TukeyHSD",
    "glht",
    "dunnett",
    "pairwise.t.test",
)
_DIAGNOSTIC = ("shapiro", "levene", "bartlett", "normaltest", "proportional_hazard_test")
_TESTS_R = ("t.test", "wilcox.test", "chisq.test", "fisher.test", "cor.test", "kruskal.test", "glm", "lm", "coxph")
_MANY = 6


def check_multiplicity(seen: Seen) -> Finding:
    """Are many hypothesis tests made, and is nothing done about it?

    Counts the tests of hypotheses, and models fitted in a loop, without tests of assumptions. Fails from six on more
    than the plan's number of promised results with a p value, without an adjustment in the program; warns from six on
    where the plan says how multiplicity is handled otherwise (hierarchy, one primary).

    Not for exploratory screens that report every p value as such.

    References
    ----------
    Bender R, Lange S. Adjusting for multiple testing: when and how? J Clin Epidemiol 2001;54:343.
    doi:10.1016/S0895-4356(00)00314-0
    """
    about = ("multiplicity", "Are many tests allowed for?")
    tests = [test for test in seen.tests if test.name not in _DIAGNOSTIC]
    lines: dict[int, int] = {}
    for one in [*tests, *[fit for fit in seen.fits if fit.kind not in ("km", "mixed")]]:
        lines[one.line] = lines.get(one.line, 0) + 1
    repeated = sum(count for count in lines.values() if count >= 3)
    made = max(len(tests), repeated)
    in_loops = [call for call in seen.called(*_TESTS_R) if seen.language == "r" and call["loop"]]
    bootstrap = seen.called("bootstrap", "resample", "choice", "permutation", "sample", "sample.int")
    if repeated and bootstrap and not seen.tests:
        made = 0
    if seen.language == "r":
        made = _MANY if in_loops and not bootstrap else len(seen.called(*_TESTS_R[:6]))
    if not made:
        return not_applicable(*about, "no hypothesis test was seen")
    if seen.called(*_ADJUSTS) or made < _MANY:
        return judged(*about, looked_at=f"{made} tests" + (", adjusted" if seen.called(*_ADJUSTS) else ""))
    line = f"{made} tests of hypotheses, and no adjustment in the program"
    if in_loops:
        line = f"line {in_loops[0]['line']}: {in_loops[0]['name']}() in a loop, and no adjustment in the program"
    handled = made <= int(seen.plan.get("tests", 0)) + _MANY - 1
    return judged(*about, fail=[] if handled else [line], warn=[line] if handled else [], looked_at="")
