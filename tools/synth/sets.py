"""A synthetic set: the marked file, its card, the report and the summary, which belong together by digests.

    <name>.synthetic.csv   rows, marked, with the digest of the card in each
    card.json              the evaluation card, with the digest of the rows
    report.html            the card as a page with pictures
    summary.md             one page in plain words

It does not cover who may see it: a card looks at real rows, and a person decides what leaves.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.tools.data import Table, read_table
from counterproof.tools.identifiers import Finding, subject_among
from counterproof.tools.synth.evaluation.card import Card
from counterproof.tools.synth.evaluation.tables import Question, Sides, evaluate_table
from counterproof.tools.synth.makers import Maker, Order
from counterproof.tools.synth.marks import content_digest, read_cells, unmarked, write_content, write_marked
from counterproof.tools.synth.report import to_html, to_summary
from counterproof.tools.synth.splitting import split

CARD, REPORT, SUMMARY = "card.json", "report.html", "summary.md"
_NO_SPLIT = "none"


@dataclass(frozen=True, kw_only=True)
class SyntheticSet:
    """What was made.

    Attributes:
        card: its evaluation.
        files: contents by file name; the rows only where they were made here.
    """

    card: Card
    files: Mapping[str, bytes]


def set_name(name: str) -> str:
    """Return the name of a synthetic file, which says what it is."""
    return f"{PurePath(name).name.partition('.')[0]}.synthetic.csv"


def make_set(
    real: Table,
    make: Maker,
    *,
    findings: tuple[Finding, ...],
    question: Question,
    share: float,
    rows: int | None,
    seed: int,
    blind: bool = False,
) -> SyntheticSet:
    """Make a synthetic table, judge it, and mark it with its card.

    Args:
        real: the real data.
        make: the maker.
        findings: columns that may identify a person.
        question: what the card is asked for.
        share: of the real rows, that the maker does not see; 0 for none.
        rows: how many to make; None for as many as the maker sees.
        seed: of split and maker.
        blind: whether the hold-out must not depend on the rows: for a maker with differential privacy.

    Raises:
        UsageError: the real data are synthetic, or too few, or the question doesn't fit them.
    """
    hidden, subject = {finding.column for finding in findings}, subject_among(findings)
    sides = split_sides(real, share=share, seed=seed, hidden=hidden, subject=subject, blind=blind)
    order = Order(findings=findings, rows=rows or sides.train.rows, seed=seed)
    made = make(sides.train, order)
    name = set_name(real.name)
    facts = {**made.facts, "seed": seed, "holdout_share": share, "rows": order.rows, "marks": "in every row"}
    facts |= {"subject": subject} if subject else {}
    card = evaluate_table(
        sides,
        read_table(name, write_content(made.cells)),
        question,
        content=content_digest(made.cells),
        maker=facts,
    )
    return SyntheticSet(card=card, files={name: write_marked(made.cells, card=card.digest), **pages(card)})


def judge_file(
    real: Table, name: str, data: bytes, *, question: Question, holdout: Table | None, made_with: bytes | None
) -> SyntheticSet:
    """Judge a synthetic file that is there.

    Args:
        real: the real data.
        name: of the synthetic file.
        data: its bytes.
        question: what the card is asked for.
        holdout: real rows that the maker did not see; `real` is then what it saw.
        made_with: the card that `make_set` wrote: tells how the real rows were split.

    Raises:
        UsageError: the files don't fit each other.
    """
    cells = read_cells(data)
    maker: dict[str, Any] = {}
    sides = Sides(train=real, holdout=holdout, said="a file of its own" if holdout else _NO_SPLIT)
    if made_with is not None:
        maker = _maker(made_with, content=content_digest(cells))
        if float(maker.get("holdout_share", 0)) > 0 and holdout is None:
            share, seed = float(maker["holdout_share"]), int(maker["seed"])
            blind = maker.get("epsilon") is not None
            subject = str(maker.get("subject", ""))
            sides = split_sides(real, share=share, seed=seed, hidden=question.hidden, subject=subject, blind=blind)
    table = read_table(set_name(name), write_content(unmarked(cells)))
    card = evaluate_table(sides, replace(table, name=name), question, content=content_digest(cells), maker=maker)
    return SyntheticSet(card=card, files=pages(card))


def split_sides(
    real: Table, *, share: float, seed: int, hidden: Collection[str], subject: str = "", blind: bool = False
) -> Sides:
    """Split the real rows, as `splitting.split` does; the same share, seed and file give the same rows."""
    if share == 0:
        return Sides(train=real, holdout=None, said=_NO_SPLIT)
    both = split(real, share=share, seed=seed, hidden=hidden, subject=subject, blind=blind)
    said = f"{share:g} of the {'rows' if blind else 'subjects'}, drawn with seed {seed}"
    return Sides(train=both.train, holdout=both.holdout, said=said)


def pages(card: Card) -> dict[str, bytes]:
    """Return the card, its report and its summary."""
    return {CARD: card.to_bytes(), REPORT: to_html(card).encode(), SUMMARY: to_summary(card).encode()}


def _maker(card: bytes, *, content: str) -> dict[str, Any]:
    try:
        about = json.loads(card)["provenance"]
        maker: dict[str, Any] = about["maker"]
        of = about["content_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "The card can't be read: it has no provenance.", advice="Give the card.json that `synth make` wrote."
        ) from error
    if of != content:
        raise UsageError(
            f"The card {sha256_bytes(card)[:12]} is over other rows than those of the file.",
            advice="Give the card that was written with the file.",
        )
    return maker
