"""Numbers written with few decimals, held as whole numbers and how many decimals they have: 12.34 as 1234 and 2.

A quarter or half of the memory that floating point takes, and nothing is lost: a whole number divided by a power of ten
is the double closest to what is written, which is what reading the text gives. Each block is divided again and
compared bit by bit before it is held so, hence a negative zero or a number of more decimals is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_WHOLE_MAX = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class FixedPoint:
    """Decimal numbers as whole ones.

    Attributes:
        wholes: each number times 10 to the power of `decimals`; null where missing.
        decimals: how many decimal places they are written with.
    """

    wholes: pa.ChunkedArray
    decimals: int

    def __len__(self) -> int:
        return len(self.wholes)

    @property
    def null_count(self) -> int:
        """How many are missing."""
        return int(self.wholes.null_count)

    def numbers(self) -> pa.ChunkedArray:
        """Return the numbers, float64; null where missing."""
        return pc.divide(self.wholes.cast(pa.float64()), 10.0**self.decimals)

    def all_whole(self) -> bool:
        """Say whether no number has anything but zeros behind its point."""
        one = 10**self.decimals
        return all(bool((pc.drop_null(piece).to_numpy() % one == 0).all()) for piece in self.wholes.chunks)


def fixed(numbers: pa.Array, decimals: int) -> pa.Array | None:
    """Return numbers as whole ones of a small type; None where that would change one.

    Args:
        numbers: float64, null where missing.
        decimals: how many decimal places they are thought to be written with.
    """
    values = pc.fill_null(numbers, 0.0).to_numpy()
    scale = 10.0**decimals
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(values * scale)
    largest = np.abs(scaled).max(initial=0)
    if not largest <= _WHOLE_MAX:  # nor where it is not a number
        return None
    wholes = scaled.astype("int16" if largest < 2**15 else "int32")
    if not np.array_equal((wholes / scale).view("int64"), values.view("int64")):
        return None
    return pa.array(wholes, mask=numbers.is_null().to_numpy(zero_copy_only=False) if numbers.null_count else None)


def joined(blocks: Sequence[pa.Array], decimals: int) -> FixedPoint:
    """Return blocks of whole numbers as one column, in the type of the widest."""
    kind = max((block.type for block in blocks), key=lambda kind: kind.bit_width)
    return FixedPoint(wholes=pa.chunked_array([block.cast(kind) for block in blocks]), decimals=decimals)
