"""Columns as numbers, dates as day numbers: what several parts of the synthetic data share."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterproof.tools.data import Column


def numbers_of(column: Column) -> NDArray[np.float64]:
    """Return numbers, dates as day numbers; NaN for a missing one and for text that is no number."""
    if column.kind in ("integer", "number"):
        return column.values.to_numpy(dtype="float64")
    if column.kind == "date":
        days = pd.to_datetime(column.values, format="%Y-%m-%d").to_numpy().astype("datetime64[D]")
        found = days.astype(np.int64).astype(np.float64)
        found[np.isnat(days)] = np.nan
        return found
    return pd.to_numeric(column.values, errors="coerce").to_numpy(dtype="float64")
