"""Decimal numbers held as whole ones: never another number than the one that is written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterproof.tools.data import Column, read_table
from counterproof.tools.reading.fixed_point import FixedPoint, fixed, joined

ROWS = 150_000
"""So many that the file is larger than the beginning from which its types are found out."""


@given(st.lists(st.none() | st.integers(-(2**31) + 1, 2**31 - 1), min_size=1), st.integers(0, 9))
def test_fixed_gives_the_number_that_is_written(wholes: list[int | None], decimals: int) -> None:
    parsed = [None if one is None else float(f"{one}e-{decimals}") for one in wholes]
    held = fixed(pa.array(parsed, type=pa.float64()), decimals)
    assert held is not None
    assert joined([held], decimals).numbers().to_pylist() == parsed


@pytest.mark.parametrize(
    "numbers", [[-0.0], [0.125], [0.1 + 0.2], [1e300], [float("inf")], [float("nan")], [21474836.48]], ids=repr
)
def test_fixed_leaves_alone_what_it_would_change(numbers: list[float]) -> None:
    assert fixed(pa.array([1.5, *numbers]), 2) is None


def test_joined_takes_the_type_of_the_widest_block() -> None:
    small, wide = fixed(pa.array([1.5, None]), 1), fixed(pa.array([99999.5]), 1)
    assert small is not None
    assert wide is not None
    column = joined([small, wide], 1)
    assert (small.type, wide.type, column.wholes.type) == (pa.int16(), pa.int32(), pa.int32())
    assert column.numbers().to_pylist() == [1.5, None, 99999.5]


@pytest.mark.parametrize(
    ("last", "decimals", "kind"),
    [
        ("7.25", 2, "number"),
        ("", 2, "number"),
        ("12345.67", 2, "number"),
        ("98765432109.5", 2, "number"),
        ("0.123456", 6, "number"),
        ("-0.0", 2, "number"),
    ],
)
def test_read_table_of_a_large_file_reads_each_number_as_written(last: str, decimals: int, kind: str) -> None:
    cells = [f"{at % 9973 / 100:.2f}" for at in range(ROWS)] + [last]
    column = _read(cells)
    assert (column.kind, column.decimals) == (kind, decimals)
    expected = np.array([float(cell or "nan") for cell in cells])
    values = column.values.to_numpy()
    assert np.array_equal(values, expected, equal_nan=True)
    assert np.array_equal(np.signbit(values), np.signbit(expected))
    assert column.missing == cells.count("")


def test_read_table_of_a_large_file_with_nothing_behind_the_point_is_whole() -> None:
    column = _read([f"{at % 500}.0" for at in range(ROWS)])
    assert (column.kind, column.decimals, column.distinct()) == ("integer", 1, 500)


def _read(cells: list[str]) -> Column:
    names = [f"row {at:06d}" for at in range(len(cells))]
    content = "\n".join(["name,value", *map(",".join, zip(names, cells, strict=True))])
    column = read_table("d.csv", f"{content}\n".encode()).columns[1]
    assert len(column.cells) == len(cells)
    return column


def test_fixed_point_knows_whether_all_are_whole() -> None:
    assert FixedPoint(wholes=pa.chunked_array([[100, None], [200]]), decimals=2).all_whole()
    assert not FixedPoint(wholes=pa.chunked_array([[100], [250]]), decimals=2).all_whole()
