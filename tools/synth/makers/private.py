"""The maker with differential privacy: the private engine of the twin (OpenDP), for one row a person.

What each column may hold comes from a policy, never from the rows; a column that nothing is said of is refused, because
learning its levels or ends would take epsilon, or break it. Epsilon is for pure differential privacy: delta is 0.

It does not cover the card of the set, which looks at the real rows without noise; what several sets of one file take
together, beyond those of one study (the gate adds them up); and several rows of one person.

Source: `tools.twin.private`.
"""

from __future__ import annotations

from collections.abc import Iterable

from counterproof.provenance.errors import UsageError
from counterproof.provenance.policy import DataPolicy
from counterproof.tools.data import Column, Table
from counterproof.tools.synth.makers.contract import Made, Maker, Order
from counterproof.tools.synth.marks import read_cells, unmarked
from counterproof.tools.twin.private import Domain, Privacy, private_twin

PRIVATE = "dp"
"""Its name; it is not in `MAKERS`, because it needs a policy."""


def private_maker(rules: DataPolicy, *, epsilon: float | None) -> Maker:
    """Return a maker with differential privacy.

    Args:
        rules: what the policy says of the file: epsilon, and what is publicly known of its columns.
        epsilon: how much one person may change a set; None for that of the policy.

    Raises:
        UsageError: there is no epsilon, or more than the policy allows, or a person may have several rows.
    """
    return make_privately(privacy_of(rules, epsilon=epsilon))


def privacy_of(rules: DataPolicy, *, epsilon: float | None) -> Privacy:
    """Return what a maker with differential privacy has to keep; see `private_maker`."""
    wanted = rules.epsilon if epsilon is None else epsilon
    if not wanted:
        raise UsageError(
            "Differential privacy was asked for without an epsilon.",
            allowed="More than 0 and at most 20.",
            advice="Give one with --epsilon, or in the policy.",
        )
    if rules.epsilon and wanted > rules.epsilon:
        raise UsageError(
            f"The policy allows an epsilon of {rules.epsilon:g}; {wanted:g} was asked for.",
            allowed=f"At most {rules.epsilon:g}.",
            advice="Ask for less, or have the policy changed by whoever answers for it.",
        )
    return Privacy(epsilon=wanted, rows_per_person=rules.rows_per_person, domains=domains_of(rules))


def domains_of(rules: DataPolicy) -> dict[str, Domain]:
    """Return what a policy says is publicly known of columns."""
    return {name: Domain(**one.model_dump()) for name, one in rules.columns.items()}


def make_privately(privacy: Privacy) -> Maker:
    """Return the maker that keeps this privacy.

    Raises:
        UsageError: a person may have several rows.
    """
    if privacy.rows_per_person > 1:
        raise UsageError(
            f"The policy says that a person has up to {privacy.rows_per_person} rows.",
            allowed="One row a person.",
            advice="Make a file with one row a person first.",
        )
    domains = privacy.domains

    def make(train: Table, order: Order) -> Made:
        hidden = {finding.column for finding in order.findings}
        _check_known(train, hidden, domains)
        twin = private_twin(train, hidden, None, privacy, rows=order.rows)
        facts = {name: twin.facts[name] for name in ("engine", "version", "epsilon", "protects", "made")}
        public = {name: _said(domain) for name, domain in domains.items() if name not in hidden}
        cells = unmarked(read_cells(twin.data, separator=train.separator))
        noise = "drawn for this set by the machine, and not kept: the same command makes another set"
        return Made(cells=cells, facts={"maker": PRIVATE, **facts, "delta": 0.0, "public": public, "noise": noise})

    return make


def _check_known(train: Table, hidden: set[str], domains: Iterable[str]) -> None:
    unknown = [column for column in train.columns if column.name not in hidden and column.name not in domains]
    if unknown:
        raise UsageError(
            f"{train.name}: nothing is publicly known of {_listed(unknown)}. "
            "Learning it from the rows would break epsilon.",
            allowed=f'For each column: data."{train.name}".columns."NAME", with levels = ["a", "b"] or '
            "bounds = [0, 120].",
            advice="Say in the policy what the protocol says of them, or make a file without them.",
        )


def _listed(columns: list[Column]) -> str:
    shown = ", ".join(repr(column.name) for column in columns[:5])
    return shown if len(columns) <= 5 else f"{shown} and {len(columns) - 5} more columns"


def _said(domain: Domain) -> str:
    said = (
        ", ".join(domain.levels)
        if domain.levels
        else " to ".join(end if isinstance(end, str) else f"{end:g}" for end in domain.bounds)
    )
    return said + (", or missing" if domain.missing else "")
