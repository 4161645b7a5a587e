"""Making a study whose purpose is a synthetic set.

A table is made from one file of real data, by a program or row by row by a model; texts are written for the rows of
one table that carries the mark of synthetic data. That table is nobody's: the model may see its rows, and it goes into
the bundle.

It does not cover running (`runner`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from counterproof.agents.models import ModelConfig
from counterproof.agents.set_limits import SetLimits
from counterproof.agents.study import Workplace, new_id, new_study, policy_for
from counterproof.provenance.errors import UsageError
from counterproof.provenance.ledger import Entry
from counterproof.provenance.marks import MARKS
from counterproof.provenance.policy import Policy, read_policy
from counterproof.tools import Table
from counterproof.tools.data import read_file
from counterproof.tools.exposure import DataRules, Exposure
from counterproof.tools.synth.documents import parse_documents, patients_of
from counterproof.tools.synth.exhibits import blinded
from counterproof.tools.synth.makers import make_privately, privacy_of
from counterproof.tools.synth.rules import parse_rules
from counterproof.tools.synth.specification import SetSpecification
from counterproof.tools.twin.engine import check_real

NO_MODEL = ModelConfig(model="none", base_url="http://127.0.0.1:9/v1", api_key_env="")
"""Stands in the record of a study that asks no model."""


def new_set_study(
    workplace: Workplace,
    specification: SetSpecification,
    *,
    data: Sequence[Path] = (),
    entered: Sequence[Entry] = (),
    model: ModelConfig | None = None,
    beside: bytes = b"",
    title: str = "",
    scenario: str = "",
    subject: str = "",
    exposure: Exposure = "metadata",
    author: str = "",
    policy: bytes = b"",
    make_id: Callable[[], str] = new_id,
    by: str = "counterproof",
) -> str:
    """Make the study of a synthetic set and return its id. Nothing is kept when anything is wrong.

    Args:
        workplace: the installation.
        specification: what is to be made.
        data: the file that it is made from; or
        entered: an entry of the vault.
        model: writes texts, or rows; None for a table that no model writes.
        beside: texts that raters see beside those, as JSON lines.
        title: short title.
        scenario: name of a scenario, whose decisions are scripted; "" for none.
        subject: the column of real data that tells persons apart.
        exposure: what a model that writes rows may see of real data.
        author: id of the reviewer who makes it.
        policy: the study's policy; nothing for the installation's.
        make_id: gives the id.
        by: who puts the file into the vault.

    Raises:
        UsageError: there is not one file, or it does not fit the specification; or see `new_study`.
        MachineTrouble: the store can't be written.
    """
    if len(data) + len(entered) != 1:
        raise UsageError(
            f"{len(data) + len(entered)} data files were given.", allowed="A set is made from one.", advice="Name one."
        )
    for path in data:
        _check_fit(read_file(path)[1], specification)
    is_table = specification.kind == "table"
    if is_table and beside:
        raise UsageError("Raters see texts beside texts, and this is a table.", advice="Leave the texts beside away.")
    if model is not None and not specification.asks_model:
        raise UsageError(
            f"A model was named, and the table is made by {specification.made_by!r}.",
            advice="Leave the model away, or have the specification name the maker 'model'.",
        )
    if beside:
        blinded(parse_documents(beside, source="the texts beside"))
    name = data[0].name if data else entered[0].name
    rules = DataRules(subject=subject, exposure=exposure) if is_table else DataRules(exposure="rows")
    _check_limits(workplace, specification, rules, model, name, policy, is_scenario=bool(scenario))
    return new_study(
        workplace,
        question=_question(specification),
        data=data,
        entered=entered,
        model=model or NO_MODEL,
        title=title or f"Synthetic {specification.kind} set from {name}",
        scenario=scenario,
        share_data=not is_table,
        rules={name: rules},
        author=author,
        policy=policy,
        checks_on_data=False,
        specification=specification,
        beside=beside,
        make_id=make_id,
        by=by,
    )


def limits_of_set(policy: Policy, name: str, *, model: str, exposure: Exposure, spent: float) -> SetLimits:
    """Return what a study allows of the sets that are made from a file."""
    known = "" if model == NO_MODEL.model else model
    return SetLimits(model=known, exposure=exposure, epsilon=policy.of_file(name).epsilon, spent=spent)


def _check_limits(
    workplace: Workplace,
    specification: SetSpecification,
    rules: DataRules,
    model: ModelConfig | None,
    name: str,
    policy: bytes,
    *,
    is_scenario: bool,
) -> None:
    """Refuse what the study could not make.

    Raises:
        UsageError: it asks for a model that was not named, for rows that the model may not see, or for more epsilon
            than the policy allows; or the policy can't be used.
    """
    under = read_policy(policy_for(workplace, policy, scenario=is_scenario), source="of the study")
    chosen = (model or NO_MODEL).model
    limits_of_set(under, name, model=chosen, exposure=rules.exposure, spent=0.0).check(specification)
    if specification.epsilon:
        make_privately(privacy_of(under.of_file(name), epsilon=specification.epsilon))


def _question(specification: SetSpecification) -> str:
    return (
        f"Make a synthetic {specification.kind} set. It may be used for this: {specification.may} "
        f"Not for this: {specification.may_not}"
    )


def _check_fit(table: Table, specification: SetSpecification) -> None:
    """Refuse a file that the specification does not fit.

    Raises:
        UsageError: it is synthetic where it should be real, or the other way round, or lacks a column that is named.
    """
    columns = [column.name for column in table.columns]
    if specification.texts is None:
        check_real(table)
        parse_rules(specification.rules, source="the specification", columns=columns)
        named = {*specification.left_out, specification.outcome, specification.subgroups} - {""}
    else:
        patients_of(table)
        named = set(specification.texts.named)
    if missing := sorted(named - set(columns)):
        raise UsageError(
            f"{table.name} has no column {missing[0]!r}, which the specification names.",
            allowed=f"Its columns: {', '.join(name for name in columns if name not in MARKS)[:400]}.",
        )
