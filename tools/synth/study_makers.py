"""The maker of a table in a study, by what its specification names, and what a model is told that writes the rows.

    trees, copula, marginals   learn from the real rows
    dp                         the same with differential privacy, within what the policy allows
    model                      takes the rows that a model wrote; here they are held against the real ones

What a model wrote is not believed: each row is checked again, and one that equals a real row is left out here, where
nobody is told which it was. So a few more rows are asked for than are wanted.

It does not cover asking the model (`agents.synthesis`), nor who may see what is told: levels and ranges of the profile
at `metadata`, and rows of open data alone.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import ToolFailed, UsageError
from counterproof.tools.data import Table
from counterproof.tools.exposure import Exposure
from counterproof.tools.synth.makers import MAKERS, PRIVATE, Made, Maker, Order, make_privately
from counterproof.tools.synth.marks import read_cells, unmarked
from counterproof.tools.synth.rules import Rule, find_rules
from counterproof.tools.synth.specification import MODEL, SetSpecification
from counterproof.tools.synth.written_rows import (
    Cell,
    Specification,
    Taken,
    completed,
    example_rows,
    known_rows,
    specification_of,
    take_rows,
    tellable,
)
from counterproof.tools.twin.private import Privacy

_SPARE = 0.1
"""Share of rows that are asked for beyond those wanted, for those that turn out to be real ones."""


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What stands behind a table: who may be seen of it, and what is asked of it.

    Attributes:
        k: fewest persons behind anything that a model is told.
        subject: the column that tells persons apart; "" where each row is a person.
        privacy: what the policy says of differential privacy; None for nothing.
        spent: what earlier sets of the study took of epsilon.
        exposure: what a model may see.
    """

    k: int
    subject: str = ""
    privacy: Privacy | None = None
    spent: float = 0.0
    exposure: Exposure = "metadata"


@dataclass(frozen=True, kw_only=True)
class Written:
    """Rows that a model wrote.

    Attributes:
        model: its name.
        rows: cells, in the order of the columns that were asked for.
        refused: how many were refused for each kind of reason.
    """

    model: str
    rows: Sequence[Sequence[Cell]]
    refused: dict[str, int]

    def to_bytes(self) -> bytes:
        """Return them as they go to the secure side and into the record."""
        return canonical_json({"model": self.model, "rows": self.rows, "refused": self.refused})


def maker_of(specification: SetSpecification, rules: Sequence[Rule], behind: Behind, written: bytes) -> Maker:
    """Return the maker that a specification names.

    Args:
        specification: what is to be made.
        rules: what rows must keep.
        behind: what stands behind the table.
        written: the rows of a model; for `dp` the file of the same set, made before: its noise can't be drawn again.

    Raises:
        UsageError: differential privacy was asked for, and the policy says nothing of it.
    """
    if specification.made_by == MODEL:
        return _of_written(specification, rules, behind, written)
    if specification.made_by != PRIVATE:
        return MAKERS[specification.made_by]
    if behind.privacy is None:
        raise UsageError(
            "Differential privacy was asked for, and the policy has no epsilon for the file.",
            advice="Say in the policy of the study how much all its sets may take, and what is known of each column.",
        )
    return _private(specification, behind, behind.privacy, written)


def asked_of_model(
    train: Table, order: Order, specification: SetSpecification, rules: Sequence[Rule], behind: Behind
) -> dict[str, Any]:
    """Return what a model is told that writes rows: columns, rules, perhaps rows of open data, and how many it writes.

    Raises:
        UsageError: rows are to be shown, and the exposure does not allow it.
        ToolFailed: no column may be told.
    """
    if specification.examples and behind.exposure != "rows":
        raise UsageError(
            f"{specification.examples} real rows are asked for as examples; at the exposure {behind.exposure!r} the "
            "model sees none.",
            allowed="Examples at the exposure 'rows' alone: open data, chosen by a person.",
        )
    wanted = _wanted(train, order, rules, behind)
    if not wanted.wanted:
        raise ToolFailed(f"{train.name} has no column that may be told.", advice="Take another maker.")
    examples = example_rows(train, wanted, count=specification.examples, seed=order.seed)
    return {"told": wanted.told(), "examples": examples, "rows": order.rows + math.ceil(_SPARE * order.rows)}


def _wanted(train: Table, order: Order, rules: Sequence[Rule], behind: Behind) -> Specification:
    every = [*rules, *tellable(find_rules(train))]
    return specification_of(train, order, every, k=behind.k, subject=behind.subject)


def _of_written(specification: SetSpecification, rules: Sequence[Rule], behind: Behind, written: bytes) -> Maker:
    def make(train: Table, order: Order) -> Made:
        given = Written(**json.loads(written))
        wanted = _wanted(train, order, rules, behind)
        taken = Taken(known=known_rows(train, wanted), refused=Counter(given.refused))
        take_rows(given.rows, wanted, taken)
        if len(taken.rows) < order.rows:
            raise ToolFailed(
                f"Too few of the rows that the model {given.model} wrote can be used; {order.rows} are asked for.",
                advice="Ask for fewer rows, or take another model.",
            )
        del taken.rows[order.rows :]
        made = completed(train, order, wanted, taken)
        facts = {
            "maker": MODEL,
            "model": given.model,
            "how": how_guided(about=specification.about, examples=specification.examples),
            "epsilon": None,
        }
        return replace(made, facts={**facts, **made.facts, "examples": specification.examples})

    return make


def how_guided(*, about: str, examples: int) -> str:
    """Return in words what a model wrote rows from."""
    guided = "guided by what a person knows" if about else "from the specification alone"
    if examples:
        guided = f"{guided}, with {examples} real rows as examples, which a person opened for the model"
    return guided


def _private(specification: SetSpecification, behind: Behind, privacy: Privacy, written: bytes) -> Maker:
    def make(train: Table, order: Order) -> Made:
        made = make_privately(replace(privacy, epsilon=specification.epsilon))(train, order)
        spent = behind.spent + specification.epsilon
        cells = unmarked(read_cells(written)) if written else made.cells
        return Made(cells=cells, facts={**made.facts, "epsilon_of_study": spent, "epsilon_allowed": privacy.epsilon})

    return make
