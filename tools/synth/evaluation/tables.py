"""The evaluation card of a synthetic table: every metric, of the synthetic rows and of the references beside them.

1. The real rows are split: those that the maker learned from, and a hold-out. Where there is none, a third of the real
   rows stands in for it; what needs a true one is then not assessed.
2. Each metric is computed of the synthetic rows, of independent marginals of the training rows (floor), of the hold-out
   (ceiling) and of a copy of the training rows, where that has a meaning.
3. Each number is held against its limit.

It does not cover repeated rows of one subject beyond keeping them on one side, nor data that don't fit into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from counterproof.provenance.errors import UsageError
from counterproof.tools.data import Table
from counterproof.tools.synth.evaluation import (
    attacks,
    coefficients,
    diversity,
    fairness,
    fidelity,
    plausibility,
    privacy,
)
from counterproof.tools.synth.evaluation.attacks import Risk
from counterproof.tools.synth.evaluation.card import (
    Assessment,
    Card,
    Interval,
    Measure,
    Provenance,
    Source,
    judged,
    rounded,
)
from counterproof.tools.synth.evaluation.case import ROWS_MAX, Case
from counterproof.tools.synth.evaluation.definitions import DEFINITIONS, Definition, Section
from counterproof.tools.synth.evaluation.frames import Floats, mark_rare, matrix_of, rare_levels, schema_of
from counterproof.tools.synth.evaluation.pictures import pictures_of
from counterproof.tools.synth.evaluation.privacy import Chance
from counterproof.tools.synth.evaluation.utility import TRAINING_MAX, Forests
from counterproof.tools.synth.rules import Rule, find_rules
from counterproof.tools.synth.splitting import take

Found = float | Risk | Chance | None
_FEWEST = 40
_NO_HOLDOUT = "it needs real rows that the maker did not see; make the data with a hold-out, or give one"
_NOT_YET = "nobody was asked; see `counterproof synth review`"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a card is asked for beyond the two tables.

    Attributes:
        model: the planned model, as `coefficients.parse_model` reads it; "" for none.
        outcome: the column to predict; "" for that of the model, or several.
        subgroups: the column of subgroups; "" for none.
        rules: rules that rows must keep, beside those that real rows keep.
        hidden: columns that may identify a person.
        seed: of all draws.
    """

    model: str = ""
    outcome: str = ""
    subgroups: str = ""
    rules: Sequence[Rule] = ()
    hidden: Collection[str] = ()
    seed: int = 20260101


@dataclass(frozen=True, kw_only=True)
class Sides:
    """The real rows of both sides, and how they were split.

    Attributes:
        train: what the maker learned from.
        holdout: the others; None where the maker saw all.
        said: how the hold-out came about.
    """

    train: Table
    holdout: Table | None
    said: str


def evaluate_table(
    sides: Sides, synthetic: Table, question: Question, *, content: str, maker: Mapping[str, Any]
) -> Card:
    """Make the card of a synthetic table.

    Args:
        sides: the real rows.
        synthetic: the table to judge.
        question: what it is for.
        content: digest of the synthetic rows without their marks.
        maker: how it was made; empty where that is not known.

    Raises:
        UsageError: the tables don't have the same columns, or too few rows.
    """
    battery = Battery(sides, synthetic, question)
    measures = [battery.measure(definition) for definition in DEFINITIONS]

    def of(section: Section) -> tuple[Measure, ...]:
        return tuple(measure for measure in measures if measure.definition.section == section)

    nobody = Assessment(status="not assessed", reason=_NOT_YET)
    return Card(
        modality="table",
        provenance=battery.provenance(content, maker),
        fidelity=of("fidelity"),
        utility=of("utility"),
        privacy=of("privacy"),
        diversity=of("diversity"),
        clinical_plausibility=of("clinical_plausibility"),
        fairness=of("fairness"),
        judge=nobody,
        human=nobody,
        agreement=nobody,
        limits=(*_of_epsilon(maker), *battery.limits(measures)),
        pictures=pictures_of(battery.cases["value"], true_holdout=battery.true_holdout),
    )


class Battery:
    """All metrics of one synthetic table, each computed when it is asked for.

    Args:
        sides: the real rows.
        synthetic: the table to judge.
        question: what it is for.

    Raises:
        UsageError: the tables don't have the same columns, or too few rows.
    """

    def __init__(self, sides: Sides, synthetic: Table, question: Question) -> None:
        self.sides, self.synthetic, self.question = sides, synthetic, question
        whole = sides.train if sides.holdout is None else _both(sides.train, sides.holdout)
        self.true_holdout = sides.holdout is not None
        if min(whole.rows, synthetic.rows) < _FEWEST:
            raise UsageError(
                f"There are {whole.rows} real and {synthetic.rows} synthetic rows.",
                allowed=f"At least {_FEWEST} of each.",
                advice="With fewer, no number of a card means anything.",
            )
        self.schema = schema_of(whole, question.hidden)
        train_table, holdout_table = sides.train, sides.holdout
        if holdout_table is None:
            order = np.random.default_rng(question.seed).permutation(whole.rows)
            third = whole.rows // 3
            train_table, holdout_table = (take(whole, np.sort(part)) for part in (order[third:], order[:third]))
        train, holdout = (matrix_of(table, self.schema) for table in (train_table, holdout_table))
        for rows in (train, holdout):
            mark_rare(rows, self.schema)
        made = matrix_of(synthetic, self.schema)
        rare = {
            "train": rare_levels(train_table, self.schema),
            "holdout": rare_levels(holdout_table, self.schema),
            "made": rare_levels(synthetic, self.schema),
        }
        value = Case(
            schema=self.schema,
            train=train,
            holdout=holdout,
            true_holdout=self.true_holdout,
            candidate=made,
            seed=question.seed,
            train_rare=rare["train"],
            candidate_rare=rare["made"],
        )
        floor = independent(train, value.random("independent marginals"))
        self.cases = {
            "value": value,
            "floor": replace(value, candidate=floor, candidate_rare=rare["train"]),
            "ceiling": replace(value, candidate=holdout, candidate_rare=rare["holdout"]),
            "copy": replace(value, candidate=train, candidate_rare=rare["train"]),
        }
        self.rules = [*question.rules, *find_rules(whole)]
        self._tables = {"value": synthetic, "ceiling": holdout_table, "copy": train_table}
        self.model = coefficients.parse_model(question.model, self.schema) if question.model else None
        outcome = question.outcome
        if not outcome and self.model is not None and self.model.kind != "cox":
            outcome = self.schema.variables[self.model.outcome].name
        self.outcome = outcome
        planned = outcome and self.model is not None and self.schema.at(outcome) == self.model.outcome
        self.forests = Forests(value, outcome, predictors=self.model.predictors if self.model and planned else ())
        self.subgroup = self._subgroup(question.subgroups)
        self._fits: dict[str, coefficients.Agreement | None] = {}

    def measure(self, definition: Definition) -> Measure:
        """Compute one metric of all candidates."""
        reason = self._not_assessed(definition)
        found = {name: None if reason else self._compute(definition.id, name) for name in self.cases}
        values = {name: rounded(_number(one)) for name, one in found.items()}
        exact = found["value"]
        interval = None
        if isinstance(exact, Risk | Chance):
            low, high = rounded(exact.low), rounded(exact.high)
            interval = Interval(low=low or 0.0, high=high or 0.0)
        if not reason and values["value"] is None:
            reason = "there is nothing that it could be computed on, or too few guesses can be made"
        if isinstance(exact, Risk):
            reason = f"{exact.guesses} guesses"
        return Measure(
            definition=definition,
            value=values["value"],
            interval=interval,
            floor=values["floor"],
            ceiling=values["ceiling"],
            copy=values["copy"],
            verdict=judged(
                definition,
                values["value"],
                floor=values["floor"],
                ceiling=values["ceiling"],
                low=interval.low if interval else None,
            ),
            reason=reason,
            sampled=self._sampled(definition.id),
            detail=self._detail(definition.id),
        )

    def provenance(self, content: str, maker: Mapping[str, Any]) -> Provenance:
        """Return what was judged."""
        sides, value = self.sides, self.cases["value"]
        real = Source(
            name=sides.train.name,
            sha256=sides.train.sha256,
            rows=sides.train.rows + (sides.holdout.rows if sides.holdout else 0),
        )
        return Provenance(
            name=self.synthetic.name,
            content_sha256=content,
            rows=self.synthetic.rows,
            real=real,
            holdout=sides.said,
            training_rows=len(value.train),
            holdout_rows=len(value.holdout),
            planned_model=self.model.text if self.model else "",
            outcome=self.outcome,
            subgroups=self.question.subgroups,
            maker=dict(maker),
            left_out=self.schema.left_out,
            seed=self.question.seed,
            software={name: version(name) for name in ("numpy", "scipy", "scikit-learn", "statsmodels")},
        )

    def limits(self, measures: Sequence[Measure]) -> list[str]:
        """Return what this card can't say."""
        said = [
            "No number here is a guarantee of privacy: the attacks are those that were tried, and nothing is "
            "differentially private unless the maker says so.",
            "Numbers say nothing of a use that was not named: ask again with the model that is planned.",
        ]
        if not self.true_holdout:
            said.append("There was no true hold-out: nothing is said of copies, distances, attacks and prediction.")
        if self.model is None:
            said.append("No planned model was named: nothing is said of whether an analysis gives the same answer.")
        if self.subgroup is None:
            said.append("No column of subgroups was named: nothing is said of fairness.")
        if self.schema.left_out:
            said.append(f"Not compared: {', '.join(self.schema.left_out)}.")
        fewest = min(len(case) for case in (self.cases["value"].train, self.cases["value"].holdout))
        if fewest < 200:
            said.append(f"One real side has only {fewest} rows: differences of a few hundredths are chance.")
        if any(measure.sampled is not None for measure in measures):
            said.append("Some numbers looked at a sample of the rows; each says how many.")
        return said

    def _subgroup(self, name: str) -> int | None:
        if not name:
            return None
        at = self.schema.at(name)
        if self.schema.variables[at].kind != "category":
            raise UsageError(
                f"Column {name!r} is a number, so its values are no subgroups.", advice="Name a column of categories."
            )
        return at

    def _not_assessed(self, definition: Definition) -> str:
        if definition.needs_holdout and not self.true_holdout:
            return _NO_HOLDOUT
        if definition.id.startswith("fairness.") and self.subgroup is None:
            return "no column of subgroups was named"
        if definition.id in _OF_THE_MODEL and self.model is None:
            return "no planned model was named"
        return ""

    def _compute(self, id_: str, name: str) -> Found:
        case = self.cases[name]
        if id_ in _SIMPLE:
            if name == "ceiling" and id_ in _NO_CEILING:
                return None
            return _SIMPLE[id_](case)
        if id_ in _OF_THE_MODEL:
            agreed = self._agreement(name)
            return None if agreed is None else float(getattr(agreed, _OF_THE_MODEL[id_]))
        if id_ == "utility.tstr":
            # The ceiling is what the training rows teach; so would their copy.
            rows = case.candidate if name in ("value", "floor") else case.train
            return self.forests.concordance("train" if name in ("ceiling", "copy") else name, rows)
        if id_ == "plausibility.rules":
            return plausibility.rules_kept(self._tables[name], self.rules) if name in self._tables else None
        if self.subgroup is None:
            return None
        if id_ == "fairness.shares":
            return fairness.shares(case, self.subgroup)
        if id_ == "fairness.fidelity_gap":
            return fairness.fidelity_gap(case, self.subgroup)
        if name in ("ceiling", "copy"):
            return None
        return fairness.utility_gap(case, self.subgroup, self.forests, name)

    def _agreement(self, name: str) -> coefficients.Agreement | None:
        if name not in self._fits and self.model is not None:
            case = self.cases[name]
            train = coefficients.sampled(case.train, case.random("model"))
            real = coefficients.estimate(self.model, train, self.schema, train=case.train)
            made = coefficients.sampled(case.candidate, case.random("model"))
            other = coefficients.estimate(self.model, made, self.schema, train=case.train)
            self._fits[name] = None if real is None else coefficients.agreement(real, other)
        return self._fits.get(name)

    def _sampled(self, id_: str) -> int | None:
        case = self.cases["value"]
        most = _LOOKED_AT.get(id_)
        if most is None:
            return None
        rows = case.equal_rows if most == ROWS_MAX else most
        return rows if rows < max(len(case.train), len(case.candidate)) else None

    def _detail(self, id_: str) -> dict[str, float]:
        case = self.cases["value"]
        if id_ == "fidelity.marginals":
            close = fidelity.closeness(case.train, case.candidate, self.schema)
            named = zip(self.schema.variables, close.tolist(), strict=True)
            return {one.name: rounded(value) or 0.0 for one, value in named if value == value}
        if id_ == "fairness.fidelity_gap" and self.subgroup is not None:
            found = fairness.by_subgroup(case, self.subgroup)
            return {name: rounded(value) or 0.0 for name, value in found.items()}
        if id_ == "plausibility.rules":
            return {text: float(count) for text, count in plausibility.broken_rules(self.synthetic, self.rules).items()}
        return {}


def independent(rows: Floats, random: np.random.Generator) -> Floats:
    """Return rows whose columns know nothing of each other: each column in an order of its own."""
    return np.column_stack([random.permutation(column) for column in rows.T])


def _of_epsilon(maker: Mapping[str, Any]) -> list[str]:
    if maker.get("epsilon") is None:
        return []
    return [
        f"The rows are differentially private (epsilon {maker['epsilon']:g}, delta {maker.get('delta', 0.0):g}). This "
        "card, its report and its summary are not: their numbers come from the real rows without noise.",
        "Each further set of the same file takes its epsilon anew; what they take together is not added up here.",
    ]


def _number(found: Found) -> float | None:
    return found.value if isinstance(found, Risk | Chance) else found


def _both(one: Table, other: Table) -> Table:
    return take(one, np.arange(one.rows), then=other)


_SIMPLE: Mapping[str, Callable[[Case], Found]] = {
    "fidelity.marginals": fidelity.marginals,
    "fidelity.worst_marginal": fidelity.worst_marginal,
    "fidelity.missing": fidelity.missing,
    "fidelity.pairs": fidelity.pairs,
    "fidelity.correlation": fidelity.correlation,
    "fidelity.association_kept": fidelity.association_kept,
    "fidelity.pmse_ratio": fidelity.pmse_ratio,
    "fidelity.pmse": fidelity.pmse,
    "privacy.exact_rows": privacy.exact_rows,
    "privacy.nearer_to_training": privacy.nearer_to_training,
    "privacy.distance_ratio": privacy.distance_ratio,
    "privacy.membership": privacy.membership,
    "privacy.singling_out": attacks.singling_out,
    "privacy.singling_out_several": attacks.singling_out_several,
    "privacy.linkability": attacks.linkability,
    "privacy.inference": attacks.inference,
    "privacy.rare_values": privacy.rare_values,
    "diversity.entropy": diversity.entropy,
    "diversity.coverage": diversity.coverage,
    "diversity.levels": diversity.levels,
    "diversity.distinct_rows": diversity.distinct_rows,
    "plausibility.in_range": plausibility.in_range,
}
_OF_THE_MODEL = {
    "utility.interval_overlap": "overlap",
    "utility.coefficient_difference": "difference",
    "utility.same_conclusion": "same",
}
_NO_CEILING = {definition.id for definition in DEFINITIONS if definition.needs_holdout}
_LOOKED_AT = {
    **{name: ROWS_MAX for name in _SIMPLE if name.startswith(("fidelity.", "diversity."))},
    **dict.fromkeys(_OF_THE_MODEL, coefficients.ROWS_MAX),
    "diversity.coverage": diversity.SAMPLE,
    "utility.tstr": TRAINING_MAX,
    "fairness.fidelity_gap": fairness.SAMPLE,
    "fairness.utility_gap": TRAINING_MAX,
    "privacy.nearer_to_training": privacy.QUERIES,
    "privacy.distance_ratio": privacy.QUERIES,
    "privacy.membership": privacy.QUERIES,
    "privacy.singling_out": attacks.AMONG,
    "privacy.singling_out_several": attacks.AMONG,
    "privacy.linkability": attacks.GUESSES,
    "privacy.inference": attacks.GUESSES,
}
_LOOKED_AT.pop("diversity.levels")
