"""The twin: a synthetic stand-in on which programs are written and repaired.

Same file name, columns, types, decimals and rough distributions as the real data; relations between columns through
a Gaussian copula (the correlation of normal scores), so that models converge on it. Nothing of one person is copied:
numbers are drawn from a smoothed quantile function between the K-th smallest and the K-th largest value, categories
only from levels that at least `profile.K` rows share, and identifiers are made up from nothing.

Every row carries the mark: a last column `synthetic_twin` that is always 1 and that real data do not have.

It does not cover repeated rows per subject, differential privacy, or planted awkward cases, and it keeps
relations only as far as ranks do. This is where the engine of the synthetic-data part plugs in.

Source: Nelsen, An Introduction to Copulas, 2nd ed., 2006, for the construction.
"""

from __future__ import annotations

import csv
import io
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterproof.provenance.errors import UsageError
from counterproof.tools.data import Column, Table
from counterproof.tools.identifiers import Finding
from counterproof.tools.profile import common_levels, is_coded, safe_range

MARK = "synthetic_twin"
_KNOTS = 16
_SAMPLE_MAX = 5000
_RELATED_MAX = 200
"""So many columns keep their relations; the cost of the copula grows with the cube of this."""
_DECIMALS_MAX = 6
"""Numbers with more decimal places than this are written with fifteen significant digits."""
_Floats = NDArray[np.float64]


def make_twin(table: Table, findings: list[Finding]) -> bytes:
    """Return the twin of a table as delimited text, with as many rows; the same table gives the same bytes.

    Args:
        table: the real data, on the secure side.
        findings: columns that may identify a person; their twins are made up.

    Raises:
        UsageError: the table carries the mark, so it is a twin itself.
    """
    if any(column.name == MARK for column in table.columns):
        raise UsageError(
            f"{table.name} has a column {MARK!r}: it is synthetic.",
            allowed="A study's data set must be real.",
            advice="Give the file that this twin was made from.",
        )
    random = np.random.default_rng(int(table.sha256[:16], 16))
    hidden = {finding.column for finding in findings}
    modelled = [column for column in table.columns if column.name not in hidden]
    scores = _copula(modelled[:_RELATED_MAX], table.rows, random)
    scores |= {column.name: random.random(table.rows) for column in modelled[_RELATED_MAX:]}
    cells: dict[str, list[str]] = {}
    for column in table.columns:
        if column.name in hidden:
            cells[column.name] = _made_up(column, table.rows)
        else:
            drawn = _draw(column, scores[column.name])
            gone = random.random(table.rows) < column.values.isna().mean()
            cells[column.name] = ["" if empty else cell for cell, empty in zip(drawn, gone, strict=True)]
    cells[MARK] = ["1"] * table.rows
    return _write(cells, table.separator)


def _copula(columns: list[Column], rows: int, random: np.random.Generator) -> dict[str, _Floats]:
    """Draw uniform scores, shape (rows,) a column, with the rank correlation of the real columns."""
    if not columns:
        return {}
    normal = NormalDist()
    scores = pd.DataFrame({column.name: _codes(column) for column in columns}).head(_SAMPLE_MAX)
    ranks = scores.rank(method="average") / (len(scores) + 1)
    filled = ranks.fillna(0.5).map(normal.inv_cdf).to_numpy()
    spread = filled.std(axis=0)
    spread[spread == 0] = 1.0
    standard = (filled - filled.mean(axis=0)) / spread
    # Cholesky, because the signs of eigenvectors differ between machines and a replay compares the bytes.
    # One hundredth on the diagonal keeps the matrix positive definite for any data.
    correlation = 0.99 * (standard.T @ standard) / len(standard) + 0.01 * np.eye(len(columns))
    np.fill_diagonal(correlation, 1.0)
    drawn = random.multivariate_normal(np.zeros(len(columns)), correlation, size=rows, method="cholesky")
    uniform = np.vectorize(normal.cdf, otypes=[np.float64])(drawn)
    return {column.name: uniform[:, at] for at, column in enumerate(columns)}


def _codes(column: Column) -> pd.Series:
    if column.kind in ("integer", "number"):
        return column.values
    codes = pd.Series(pd.Categorical(column.values).codes, dtype="float64")
    return codes.where(codes >= 0)


def _draw(column: Column, scores: _Floats) -> list[str]:
    if is_coded(column):
        levels = common_levels(column)
        if not len(levels):
            return _made_up(column, len(scores))
        edges = np.cumsum(levels.to_numpy() / levels.sum())
        picked = np.searchsorted(edges[:-1], scores, side="right")
        names = [_text(level, column) for level in levels.index]
        return [names[at] for at in picked]
    ends = safe_range(column)
    if ends is None:
        return _made_up(column, len(scores))
    knots = np.linspace(0.0, 1.0, _KNOTS + 1)
    heights = np.clip(np.nanquantile(column.values.to_numpy(dtype="float64"), knots), *ends)
    return [_text(value, column) for value in np.interp(scores, knots, heights)]


def _text(value: Any, column: Column) -> str:
    if column.kind == "integer":
        return f"{round(float(value)):.{min(column.decimals, _DECIMALS_MAX)}f}"
    if column.kind == "number":
        return f"{float(value):.{column.decimals}f}" if column.decimals <= _DECIMALS_MAX else f"{float(value):.15g}"
    return str(value)


def _made_up(column: Column, rows: int) -> list[str]:
    """Make values up from nothing but the column's kind and how many different ones it holds."""
    different = max(1, column.values.nunique())
    counts = [at % different for at in range(rows)]
    if column.kind == "date":
        days = pd.date_range("2000-01-01", periods=3650, freq="D").strftime("%Y-%m-%d")
        return [str(days[at % len(days)]) for at in counts]
    if column.kind == "text":
        return [f"SYNTHETIC-{at + 1:06d}" for at in counts]
    return [_text(at + 1, column) if column.kind == "integer" else f"{at + 1}.5" for at in counts]


def _write(cells: dict[str, list[str]], separator: str) -> bytes:
    file = io.StringIO(newline="")
    # csv of Python 3.11 writes a bare CR without quotes, and readers take it for the end of a row.
    returns = any("\r" in cell for name, column in cells.items() for cell in (name, *column))
    writer = csv.writer(
        file, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL
    )
    writer.writerow(cells)
    writer.writerows(zip(*cells.values(), strict=True))
    return file.getvalue().encode("utf-8")
