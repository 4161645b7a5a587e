"""What a maker of synthetic tables gets and gives. A new maker is a file beside this one and a line in `MAKERS`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from counterproof.tools.data import Table
from counterproof.tools.identifiers import Finding
from counterproof.tools.synth.marks import Cells


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be made.

    Attributes:
        findings: columns that may identify a person; they are made up.
        rows: how many rows.
        seed: of the draws.
    """

    findings: tuple[Finding, ...]
    rows: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Made:
    """Synthetic rows.

    Attributes:
        cells: the written cells of each column, in the order of the real table, without marks.
        facts: JSON-able: which maker, with which parameters. No value of the data.
    """

    cells: Cells
    facts: dict[str, Any]


class Maker(Protocol):
    """Makes rows like those of a table."""

    def __call__(self, train: Table, order: Order) -> Made:
        """Make rows.

        Args:
            train: the real rows that may be learned from.
            order: what is to be made.
        """
        ...
