"""The marks of synthetic data, inside every file: a column that is always 1, and one with the digest of its card.

Real data have neither column; a study refuses a file that has one, as does the card as the real side. The card is over
the *content* (the file without its marks), so that the file can carry the digest of the card, and the card that of the
content.

It does not cover a person who deletes the columns: then the digest of the content in the card still knows the rows.
"""

from __future__ import annotations

import csv
import io
import json
import re

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.tools.twin import CARD_COLUMN, MARK

MARKS = (MARK, CARD_COLUMN)
_DIGEST = re.compile(r"[0-9a-f]{64}")
Cells = dict[str, list[str]]


def write_marked(cells: Cells, *, card: str) -> bytes:
    """Return rows as CSV that carry both marks.

    Args:
        cells: the written cells of each column, without marks.
        card: digest of the card.
    """
    rows = len(next(iter(cells.values())))
    return write_content({**unmarked(cells), MARK: ["1"] * rows, CARD_COLUMN: [card] * rows})


def write_content(cells: Cells) -> bytes:
    """Return rows as CSV, as they stand."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(cells)
    writer.writerows(zip(*cells.values(), strict=True))
    return file.getvalue().encode("utf-8")


def read_cells(data: bytes, *, separator: str = ",") -> Cells:
    """Read the cells of a CSV file as they are written.

    Args:
        data: the file.
        separator: between the cells of a row.

    Raises:
        UsageError: it is no CSV with a header, or a row has another number of cells.
    """
    try:
        text = io.StringIO(data.decode("utf-8-sig"), newline="")
        rows = list(csv.reader(text, delimiter=separator))
        return dict(zip(rows[0], (list(column) for column in zip(*rows[1:], strict=True)), strict=True))
    except (ValueError, IndexError, csv.Error) as error:
        raise UsageError(
            f"The synthetic file is no CSV with a header and rows of equal length: {error}.",
            advice="Give a file that `counterproof synth make` wrote.",
        ) from error


def content_digest(cells: Cells) -> str:
    """Return the digest of the rows without their marks."""
    return sha256_bytes(write_content(unmarked(cells)))


def check_marks(data: bytes, card: bytes) -> None:
    """Check that a file carries both marks in every row, and that card and rows belong together.

    Args:
        data: the file.
        card: the bytes of the card.

    Raises:
        VerificationFailed: a mark is missing, or is that of another card, or the card is over other rows.
    """
    cells = read_cells(data)
    if set(cells.get(MARK, ["0"])) != {"1"}:
        raise VerificationFailed(
            f"Not every row carries the mark {MARK} = 1.", advice="Don't use the file; make it anew."
        )
    named, digest = set(cells.get(CARD_COLUMN, [])), sha256_bytes(card)
    if named != {digest}:
        seen = sorted(name[:12] if _DIGEST.fullmatch(name) else "no digest" for name in named) or ["none"]
        raise VerificationFailed(
            f"The rows name the card {', '.join(seen)}, and this card is {digest[:12]}.",
            advice="Take the card that was written with the file.",
        )
    content = content_digest(cells)
    if json.loads(card)["provenance"]["content_sha256"] != content:
        raise VerificationFailed(
            f"The card is over other rows: those of the file have the digest {content[:12]}.",
            advice="Don't use the file; make it anew.",
        )


def unmarked(cells: Cells) -> Cells:
    """Return rows without their marks."""
    return {name: column for name, column in cells.items() if name not in MARKS}
