"""What one battery of metrics is computed on: the rows that a maker learned from, a hold-out, and a candidate.

The candidates of one card are the synthetic rows and three references: independent marginals (the floor), the real
hold-out (the ceiling), and a copy of the training rows (what fidelity alone would like best).

Where a metric depends on how many rows it sees, each candidate is cut to as many rows as the hold-out has, a few times
over, and the mean is taken: else a number could not be read beside its ceiling. At most `ROWS_MAX` rows are used; a
card says where that was so.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from counterproof.tools.synth.evaluation.frames import Floats, Schema

ROWS_MAX = 20_000
"""Most rows that a sampled metric looks at."""
RareLevels: TypeAlias = frozenset[tuple[str, str]]
_SMALL = 1_000
_REPEATS = 5


@dataclass(frozen=True, kw_only=True)
class Case:
    """One candidate beside the real rows.

    Attributes:
        schema: the columns.
        train: shape (rows, variables); what the maker learned from.
        holdout: real rows that the maker did not see; where there are none, training rows that stand in for them.
        true_holdout: whether the maker did not see the hold-out.
        candidate: the rows that are judged.
        seed: of all draws.
        train_rare: rare levels of the training rows, as (column, level).
        candidate_rare: the same of the candidate.
    """

    schema: Schema
    train: Floats
    holdout: Floats
    true_holdout: bool
    candidate: Floats
    seed: int
    train_rare: RareLevels = frozenset()
    candidate_rare: RareLevels = frozenset()

    def random(self, name: str) -> np.random.Generator:
        """Return the chance of one metric, the same in each card."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    @property
    def equal_rows(self) -> int:
        """How many rows each side has where numbers must be comparable."""
        return min(len(self.train), len(self.holdout), len(self.candidate), ROWS_MAX)

    def draws(self, name: str) -> Iterator[tuple[Floats, Floats]]:
        """Yield training and candidate rows, equally many; several times where they are few."""
        random, rows = self.random(name), self.equal_rows
        for _ in range(_REPEATS if rows < _SMALL else 1):
            yield some(self.train, rows, random), some(self.candidate, rows, random)


def some(rows: Floats, count: int, random: np.random.Generator) -> Floats:
    """Return so many rows of chance; all of them, in their order, where there are no more."""
    if len(rows) <= count:
        return rows
    return rows[np.sort(random.choice(len(rows), count, replace=False))]
