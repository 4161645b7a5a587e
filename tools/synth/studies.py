"""What a study of a synthetic set does with the set: making it, finding what is wrong with it, and marking it anew.

Each function takes the specification that people approved. What judges a set is imported when it is called for, because
it takes more than a second.

It does not cover who approves what (`agents.synthesis_nodes`), nor asking a model (`agents.note_writing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from counterproof.tools.data import Table, read_table
from counterproof.tools.identifiers import Finding, subject_among
from counterproof.tools.synth.documents import Document, parse_documents
from counterproof.tools.synth.exhibits import Exhibit, blinded, of_documents, of_rows
from counterproof.tools.synth.makers import PRIVATE, Order
from counterproof.tools.synth.rules import Rule, parse_rules
from counterproof.tools.synth.specification import MODEL, SetSpecification
from counterproof.tools.synth.study_makers import Behind, asked_of_model, maker_of

if TYPE_CHECKING:
    from counterproof.tools.synth.evaluation.card import Assessment
    from counterproof.tools.synth.sets import SyntheticSet

SETS, SESSION = "synthetic", "review"
"""The folder of a store that holds sets, and that of a set which holds its rating session."""


def table_set(
    real: Table, specification: SetSpecification, *, findings: Sequence[Finding], behind: Behind, written: bytes
) -> SyntheticSet:
    """Make a table from real rows, and judge it.

    Args:
        real: the real rows.
        specification: what is to be made.
        findings: columns of it that may identify a person.
        behind: what stands behind the rows.
        written: rows that were written before; see `study_makers.maker_of`.

    Raises:
        UsageError: the specification does not fit the rows, or these are too few.
        ToolFailed: too few of the rows that a model wrote can be used.
    """
    from counterproof.tools.synth.evaluation.tables import Question  # lazy: judging takes a second to import
    from counterproof.tools.synth.sets import make_set  # lazy: see above

    every, rules = _with_left_out(specification, findings), _rules(real, specification)
    return make_set(
        real,
        maker_of(specification, rules, behind, written),
        findings=every,
        question=Question(
            model=specification.planned_model,
            outcome=specification.outcome,
            subgroups=specification.subgroups,
            rules=rules,
            hidden={finding.column for finding in every},
            seed=specification.seed,
        ),
        share=specification.holdout_share,
        rows=specification.rows or None,
        seed=specification.seed,
        blind=_is_blind(specification),
    )


def rows_to_write(
    real: Table, specification: SetSpecification, *, findings: Sequence[Finding], behind: Behind
) -> dict[str, Any]:
    """Return what a model is told that writes the rows of a table; see `study_makers.asked_of_model`."""
    from counterproof.tools.synth.sets import split_sides  # lazy: judging takes a second to import

    every = _with_left_out(specification, findings)
    sides = split_sides(
        real,
        share=specification.holdout_share,
        seed=specification.seed,
        hidden={finding.column for finding in every},
        subject=subject_among(every),
        blind=_is_blind(specification),
    )
    order = Order(findings=every, rows=specification.rows or sides.train.rows, seed=specification.seed)
    return asked_of_model(sides.train, order, specification, _rules(real, specification), behind)


def _with_left_out(specification: SetSpecification, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    hidden = {finding.column for finding in findings}
    left_out = [Finding(column=name, reason="left out") for name in specification.left_out if name not in hidden]
    return (*findings, *left_out)


def _rules(real: Table, specification: SetSpecification) -> list[Rule]:
    columns = [column.name for column in real.columns]
    return parse_rules(specification.rules, source="the specification", columns=columns)


def _is_blind(specification: SetSpecification) -> bool:
    """Say whether the hold-out must not depend on the rows."""
    return specification.made_by == PRIVATE


def texts_set(
    made: Sequence[Document], specification: SetSpecification, *, name: str, beside: Sequence[Document], model: str
) -> SyntheticSet:
    """Judge texts and mark them.

    Args:
        made: the texts.
        specification: what they were to be.
        name: of the table whose rows they are about.
        beside: texts that the model did not see.
        model: which model wrote them.

    Raises:
        UsageError: there are too few.
    """
    from counterproof.tools.synth.evaluation.texts import Texts  # lazy: judging takes a second to import
    from counterproof.tools.synth.text_sets import text_set  # lazy: see above

    assert specification.texts is not None
    facts = {"maker": MODEL, "model": model, "how": "from the rows of a synthetic table", "seed": specification.seed}
    texts = Texts(
        name=name,
        made=made,
        sources=(),
        sources_name="",
        holdout=beside,
        specification=specification.texts,
        maker=facts,
        seed=specification.seed,
    )
    return text_set(texts, write=True)


def marked_anew(name: str, data: bytes, card: bytes, sections: Mapping[str, Assessment]) -> SyntheticSet:
    """Return a set whose card holds what people said, marked with that card; see `text_sets.with_sections`."""
    from counterproof.tools.synth.text_sets import with_sections  # lazy: judging takes a second to import

    return with_sections(name, data, card, sections)


def items_of(name: str, data: bytes) -> list[Exhibit]:
    """Return the items of a file as who looks at a sample sees them."""
    if name.endswith(".jsonl"):
        return of_documents(parse_documents(data, source=name))
    return of_rows(read_table(name, data))


def blinded_items_of(name: str, data: bytes) -> list[Exhibit]:
    """Return the items of a file as raters see them."""
    return blinded(parse_documents(data, source=name)) if name.endswith(".jsonl") else items_of(name, data)


def found_in_texts(documents: Sequence[Document], specification: SetSpecification) -> list[dict[str, str]]:
    """Return what is wrong with texts, each with the document that it is about.

    Texts that differ in their numbers alone are the same.
    """
    from counterproof.tools.synth.evaluation import text_metrics as of  # lazy: see above
    from counterproof.tools.synth.signals import heart_rate  # lazy: see above

    assert specification.texts is not None
    form, rows = specification.texts, list[dict[str, str]]()
    for document in documents:
        rows += [_row("contradiction", document, said) for said in of.contradictions(document, form)]
        rows += [_row("identifier", document, said) for said in _identifying(document)]
        if form.rate and document.signal is not None and form.rate in document.attributes:
            wanted, shown = float(document.attributes[form.rate]), heart_rate(document.signal)
            if shown is None or abs(shown - wanted) > 0.05 * wanted:
                rows.append(_row("signal", document, f"the table says {wanted:g} beats a minute, the signal {shown}"))
        seen = of.seen_in_image(document, form)
        if seen is not None and not seen.agrees:
            rows.append(_row("image", document, "the image shows another lesion than the table says, or none"))
    every = [["0" if word[0].isdigit() else word for word in of.words(document.text)] for document in documents]
    rows += [
        _row("duplicate", documents[one], f"nearly the same as {documents[other].id}") for one, other in of.alike(every)
    ]
    return rows


def _identifying(document: Document) -> list[str]:
    from counterproof.tools.identifier_text import find_in_text  # lazy: see above

    return sorted({str(span.kind) for span in find_in_text(document.text)})


def _row(kind: str, document: Document, text: str) -> dict[str, str]:
    return {"kind": kind, "item": document.id, "text": text}
