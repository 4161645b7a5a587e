"""Every metric of a card in words: what it is, how it is worked out, where it comes from, and when it is a flaw.

A *limit* says from where on a number is flagged. It is absolute, or relative to the ceiling (the real hold-out) or to
floor and ceiling, because how close a real sample comes depends on the table and on its rows.

It does not cover how a metric is computed: `tables.COMPUTE` names the function of each.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Section = Literal["fidelity", "utility", "privacy", "diversity", "clinical_plausibility", "fairness"]
Direction = Literal["higher is better", "lower is better"]
Rule = Literal["at least", "at most", "above chance", "ceiling minus", "ceiling plus", "share of the way", "none"]


class Limit(BaseModel):
    """From where on a number is flagged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Rule
    """`at least` and `at most` a value; `above chance`: more than a value above 0.5, with an interval without 0.5;
    no further below (or above) the ceiling than a value; at least a share of the way from floor to ceiling; or none."""
    value: float = 0.0
    """The value of the rule."""
    source: str
    """Where the value comes from."""


class Definition(BaseModel):
    """One metric in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z]+(\.[a-z0-9_]+)+$")
    """Its name."""
    section: Section
    """Section of the card."""
    title: str
    """What it is called."""
    formula: str
    """How it is worked out."""
    direction: Direction
    """Which way is better."""
    range: str
    """Values that it may take."""
    library: str
    """What computes it, and what the tests hold it against."""
    limit: Limit
    """From where on it is flagged."""
    source: str
    """Publication, with its DOI where it has one."""
    needs_holdout: bool = False
    """Whether it has a meaning only where the maker did not see the hold-out."""
    catches: str = ""
    """The bad maker that this metric is named for."""


_OWN = "own; see docs/synthetic.md for the tables it was set on"
_ANONYMETER = "Giomi et al., Proc Priv Enh Technol 2023(2):312-328, https://doi.org/10.56553/popets-2023-0055"


def limit(rule: Rule, value: float = 0.0, source: str = _OWN) -> Limit:
    """Return a limit of one's own setting, where no other source is named."""
    return Limit(rule=rule, value=value, source=source)


def define(id_: str, title: str, formula: str, **rest: object) -> Definition:
    """Return a definition; the section follows from the name."""
    sections: dict[str, Section] = {
        "fidelity": "fidelity",
        "utility": "utility",
        "privacy": "privacy",
        "diversity": "diversity",
        "plausibility": "clinical_plausibility",
        "fairness": "fairness",
    }
    section = sections[id_.partition(".")[0]]
    return Definition.model_validate(
        {"id": id_, "section": section, "title": title, "formula": formula, "library": "NumPy", **rest}
    )


DEFINITIONS: tuple[Definition, ...] = (
    define(
        "fidelity.marginals",
        "Distributions of single columns",
        "mean over columns of 1 - D: D is the Kolmogorov-Smirnov distance of numbers, the total variation distance "
        "of categories; missing values left out",
        direction="higher is better",
        range="0 to 1",
        library="NumPy; agrees with SDMetrics KSComplement and TVComplement",
        limit=limit("ceiling minus", 0.1),
        source="SDMetrics, Column Shapes; Massey, J Am Stat Assoc 1951;46:68, https://doi.org/10.2307/2280095",
    ),
    define(
        "fidelity.worst_marginal",
        "Distribution of the worst column",
        "smallest 1 - D over columns",
        direction="higher is better",
        range="0 to 1",
        limit=limit("ceiling minus", 0.2),
        source="as fidelity.marginals",
    ),
    define(
        "fidelity.missing",
        "Missing values",
        "1 - mean over columns of the absolute difference of the share of missing values",
        direction="higher is better",
        range="0 to 1",
        library="NumPy; agrees with SDMetrics MissingValueSimilarity",
        limit=limit("ceiling minus", 0.05),
        source="SDMetrics, Missing Value Similarity",
    ),
    define(
        "fidelity.pairs",
        "Distributions of pairs of columns",
        "mean over pairs of 1 - total variation distance of the joint distribution, numbers in quarters of the "
        "training rows, missing values as a level",
        direction="higher is better",
        range="0 to 1",
        library="NumPy; agrees with SDMetrics ContingencySimilarity on categories",
        limit=limit("ceiling minus", 0.1),
        source="SDMetrics, Column Pair Trends",
    ),
    define(
        "fidelity.correlation",
        "Correlations of numbers",
        "mean over pairs of numbers of 1 - |r(synthetic) - r(real)| / 2, Pearson",
        direction="higher is better",
        range="0 to 1",
        library="NumPy; agrees with SDMetrics CorrelationSimilarity",
        limit=limit("ceiling minus", 0.05),
        source="SDMetrics, Correlation Similarity",
    ),
    define(
        "fidelity.association_kept",
        "Associations that were kept",
        "1 - sum (A(synthetic) - A(real))^2 / sum A(real)^2 over pairs; A is the absolute rank correlation of two "
        "numbers, bias-corrected Cramer's V of two categories, the correlation ratio of both",
        direction="higher is better",
        range="below 1",
        limit=limit("share of the way", 0.5),
        source="own measure of known associations; Bergsma, J Korean Stat Soc 2013;42:323, "
        "https://doi.org/10.1016/j.jkss.2012.10.002",
        catches="a maker that shuffles columns",
    ),
    define(
        "fidelity.pmse_ratio",
        "Propensity score, against chance",
        "mean (p - c)^2 of a classification tree that tells real from synthetic rows, over its mean when real and "
        "synthetic are assigned by chance; 1 where nothing tells them apart",
        direction="lower is better",
        range="above 0",
        library="scikit-learn DecisionTreeClassifier",
        limit=limit("at most", 3.0, "Raab, Nowok and Dibben 2021, https://arxiv.org/abs/2109.12717: below 3 is good"),
        source="Snoke et al., J R Stat Soc A 2018;181:663, https://doi.org/10.1111/rssa.12358",
    ),
    define(
        "fidelity.pmse",
        "Propensity score (pMSE)",
        "mean (p - c)^2, p the tree's probability of being synthetic, c the share of synthetic rows",
        direction="lower is better",
        range="0 to 0.25",
        library="scikit-learn DecisionTreeClassifier",
        limit=limit("none"),
        source="Snoke et al., J R Stat Soc A 2018;181:663, https://doi.org/10.1111/rssa.12358",
    ),
    define(
        "utility.tstr",
        "Train on synthetic, test on real",
        "concordance (AUC of a category, share of pairs in the right order of a number) on the hold-out of a random "
        "forest that was fitted to the candidate, from the columns of the planned model if there is one; the ceiling "
        "was fitted to the training rows",
        direction="higher is better",
        range="0 to 1; 0.5 is chance",
        library="scikit-learn RandomForestClassifier, RandomForestRegressor",
        limit=limit("ceiling minus", 0.1),
        source="Esteban, Hyland and Raetsch 2017, https://arxiv.org/abs/1706.02633",
        needs_holdout=True,
    ),
    define(
        "utility.interval_overlap",
        "Overlap of the coefficients' confidence intervals",
        "mean over the coefficients of the planned model of (o / width(real) + o / width(synthetic)) / 2, o the length "
        "of the overlap of both 95 % intervals, negative where they lie apart (no lower than -1); 0 for a coefficient "
        "that can't be estimated",
        direction="higher is better",
        range="-1 to 1",
        library="statsmodels OLS, Logit, PHReg",
        limit=limit("ceiling minus", 0.3),
        source="Karr et al., Am Stat 2006;60:224, https://doi.org/10.1198/000313006X124640",
    ),
    define(
        "utility.coefficient_difference",
        "Difference of the coefficients",
        "mean over the coefficients of the planned model of |b(synthetic) - b(real)| / SE(real)",
        direction="lower is better",
        range="0 and more",
        library="statsmodels OLS, Logit, PHReg",
        limit=limit("at most", 1.96, "half the width of a 95 % interval"),
        source="Nowok, Raab and Dibben, J Stat Softw 2016;74(11), https://doi.org/10.18637/jss.v074.i11",
    ),
    define(
        "utility.same_conclusion",
        "Same conclusion",
        "share of the coefficients of the planned model with the same sign and the same answer to p < 0.05",
        direction="higher is better",
        range="0 to 1",
        library="statsmodels OLS, Logit, PHReg",
        limit=limit("ceiling minus", 0.25),
        source="own",
    ),
    define(
        "privacy.exact_rows",
        "Exact copies of training rows",
        "share of candidate rows that equal a training row, less the share that equal one of as many hold-out rows; "
        "in tables of five columns and more",
        direction="lower is better",
        range="-1 to 1",
        limit=limit("at most", 0.02),
        source="syntheval, hitting rate; the difference to a hold-out is own",
        needs_holdout=True,
        catches="a maker that copies real rows",
    ),
    define(
        "privacy.nearer_to_training",
        "Nearer to the training rows than to others",
        "share of candidate rows whose nearest training row is nearer than the nearest of as many hold-out rows, ties "
        "half; Gower distance",
        direction="lower is better",
        range="0 to 1; 0.5 is chance",
        limit=limit("above chance", 0.1),
        source="Platzer and Reutterer, Front Big Data 2021;4:679939, https://doi.org/10.3389/fdata.2021.679939",
        needs_holdout=True,
        catches="a maker that copies real rows",
    ),
    define(
        "privacy.distance_ratio",
        "Distance of the nearest records",
        "5 % quantile of the Gower distance of candidate rows to their nearest training row, over the same of hold-out "
        "rows; 1 where both are 0",
        direction="higher is better",
        range="0 and more",
        limit=limit("at least", 0.5),
        source="Gower, Biometrics 1971;27:857, https://doi.org/10.2307/2528823",
        needs_holdout=True,
    ),
    define(
        "privacy.membership",
        "Membership attack",
        "AUC of telling training rows from hold-out rows by their distance to the nearest candidate row",
        direction="lower is better",
        range="0 to 1; 0.5 is chance",
        library="SciPy rankdata",
        limit=limit("above chance", 0.1),
        source="Houssiau et al., TAPAS 2022, https://arxiv.org/abs/2211.06550",
        needs_holdout=True,
    ),
    define(
        "privacy.singling_out",
        "Singling out by one column",
        "risk (a - c) / (1 - c): a is the share of guesses (a value that one candidate row has, or an end of a "
        "column) that pick out exactly one training row, c the same of as many hold-out rows; Wilson interval",
        direction="lower is better",
        range="0 to 1",
        library="NumPy; agrees with Anonymeter SinglingOutEvaluator",
        limit=limit("at most", 0.2),
        source=_ANONYMETER,
        needs_holdout=True,
    ),
    define(
        "privacy.singling_out_several",
        "Singling out by three columns",
        "as privacy.singling_out, guesses are three values of one candidate row that only it has",
        direction="lower is better",
        range="0 to 1",
        library="NumPy; agrees with Anonymeter SinglingOutEvaluator",
        limit=limit("at most", 0.2),
        source=_ANONYMETER,
        needs_holdout=True,
    ),
    define(
        "privacy.linkability",
        "Linkability",
        "risk as above; a guess links the two halves of a row's columns, where the nearest candidate row by one half "
        "is that by the other",
        direction="lower is better",
        range="0 to 1",
        library="NumPy; agrees with Anonymeter LinkabilityEvaluator",
        limit=limit("at most", 0.1),
        source=_ANONYMETER,
        needs_holdout=True,
    ),
    define(
        "privacy.inference",
        "Inference",
        "risk as above; a guess is the value of the nearest candidate row by all other columns, right within 5 %; the "
        "highest of the columns",
        direction="lower is better",
        range="0 to 1",
        library="NumPy; agrees with Anonymeter InferenceEvaluator",
        limit=limit("at most", 0.2),
        source=_ANONYMETER,
        needs_holdout=True,
    ),
    define(
        "privacy.rare_values",
        "Rare values reproduced",
        "share of the rare values of the training rows (numbers that one row has, beyond the 10th smallest or largest; "
        "levels of fewer than 10 rows) that the candidate shows",
        direction="lower is better",
        range="0 to 1",
        limit=limit("at most", 0.1),
        source="own; Stadler, Oprisanu and Troncoso, USENIX Security 2022, on outliers",
        catches="a maker that leaks rare values",
    ),
    define(
        "diversity.entropy",
        "Spread of single columns",
        "mean over columns of the entropy of the candidate over that of the training rows, each at most 1; numbers in "
        "tenths",
        direction="higher is better",
        range="0 to 1",
        limit=limit("ceiling minus", 0.2),
        source="Shannon, Bell Syst Tech J 1948;27:379, https://doi.org/10.1002/j.1538-7305.1948.tb01338.x",
        catches="a maker that collapses to the mode",
    ),
    define(
        "diversity.coverage",
        "Coverage",
        "share of training rows that have a candidate row within the distance of their 5th nearest training row; Gower",
        direction="higher is better",
        range="0 to 1",
        limit=limit("ceiling minus", 0.2),
        source="Naeem et al., ICML 2020, https://arxiv.org/abs/2002.09797",
        catches="a maker that collapses to the mode",
    ),
    define(
        "diversity.levels",
        "Levels and ranges covered",
        "mean over columns of the share of common levels that appear, and of the real 5 % to 95 % range that is "
        "spanned",
        direction="higher is better",
        range="0 to 1",
        library="NumPy; agrees with SDMetrics CategoryCoverage",
        limit=limit("ceiling minus", 0.15),
        source="SDMetrics, Category Coverage and Range Coverage",
    ),
    define(
        "diversity.distinct_rows",
        "Different rows",
        "share of different rows among the candidate's, over the same of as many training rows; no higher than 1",
        direction="higher is better",
        range="0 to 1",
        limit=limit("at least", 0.8),
        source="own",
    ),
    define(
        "plausibility.in_range",
        "Values that occur",
        "share of the values that are a level that real rows have, or lie between the smallest and largest real number",
        direction="higher is better",
        range="0 to 1",
        library="NumPy; agrees with SDMetrics BoundaryAdherence and CategoryAdherence",
        limit=limit("at least", 0.99),
        source="SDMetrics, Boundary Adherence and Category Adherence",
    ),
    define(
        "plausibility.rules",
        "Rows that keep the rules",
        "share of rows that keep every rule: those that were given, and orders (a <= b) and sums (a = c (b + d)) that "
        "all real rows keep",
        direction="higher is better",
        range="0 to 1",
        limit=limit("at least", 0.99),
        source="own",
    ),
    define(
        "fairness.shares",
        "Sizes of subgroups",
        "largest absolute difference of a subgroup's share",
        direction="lower is better",
        range="0 to 1",
        limit=limit("at most", 0.1),
        source="Bhanot et al., Entropy 2021;23:1165, https://doi.org/10.3390/e23091165",
    ),
    define(
        "fairness.fidelity_gap",
        "Fidelity between subgroups",
        "largest less smallest mean 1 - D (as fidelity.marginals) over subgroups of at least 20 rows, "
        "200 of each at most",
        direction="lower is better",
        range="0 to 1",
        limit=limit("at most", 0.15),
        source="Bhanot et al., Entropy 2021;23:1165, https://doi.org/10.3390/e23091165",
    ),
    define(
        "fairness.utility_gap",
        "Utility between subgroups",
        "largest over subgroups of the concordance (as utility.tstr) of the forest fitted to training rows, less that "
        "of the forest fitted to the candidate",
        direction="lower is better",
        range="-1 to 1",
        library="scikit-learn RandomForestClassifier, RandomForestRegressor",
        limit=limit("at most", 0.15),
        source="Bhanot et al., Entropy 2021;23:1165, https://doi.org/10.3390/e23091165",
        needs_holdout=True,
    ),
)
BY_ID = {definition.id: definition for definition in DEFINITIONS}
