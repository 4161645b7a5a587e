"""Writing synthetic rows with their marks; what the marks are, and checking them, is in `provenance.marks`.

Real data have neither mark; a study refuses a file that has one, as does the card as the real side.
"""

from __future__ import annotations

from counterproof.provenance.marks import (
    CARD_COLUMN,
    MARK,
    MARKS,
    Cells,
    content_digest,
    read_cells,
    unmarked,
    write_content,
)
from counterproof.provenance.marks import check_table as check_marks

__all__ = [
    "MARKS",
    "Cells",
    "check_marks",
    "content_digest",
    "read_cells",
    "unmarked",
    "write_content",
    "write_marked",
]


def write_marked(cells: Cells, *, card: str) -> bytes:
    """Return rows as CSV that carry both marks.

    Args:
        cells: the written cells of each column, without marks.
        card: digest of the card.
    """
    rows = len(next(iter(cells.values())))
    return write_content({**unmarked(cells), MARK: ["1"] * rows, CARD_COLUMN: [card] * rows})
