"""What a set of texts may learn from a corpus without a text of it: lengths, sections, readability, size of vocabulary.

Each figure has at least ten documents behind it: a length band holds ten, its outer ends are the tenth shortest and the
tenth longest text, a word counts that ten documents use, and a section that fewer than ten have (or lack) is told as
none (or all). Lengths are rounded to ten words, shares to a twentieth, the reading ease to five, the vocabulary to two
digits.

The figures become a specification, which a person reads before any text is made. It does not cover headings that nobody
named, nor the words of the corpus: none of them leaves it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from counterproof.provenance.errors import UsageError
from counterproof.tools.synth.documents import Document, Length, TextSpecification
from counterproof.tools.synth.evaluation.text_metrics import has_section, reading_ease, words

BEHIND = 10
"""Fewest documents behind a figure."""
DOCUMENTS_MIN = 40
_BANDS = 4
_WORDS = 10
_SHARE = 0.05
_EASE = 5


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What is told of a corpus.

    Attributes:
        documents: how many, rounded down to tens.
        lengths: bands of words with the share of documents in each.
        section_shares: share of documents with each section of the specification.
        reading_ease: median of Flesch's reading ease.
        vocabulary: how many words at least ten documents use.
    """

    documents: int
    lengths: tuple[Length, ...]
    section_shares: dict[str, float]
    reading_ease: float
    vocabulary: int


def figures_of(documents: Sequence[Document], specification: TextSpecification) -> Figures:
    """Return the figures of a corpus.

    Args:
        documents: real texts.
        specification: names the sections that are looked for.

    Raises:
        UsageError: there are fewer than 40 documents.
    """
    count = len(documents)
    if count < DOCUMENTS_MIN:
        raise UsageError(
            f"The corpus has {count} documents.",
            allowed=f"At least {DOCUMENTS_MIN}, so that ten stand behind each figure.",
            advice="Write lengths and shares into the specification by hand, or give a larger corpus.",
        )
    texts = [words(one.text) for one in documents]
    used = Counter(word for text in texts for word in set(text))
    with_section = {name: sum(has_section(one, name) for one in documents) for name in specification.sections}
    return Figures(
        documents=count // BEHIND * BEHIND,
        lengths=_lengths(sorted(len(text) for text in texts)),
        section_shares={name: _share(found, count) for name, found in with_section.items()},
        reading_ease=float(_EASE * round(np.median([reading_ease(one.text) for one in documents]) / _EASE)),
        vocabulary=int(float(f"{sum(number >= BEHIND for number in used.values()):.2g}")),
    )


def guided(specification: TextSpecification, figures: Figures) -> TextSpecification:
    """Return a specification with the lengths, section shares and readability of a corpus.

    Raises:
        UsageError: the corpus has none of the sections.
    """
    sections = tuple(name for name in specification.sections if figures.section_shares.get(name, 0) > 0)
    if specification.sections and not sections:
        raise UsageError(
            f"Fewer than {BEHIND} documents of the corpus have a section of the specification.",
            allowed="Headings as they stand at the beginning of a line of the corpus.",
            advice=f"The specification names {', '.join(specification.sections)}: name those of the corpus.",
        )
    return specification.model_copy(
        update={
            "sections": sections,
            "section_shares": {name: figures.section_shares[name] for name in sections},
            "lengths": figures.lengths,
            "reading_ease": figures.reading_ease,
            "corpus": {"documents": float(figures.documents), "vocabulary": float(figures.vocabulary)},
        }
    )


def _lengths(sizes: Sequence[int]) -> tuple[Length, ...]:
    """Return bands of lengths with at least ten documents each."""
    low, high = sizes[BEHIND - 1] // _WORDS * _WORDS, -(-sizes[-BEHIND] // _WORDS) * _WORDS
    inner = [round(float(edge) / _WORDS) * _WORDS for edge in np.quantile(sizes, np.linspace(0, 1, _BANDS + 1)[1:-1])]
    edges = sorted({max(low, 1), *(edge for edge in inner if low < edge < high), max(high, low + _WORDS)})
    counts = [sum(edge <= size < then for size in sizes) for edge, then in pairwise(edges)]
    bands: list[tuple[int, int, int]] = []
    for (edge, then), count in zip(pairwise(edges), counts, strict=True):
        if bands and (count < BEHIND or bands[-1][2] < BEHIND):
            bands[-1] = (bands[-1][0], then, bands[-1][2] + count)
        else:
            bands.append((edge, then, count))
    total = sum(count for _, _, count in bands)
    return tuple(Length(low=edge, high=then, share=_share(count, total)) for edge, then, count in bands)


def _share(found: int, count: int) -> float:
    """Return a share in twentieths, with none and all where fewer than ten stand behind it."""
    if found < BEHIND:
        return 0.0
    if count - found < BEHIND:
        return 1.0
    return round(min(max(round(found / count / _SHARE), 1), 19) * _SHARE, 2)
