"""Check: rows of one subject are not analysed as if they were independent."""

from __future__ import annotations

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable

_INDEPENDENT = ("ttest_ind", "mannwhitneyu", "f_oneway", "kruskal", "chi2_contingency", "fisher_exact", "pearsonr")
_R_INDEPENDENT = ("lm", "glm", "t.test", "wilcox.test", "coxph", "aov", "kruskal.test")
_R_GROUPED = ("lmer", "glmer", "lme", "gee", "geeglm", "cluster", "vcovCL", "coxme", "frailty", "Error", "aggregate")


def check_repeated_subjects(seen: Seen) -> Finding:
    """Are rows of the same subject or cluster treated as independent?

    Fails where a column names subjects (or litters, households, clusters) with several rows each, and a model or test
    takes more observations than there are subjects, without a random effect, a generalized estimating equation or
    errors by cluster. Counts, scale and missing cells of the columns don't matter.

    Not for designs in which a row is rightly the unit, such as lesions with a known null correlation.

    References
    ----------
    Lazic SE. The problem of pseudoreplication in neuroscientific studies. BMC Neurosci 2010;11:5.
    doi:10.1186/1471-2202-11-5
    """
    about = ("repeated_subjects", "Are rows of one subject taken as independent?")
    frame, column = seen.frame(), seen.subject() or seen.cluster()
    if not column:
        return not_applicable(*about, "no column names subjects or clusters with several rows")
    units = int(frame[column].nunique())
    fail = [
        f"line {fit.line}: {fit.kind} on {fit.rows} rows of {units} {column}s, as if they were independent"
        for fit in seen.fits
        if fit.rows > units and not fit.clustered and fit.kind not in ("mixed", "gee", "cox_tv", "km")
    ]
    for test in seen.tests:
        if test.name in _INDEPENDENT:
            rows = _taken(test)
            if rows > units:
                fail.append(f"line {test.line}: {test.name} on {rows} values of {units} {column}s")
    if seen.language == "r" and not seen.called(*_R_GROUPED):
        fail += [
            f"line {call['line']}: {call['name']}() on rows of {units} {column}s"
            for call in seen.called(*_R_INDEPENDENT)
            if "paired" not in call["named"]
        ]
    return judged(*about, fail=fail, looked_at=f"{len(frame)} rows of {units} {column}s; models allow for it")


def _taken(test: object) -> int:
    sizes = []
    for arg in test.args:  # type: ignore[attr-defined]
        if hasattr(arg, "sum") and getattr(arg, "ndim", 1) == 2:
            sizes.append(int(arg.to_numpy().sum() if hasattr(arg, "to_numpy") else arg.sum()))
        elif hasattr(arg, "__len__"):
            sizes.append(len(arg))
    return max(sizes, default=0) if getattr(test, "name", "") == "pearsonr" else sum(sizes)
