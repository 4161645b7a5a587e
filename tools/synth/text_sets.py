"""A synthetic set of texts: the marked documents, their card, the report and the summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePath

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.tools.data import Table
from counterproof.tools.synth.documents import Document, Value, content_of, parse_documents, written
from counterproof.tools.synth.evaluation.card import Assessment, Card
from counterproof.tools.synth.evaluation.texts import Texts, evaluate_texts
from counterproof.tools.synth.marks import MARKS, check_marks, read_cells, write_marked
from counterproof.tools.synth.sets import SyntheticSet, pages
from counterproof.tools.twin import MARK


def text_set(texts: Texts, *, write: bool) -> SyntheticSet:
    """Judge texts, and mark them with their card where they were made here.

    Args:
        texts: what the card is made from.
        write: whether the documents are part of the set.

    Raises:
        UsageError: there are too few.
    """
    card = evaluate_texts(texts)
    files = pages(card)
    if write:
        marked = [one.model_copy(update={"synthetic_twin": 1, "synthetic_card": card.digest}) for one in texts.made]
        files = {f"{PurePath(texts.name).name.partition('.')[0]}.synthetic.jsonl": written(marked), **files}
    return SyntheticSet(card=card, files=files)


def patients_of(table: Table) -> list[dict[str, Value]]:
    """Return the rows of a synthetic table as attributes; empty cells are left out.

    Raises:
        UsageError: the table does not carry the mark.
    """
    if MARK not in {column.name for column in table.columns}:
        raise UsageError(
            f"{table.name} has no column {MARK!r}: it may be real.",
            allowed="Texts are written for synthetic patients alone.",
            advice="Make a table with `counterproof synth make` first.",
        )
    rows: list[dict[str, Value]] = [{} for _ in range(table.rows)]
    for column in table.columns:
        if column.name in MARKS:
            continue
        values = column.values
        for row, value, gone in zip(rows, values.tolist(), values.isna().tolist(), strict=True):
            if not gone:
                row[column.name] = _value(value, whole=column.kind == "integer")
    return rows


def check_text_marks(data: bytes, card: bytes) -> None:
    """Check that each document is marked, and that documents and card belong together.

    Raises:
        VerificationFailed: a mark is missing, or is that of another card, or the card is over other documents.
    """
    documents = parse_documents(data, source="the file")
    digest, unmarked = sha256_bytes(card), [one for one in documents if one.synthetic_twin != 1]
    if unmarked:
        raise VerificationFailed(f"{len(unmarked)} documents don't carry the mark.", advice="Make the file anew.")
    if {one.synthetic_card for one in documents} != {digest}:
        raise VerificationFailed(f"The documents name another card than {digest[:12]}.", advice="Take their own card.")
    if json.loads(card)["provenance"]["content_sha256"] != _digest(documents):
        raise VerificationFailed("The card is over other documents.", advice="Don't use the file; make it anew.")


def with_sections(name: str, data: bytes, card: bytes, sections: Mapping[str, Assessment]) -> SyntheticSet:
    """Return a set, table or texts, whose card holds what people or a judge said, marked with the new card.

    Raises:
        VerificationFailed: file and card don't belong together.
    """
    is_text = name.endswith(".jsonl")
    (check_text_marks if is_text else check_marks)(data, card)
    said = Card.model_validate_json(card).model_copy(update=dict(sections))
    if is_text:
        documents = parse_documents(data, source=name)
        rows = written([one.model_copy(update={"synthetic_card": said.digest}) for one in documents])
    else:
        rows = write_marked(read_cells(data), card=said.digest)
    return SyntheticSet(card=said, files={name: rows, **pages(said)})


def _digest(documents: list[Document]) -> str:
    return sha256_bytes(content_of(documents))


def _value(value: object, *, whole: bool) -> Value:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower(), value)
    number = float(str(value))
    return int(number) if whole else number
