"""Check: tests and variables are those of the plan."""

from __future__ import annotations

import re

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable

_FAMILIES = {
    "t test": (
        ("ttest_ind", "ttest_rel", "ttest_1samp", "t.test"),
        r"\bt[- ]?tests?\b|student|welch|difference in means|mean difference|linear|regression|ancova",
    ),
    "rank test": (
        ("mannwhitneyu", "wilcoxon", "kruskal", "ranksums", "wilcox.test", "kruskal.test"),
        r"mann|wilcoxon|kruskal|rank|non-?parametric",
    ),
    "chi-squared test": (("chi2_contingency", "chisq.test"), r"chi|χ|contingency|2 ?[x×] ?2|two-by-two|table"),
    "exact test": (("fisher_exact", "fisher.test"), r"fisher|exact|2 ?[x×] ?2|two-by-two"),
    "analysis of variance": (("f_oneway", "anova_lm", "aov"), r"anova|analysis of variance|linear|f[- ]test|mixed"),
    "correlation": (("pearsonr", "spearmanr", "kendalltau", "cor.test"), r"correlat|spearman|pearson|association"),
    "log-rank test": (("logrank_test", "multivariate_logrank_test", "survdiff"), r"log[- ]?rank"),
}
_MODELS = {
    "cox": r"cox|hazard",
    "phreg": r"cox|hazard",
    "cox_tv": r"cox|hazard|time-dependent",
    "logit": r"logistic|logit|odds|propensity|binomial|prediction",
    "glm-binomial": r"logistic|logit|odds|propensity|binomial|risk|prediction",
    "mixed": r"mixed|random|multilevel|hierarchical|repeated",
    "poisson": r"poisson|count|rate|negative binomial",
    "negbin": r"negative binomial|count|rate|poisson",
}


def check_unplanned(seen: Seen) -> Finding:
    """Does the program make tests or models, or take variables, that the plan doesn't name?

    A family of tests or models is planned where a word of it stands in the plan. A predictor is planned where its
    column is named there. Fails for a predictor or test beyond the plan, except for tests of assumptions.

    Not a judgement of the extra analysis: it has to be reported as exploratory, after an amended plan.

    References
    ----------
    Gamble C, et al. Guidelines for the content of statistical analysis plans in clinical trials. JAMA 2017;318:2337.
    doi:10.1001/jama.2017.18556
    """
    about = ("unplanned", "Are all tests and variables planned?")
    words, fail = seen.plan.get("text", ""), []
    made = {test.name: test.line for test in seen.tests}
    if seen.language == "r":
        made |= {call["last"]: call["line"] for call in seen.calls}
    for family, (names, pattern) in _FAMILIES.items():
        lines = [made[name] for name in names if name in made]
        if lines and not re.search(pattern, words):
            fail.append(f"line {lines[0]}: a {family}, which the plan doesn't name")
    for fit in seen.fits:
        if fit.kind in _MODELS and not re.search(_MODELS[fit.kind], words):
            fail.append(f"line {fit.line}: a {fit.kind} model, which the plan doesn't name")
    columns = {str(column) for column in seen.frame().columns}
    small = len(columns) <= 60
    for line, name in _predictors(seen):
        if small and name in columns and not re.search(rf"(?<![\w]){re.escape(name.lower())}(?![\w])", words):
            fail.append(f"line {line}: {name} is in a model, and the plan doesn't name it")
    if not (made or seen.fits):
        return not_applicable(*about, "no test and no model was seen")
    return judged(
        *about, fail=list(dict.fromkeys(fail)), looked_at=f"{len(seen.fits)} models and {len(seen.tests)} tests"
    )


def _predictors(seen: Seen) -> list[tuple[int, str]]:
    found = [
        (fit.line, word) for fit in seen.fits for name in fit.names for word in re.findall(r"[A-Za-z_][\w.]*", name)
    ]
    if seen.language == "r":
        for call in seen.calls:
            text = next((str(arg) for arg in call["args"] if "~" in str(arg)), "")
            found += [(call["line"], word) for word in re.findall(r"[A-Za-z_.][\w.]*", text.partition("~")[2])]
    return found
