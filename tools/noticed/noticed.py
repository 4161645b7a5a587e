"""One thing that was noticed about a data file, and the rule for what may be said of it.

The text of it goes to the model at exposure `metadata`, so it holds a value only where k persons have it, or where the
codebook names it; shares are rounded. That there is something that few persons have is said, what it is, not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterproof.tools.exposure import Suppression
from counterproof.tools.profile import LEVEL_MAX, NAME_MAX, rounded_share

Kind = Literal[
    "code for missing",
    "words among numbers",
    "mixed units",
    "form of dates",
    "repeated rows",
    "duplicate rows",
    "codebook",
]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Noticed:
    """One thing that was noticed.

    Attributes:
        kind: what sort of thing.
        columns: where; none for the whole file.
        text: what, in words that the model may see.
        hidden: whether only people are told: it is of a column that may identify persons.
    """

    kind: Kind
    columns: tuple[str, ...]
    text: str
    hidden: bool = False

    def told(self) -> dict[str, Any]:
        """Return it as it stands in a profile and in a record; names of columns are cut as in a profile."""
        names = [name if len(name) <= NAME_MAX else f"{name[:NAME_MAX]}…" for name in self.columns]
        return {"kind": self.kind, "columns": names, "text": self.text}


@dataclass(frozen=True, kw_only=True)
class Behind:
    """Counts the persons behind rows.

    Attributes:
        persons: tells persons apart, one value a row; None where each row is a person.
        rules: where suppression begins.
    """

    persons: pd.Series | None
    rules: Suppression

    def enough(self, rows: Mask) -> bool:
        """Say whether k persons stand behind these rows."""
        if int(rows.sum()) < self.rules.k:
            return False
        return self.persons is None or int(self.persons[rows].nunique()) >= self.rules.k

    def share(self, rows: Mask) -> str:
        """Return the share of these rows, rounded; of few persons' rows only that they are few."""
        return rounded_share(float(rows.mean()), self.rules) if self.enough(rows) else self.few

    @property
    def few(self) -> str:
        """What is said of a share behind which fewer than k persons stand."""
        return f"fewer than {self.rules.k} persons"


def shown(value: object) -> str:
    """Return a value as it stands in a text: in quotes, and cut to a length."""
    if isinstance(value, float):
        value = f"{value:.15g}"
    text = str(value)
    return json.dumps(text if len(text) <= LEVEL_MAX else f"{text[:LEVEL_MAX]}…", ensure_ascii=False)
