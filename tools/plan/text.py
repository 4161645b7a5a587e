"""The plan for a person: Markdown that holds every text and number of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from counterproof.tools.plan.document import Plan
from counterproof.tools.plan.parts import Hypothesis, Method


def readable_plan(plan: Plan) -> str:
    """Return the plan as Markdown for a person."""
    sections = (_head, _estimand, _variables, _populations, _methods, _results, _hypotheses, _handling, _further)
    return "\n".join(line for section in sections for line in section(plan))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a Markdown table; what would end a cell is escaped."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(map(cell, row)) + " |" for row in rows)]


def cell(text: str) -> str:
    """Return a text as it may stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def words(name: str) -> str:
    """Return a closed choice in words."""
    return name.replace("_", " ")


def _head(plan: Plan) -> list[str]:
    return [
        f"# {plan.title}",
        "",
        f"**Question.** {plan.question}",
        "",
        f"**Design.** {words(plan.design).capitalize()}. {plan.design_details}".rstrip(),
        "",
        f"**Rows.** Rows with the same {plan.subject} belong together."
        if plan.subject
        else "**Rows.** Each is a unit of its own.",
        "",
    ]


def _estimand(plan: Plan) -> list[str]:
    estimand = plan.estimand
    events = [
        f"  - {one.event}: {words(one.strategy)} strategy; {one.handling}" for one in estimand.intercurrent_events
    ]
    return [
        "## Estimand",
        "",
        f"- Population: {estimand.population}",
        f"- Treatment or exposure: {estimand.treatment}",
        f"- Variable: {estimand.variable}",
        f"- Intercurrent events: {'' if events else 'none is expected'}".rstrip(),
        *events,
        f"- Summary measure: {estimand.summary_measure}",
        "",
    ]


def _variables(plan: Plan) -> list[str]:
    outcomes = [
        (
            one.id,
            one.importance,
            words(one.kind),
            one.definition,
            ", ".join(one.columns),
            one.time,
            _list(one.event_codes),
        )
        for one in plan.outcomes
    ]
    lines = ["## Outcomes", ""]
    lines += [*table(("id", "rank", "kind", "what", "columns", "time", "codes of the event"), outcomes), ""]
    if plan.exposures:
        exposures = [(one.column, one.coding, one.reference, words(one.known_at)) for one in plan.exposures]
        lines += ["## Exposures", "", *table(("column", "coding", "compared with", "known at"), exposures), ""]
    lines += ["## Covariates", ""]
    if not plan.covariates:
        return [*lines, "None.", ""]
    covariates = [(one.column, words(one.role), one.coding, words(one.known_at), one.reason) for one in plan.covariates]
    return [*lines, *table(("column", "role", "coding", "known at", "reason"), covariates), ""]


def _populations(plan: Plan) -> list[str]:
    if not plan.populations:
        return []
    return ["## Populations", "", *(f"- **{one.id}**: {one.definition}" for one in plan.populations), ""]


def _methods(plan: Plan) -> list[str]:
    return ["## Methods", "", *(line for method in plan.methods for line in _method(method)), ""]


def _method(method: Method) -> list[str]:
    lines = [f"- **{method.id}** ({words(method.model)}): {method.description}"]
    for one in method.assumptions:
        lines += [
            f"  - assumes: {one.assumption}",
            f"    - looked at: {one.check}",
            f"    - if that fails: {one.if_violated}",
        ]
    return lines


def _results(plan: Plan) -> list[str]:
    rows = [
        (
            one.id,
            one.label,
            one.unit,
            words(one.statistic),
            one.method,
            one.population,
            "yes" if one.primary else "",
            f"{one.tolerance:g}",
        )
        for one in plan.results
    ]
    head = ("id", "what", "unit", "statistic", "method", "population", "primary", "tolerance")
    return ["## Results that are promised", "", *table(head, rows), ""]


def _hypotheses(plan: Plan) -> list[str]:
    if not plan.hypotheses:
        return ["## Hypotheses", "", "Nothing is tested.", ""]
    rows = [(one.id, one.importance, one.null, one.method, one.result, _level(plan, one)) for one in plan.hypotheses]
    return ["## Hypotheses", "", *table(("id", "rank", "null hypothesis", "method", "result", "level"), rows), ""]


def _level(plan: Plan, one: Hypothesis) -> str:
    alpha, sides = one.alpha or plan.alpha, one.sides or plan.sides
    return f"{alpha:g}, {sides}-sided" + (f" ({one.direction})" if one.direction else "")


def _handling(plan: Plan) -> list[str]:
    missing, many, outliers = plan.missing_data, plan.multiplicity, plan.outliers
    family = f" (family: {', '.join(many.family)})" if many.family else ""
    return [
        f"**Missing data.** {words(missing.method).capitalize()}. {missing.details}",
        "",
        *(f"- {one.column}: {_list(one.codes)} = {one.meaning}" for one in missing.sentinels),
        *([""] if missing.sentinels else []),
        f"**Multiplicity.** {words(many.method).capitalize()}{family}. {many.reason}",
        "",
        f"**Outliers.** {words(outliers.method).capitalize()}. {outliers.details}",
        "",
    ]


def _further(plan: Plan) -> list[str]:
    lines = ["## Sensitivity analyses", ""]
    lines += [
        f"- **{one.id}**: {one.description}" + (f" (gives {_list(one.results)})" if one.results else "")
        for one in plan.sensitivity
    ] or ["None is planned."]
    lines += ["", "## Subgroups", ""]
    lines += [f"- {one.column} ({words(one.rule)}): {one.levels}; {one.reason}" for one in plan.subgroups] or [
        "None is planned; any that is looked at is exploratory."
    ]
    return [
        *lines,
        "",
        f"**Software.** {plan.software}",
        "",
        f"Alpha {plan.alpha:g}, {plan.sides}-sided; confidence level {plan.ci_level:g}; seed {plan.seed}.",
        "",
    ]


def _list(texts: Sequence[str]) -> str:
    return ", ".join(texts)
