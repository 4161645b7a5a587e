"""Training sets: a marked synthetic set as conversations, in the form in which chat models are commonly fine-tuned.

    train.jsonl         one example a line: {"messages": [system, user, assistant]}
    validation.jsonl    examples that a run should not learn from
    training-set.json   the mark, the digests of the card and of both files, how they were made

Each line carries the mark, too: the `name` of its system message, which says that it is synthetic and begins the digest
of the card. It stands there because it can stand nowhere else: OpenAI's form of a line allows `messages`, `tools`,
`parallel_tool_calls` and `functions`, and of a message `role`, `content`, `name` and `weight`. TRL reads `messages` and
passes over names, as most chat templates do: a model is not taught the mark.

Only marked sets become training sets, so that no real text or row does. It does not cover training, nor near duplicates
on both sides: the card says how many a set has.

Sources: https://platform.openai.com/docs/api-reference/fine-tuning/chat-input,
https://huggingface.co/docs/trl/dataset_formats
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.tools.synth.documents import Document, Value, parse_documents
from counterproof.tools.synth.marks import check_marks, read_cells, unmarked
from counterproof.tools.synth.text_sets import check_text_marks

TRAIN, VALIDATION, ABOUT = "train.jsonl", "validation.jsonl", "training-set.json"
FORMAT = "counterproof/training-set/1"
EXAMPLES_MIN = 10
_MARK = "synthetic-"
_DIGEST_SHOWN = 40
"""Hexadecimal digits of the card's digest in a name, which may have 64 characters."""
_WRITE_TEXT = "You write a synthetic clinical text about a made-up patient. The facts are given as JSON."
_WRITE_ROW = "You write one row of a synthetic table about a made-up patient, as JSON. The columns: {columns}."
_ROW_WANTED = "Write a row."
_PREDICT = "You say what holds for a made-up patient. Answer with the value of {column} alone."

Example = tuple[str, str, str]
"""What system, user and assistant say."""


def training_set(
    name: str, data: bytes, card: bytes, *, predict: str, validation_share: float, seed: int
) -> dict[str, bytes]:
    """Return the files of a training set.

    Args:
        name: of the synthetic file; `.jsonl` is texts, else a table.
        data: the synthetic file.
        card: its card.
        predict: the column, or attribute, that the assistant says; "" where it writes the text or the row.
        validation_share: of the examples, 0 to 0.5; drawn with the seed.
        seed: of the draw.

    Returns:
        Contents by file name.

    Raises:
        VerificationFailed: the file is not marked, or does not belong to the card.
        UsageError: there are too few examples, no such column, or the share leaves a side empty.
    """
    is_text = name.endswith(".jsonl")
    (check_text_marks if is_text else check_marks)(data, card)
    examples = _of_texts(data, name, predict) if is_text else _of_rows(data, name, predict)
    held = round(validation_share * len(examples))
    if len(examples) < EXAMPLES_MIN or held >= len(examples) or (validation_share > 0 and held == 0):
        raise UsageError(
            f"{name} gives {len(examples)} examples, {held} of them for validation.",
            allowed=f"At least {EXAMPLES_MIN} examples, and one on each side; a share of 0 for no validation.",
            advice="Make a larger set, or choose another --validation-share.",
        )
    digest = sha256_bytes(card)
    aside = set(np.random.default_rng(seed).permutation(len(examples))[:held].tolist())
    train = [one for at, one in enumerate(examples) if at not in aside]
    files = {TRAIN: _lines(train, digest)}
    if aside:
        files[VALIDATION] = _lines([examples[at] for at in sorted(aside)], digest)
    about = {
        "format": FORMAT,
        "synthetic": True,
        "mark": _mark(digest),
        "card_sha256": digest,
        "made_from": {"name": name, "sha256": sha256_bytes(data)},
        "assistant": f"says {predict}" if predict else "writes the text" if is_text else "writes the row",
        "examples": {"train": len(train), "validation": len(aside)},
        "seed": seed,
        "files": {file: sha256_bytes(content) for file, content in files.items()},
    }
    return {**files, ABOUT: (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode()}


def is_training_file(data: bytes) -> bool:
    """Say whether a file holds conversations, going by its first line."""
    try:
        first = json.loads(data.split(b"\n", 1)[0])
    except ValueError:
        return False
    return isinstance(first, dict) and "messages" in first


def check_training_marks(data: bytes, card: bytes) -> None:
    """Check that each line of a training set carries the mark of this card.

    Raises:
        VerificationFailed: a line is no conversation, or its mark is missing or another card's.
    """
    wanted = _mark(sha256_bytes(card))
    lines = [line for line in data.decode("utf-8", errors="replace").splitlines() if line.strip()]
    wrong = [number for number, line in enumerate(lines, start=1) if _mark_of(line) != wanted]
    if wrong or not lines:
        raise VerificationFailed(
            f"{len(wrong)} of {len(lines)} lines don't carry the mark {wanted!r}; the first is line {[*wrong, 0][0]}.",
            advice="Don't use the file; make it anew from the set that the card belongs to.",
        )


def _of_texts(data: bytes, name: str, predict: str) -> list[Example]:
    documents = parse_documents(data, source=name)
    if not predict:
        return [(_WRITE_TEXT, _order(one), one.text) for one in documents]
    return _predicted([(one.text, one.attributes) for one in documents], name, predict)


def _order(document: Document) -> str:
    """Return what a text is written from: all facts, or what was asked of it."""
    asked = document.asked
    if asked is None:
        return _json(document.attributes)
    facts = {name: value for name, value in document.attributes.items() if name in asked.facts}
    order = {"writer": asked.persona, "sections": list(asked.sections), "facts": facts}
    return json.dumps(order, ensure_ascii=False)


def _of_rows(data: bytes, name: str, predict: str) -> list[Example]:
    cells = unmarked(read_cells(data))
    rows = [
        {column: cell for column, cell in zip(cells, row, strict=True) if cell}
        for row in zip(*cells.values(), strict=True)
    ]
    if not predict:
        system = _WRITE_ROW.format(columns=", ".join(cells))
        return [(system, _ROW_WANTED, _json(row)) for row in rows]
    others = [{column: cell for column, cell in row.items() if column != predict} for row in rows]
    return _predicted([(_json(other), row) for other, row in zip(others, rows, strict=True)], name, predict)


def _predicted(items: Sequence[tuple[str, Mapping[str, Value]]], name: str, predict: str) -> list[Example]:
    """Return an example for each item (what is given, all that is known) that has the value."""
    known = sorted({column for _, row in items for column in row})
    if predict not in known:
        raise UsageError(
            f"{name} has no column {predict!r} to predict.", allowed=", ".join(known), advice="Check its name."
        )
    system = _PREDICT.format(column=predict)
    return [(system, given, _said(row[predict])) for given, row in items if predict in row]


def _said(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _json(row: Mapping[str, Value]) -> str:
    return json.dumps(row, ensure_ascii=False)


def _mark(digest: str) -> str:
    return f"{_MARK}{digest[:_DIGEST_SHOWN]}"


def _mark_of(line: str) -> str:
    try:
        return str(json.loads(line)["messages"][0]["name"])
    except (ValueError, LookupError, TypeError):
        return ""


def _lines(examples: Sequence[Example], digest: str) -> bytes:
    return b"".join(
        json.dumps(
            {
                "messages": [
                    {"role": "system", "name": _mark(digest), "content": system},
                    {"role": "user", "content": user},
                    {"role": "assistant", "content": assistant},
                ]
            },
            ensure_ascii=False,
        ).encode()
        + b"\n"
        for system, user, assistant in examples
    )
