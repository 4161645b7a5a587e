"""The marks of synthetic data, inside every file: that it is synthetic, and the digest of its card.

A table has a column that is always 1, and one with the digest of its card; a document has two fields. The card is over
the *content* (the file without its marks), so that the file can carry the digest of the card, and the card that of the
content.

It does not cover a person who deletes the marks: then the digest of the content in the card still knows the rows.
"""

from __future__ import annotations

import csv
import io
import json
import re

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError, VerificationFailed

MARK = "synthetic_twin"
"""In every row and document: 1."""
CARD_COLUMN = "synthetic_card"
"""In every row and document of a set that has a card: its digest."""
MARKS = (MARK, CARD_COLUMN)
_DIGEST = re.compile(r"[0-9a-f]{64}")
Cells = dict[str, list[str]]


def check_file(name: str, data: bytes, card: bytes) -> None:
    """Check that a file is marked, and that it and its card belong together.

    Args:
        name: of the file; JSON lines end with `.jsonl`, everything else is a table.
        data: its bytes.
        card: the bytes of the card.

    Raises:
        VerificationFailed: a mark is missing, or is that of another card, or the card is over another content.
        UsageError: it is no such file.
    """
    (check_documents if name.endswith(".jsonl") else check_table)(data, card)


def check_table(data: bytes, card: bytes) -> None:
    """Check that a table carries both marks in every row, and that card and rows belong together; see `check_file`."""
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
    if _content_of(card) != content:
        raise VerificationFailed(
            f"The card is over other rows: those of the file have the digest {content[:12]}.",
            advice="Don't use the file; make it anew.",
        )


def check_documents(data: bytes, card: bytes) -> None:
    """Check that each document is marked, and that documents and card belong together; see `check_file`."""
    try:
        documents = [json.loads(line) for line in data.decode("utf-8").split("\n") if line.strip()]
        unmarked_ = [one for one in documents if one.get(MARK) != 1]
        named = {one.get(CARD_COLUMN, "") for one in documents}
        content = "".join(f"{json.dumps(_without(one), ensure_ascii=False)}\n" for one in documents)
    except (ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"The synthetic file is no JSON lines: {error}.", allowed="One document a line.") from error
    if unmarked_ or not documents:
        raise VerificationFailed(f"{len(unmarked_)} documents don't carry the mark.", advice="Make the file anew.")
    if named != {sha256_bytes(card)}:
        raise VerificationFailed(
            f"The documents name another card than {sha256_bytes(card)[:12]}.", advice="Take their own card."
        )
    if _content_of(card) != sha256_bytes(content.encode()):
        raise VerificationFailed("The card is over other documents.", advice="Don't use the file; make it anew.")


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


def write_content(cells: Cells) -> bytes:
    """Return rows as CSV, as they stand."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(cells)
    writer.writerows(zip(*cells.values(), strict=True))
    return file.getvalue().encode("utf-8")


def content_digest(cells: Cells) -> str:
    """Return the digest of the rows without their marks."""
    return sha256_bytes(write_content(unmarked(cells)))


def unmarked(cells: Cells) -> Cells:
    """Return rows without their marks."""
    return {name: column for name, column in cells.items() if name not in MARKS}


def _content_of(card: bytes) -> object:
    try:
        return json.loads(card)["provenance"]["content_sha256"]
    except (ValueError, LookupError, TypeError) as error:
        raise VerificationFailed(
            "The card can't be read: it has no provenance.", advice="Take its own card."
        ) from error


def _without(document: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in document.items() if name not in MARKS}
