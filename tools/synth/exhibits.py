"""What people look at of a set: a row or a text, with the image that belongs to it.

To raters an image is shown without its mark, real and synthetic ones alike: the place of the mark is black, and the
file holds nothing but pixels. Who looks at a sample knows that it is synthetic, and sees the image as it is.

It does not cover signals: nobody is shown them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterproof.tools.data import Table
from counterproof.tools.synth.documents import Document
from counterproof.tools.synth.images import without_mark
from counterproof.tools.synth.marks import MARKS


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One thing to look at.

    Attributes:
        text: the text, or the row.
        png: its image, as base64; "" for none.
    """

    text: str
    png: str = ""


def of_rows(table: Table) -> list[Exhibit]:
    """Return the rows of a table, without marks."""
    columns = [column for column in table.columns if column.name not in MARKS]
    values = {column.name: column.values for column in columns}
    rows = []
    for at in range(table.rows):
        cells = [(name, series.iloc[at]) for name, series in values.items()]
        rows.append(Exhibit(text="\n".join(f"{name}: {_cell(value)}" for name, value in cells)))
    return rows


def of_documents(documents: Sequence[Document]) -> list[Exhibit]:
    """Return texts with their images, as they are."""
    return [Exhibit(text=one.text, png=one.image.png if one.image else "") for one in documents]


def blinded(documents: Sequence[Document]) -> list[Exhibit]:
    """Return texts with their images, of which nothing says whether they are synthetic.

    Raises:
        UsageError: an image can't be read, or scikit-image is not installed.
    """
    return [Exhibit(text=one.text, png=without_mark(one.image).png if one.image else "") for one in documents]


def _cell(value: object) -> str:
    if value is None or value != value:
        return "–"
    return value if isinstance(value, str) else f"{value:.10g}"
