"""Making a study whose purpose is a synthetic set.

A table is made from one file of real data; texts are written for the rows of one table that carries the mark of
synthetic data. That table is nobody's: the model may see its rows, and it goes into the bundle.

It does not cover running (`runner`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from counterproof.agents.models import ModelConfig
from counterproof.agents.study import Workplace, new_id, new_study
from counterproof.provenance.errors import UsageError
from counterproof.provenance.ledger import Entry
from counterproof.provenance.marks import MARKS
from counterproof.tools import Table
from counterproof.tools.data import read_file
from counterproof.tools.exposure import DataRules
from counterproof.tools.synth.documents import parse_documents, patients_of
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
        model: writes texts; None for a table.
        beside: texts that raters see beside those, as JSON lines.
        title: short title.
        scenario: name of a scenario, whose decisions are scripted; "" for none.
        subject: the column of real data that tells persons apart.
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
    if is_table and (beside or model is not None):
        raise UsageError("A table is made by a maker of tables.", advice="Leave the model and the texts beside away.")
    if not is_table and model is None:
        raise UsageError("No model was chosen.", advice="Texts are written by one: name it with --model.")
    if beside:
        parse_documents(beside, source="the texts beside")
    name = data[0].name if data else entered[0].name
    rules = DataRules(subject=subject) if is_table else DataRules(exposure="rows")
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
