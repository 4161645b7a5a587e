"""A synthetic set of texts: the marked documents, their card, the report and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from counterproof.provenance.marks import check_documents as check_text_marks
from counterproof.provenance.marks import check_file
from counterproof.tools.synth.documents import parse_documents, written
from counterproof.tools.synth.evaluation.card import Assessment, Card
from counterproof.tools.synth.evaluation.texts import Texts, evaluate_texts
from counterproof.tools.synth.marks import read_cells, write_marked
from counterproof.tools.synth.sets import SyntheticSet, pages

__all__ = ["check_text_marks", "text_set", "with_sections"]


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


def with_sections(name: str, data: bytes, card: bytes, sections: Mapping[str, Assessment]) -> SyntheticSet:
    """Return a set, table or texts, whose card holds what people or a judge said, marked with the new card.

    Raises:
        VerificationFailed: file and card don't belong together.
    """
    is_text = name.endswith(".jsonl")
    check_file(name, data, card)
    said = Card.model_validate_json(card).model_copy(update=dict(sections))
    if is_text:
        documents = parse_documents(data, source=name)
        rows = written([one.model_copy(update={"synthetic_card": said.digest}) for one in documents])
    else:
        rows = write_marked(read_cells(data), card=said.digest)
    return SyntheticSet(card=said, files={name: rows, **pages(said)})
