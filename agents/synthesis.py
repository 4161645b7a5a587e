"""Synthetic rows by a language model: asked for in batches, checked row by row, all calls in a record.

The model gets a specification and what a person wrote about the table; every request passes the guard. Rows as examples
it gets only at the exposure `rows`: for open data, chosen by a person, and said on the card. With the same record the
same rows come out and no call is made again.

It does not cover the training of a model: a fine-tuned one is asked like any other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, Field

from counterproof.agents.answers import ask
from counterproof.agents.chat import Chat
from counterproof.agents.prompts import fill, quoted, shown
from counterproof.provenance.errors import ModelMayRetry, ToolFailed, UsageError
from counterproof.tools.data import Table
from counterproof.tools.exposure import Exposure
from counterproof.tools.synth.makers import Made, Order
from counterproof.tools.synth.rules import Rule, find_rules
from counterproof.tools.synth.study_makers import how_guided
from counterproof.tools.synth.written_rows import (
    Cell,
    Specification,
    Taken,
    completed,
    example_rows,
    known_rows,
    specification_of,
    take_rows,
)

BATCH = 25
_FAULTS_SHOWN = 8
_MORE = 2.0
"""So many times the batches that would do are asked for before it is given up."""


class Rows(BaseModel):
    """Rows that a model wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: list[list[Cell]] = Field(min_length=1)
    """Each a list of cells in the order of the columns."""


class ModelMaker:
    """Makes rows by asking a model.

    Args:
        chat: the model.
        about: what a person knows of the table; "" for nothing but the specification.
        rules: rules that rows must keep, beside those that real rows keep.
        examples: how many real rows the model sees.
        exposure: what it may see of the table.
        say: is told of progress.

    Raises:
        UsageError: examples are asked for, and the exposure does not allow rows.
    """

    def __init__(
        self,
        chat: Chat,
        *,
        about: str = "",
        rules: Sequence[Rule] = (),
        examples: int = 0,
        exposure: Exposure = "metadata",
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        if examples and exposure != "rows":
            raise UsageError(
                f"{examples} real rows are asked for as examples; at the exposure {exposure!r} the model sees none.",
                allowed="Examples at the exposure 'rows' alone: open data, chosen by a person.",
                advice="Ask without examples, or open the data for the model if they are public.",
            )
        self._chat = chat
        self._examples = examples
        self._about = about
        self._rules = rules
        self._say = say

    def __call__(self, train: Table, order: Order) -> Made:
        """Make rows.

        Raises:
            ToolFailed: the model wrote too few usable rows.
            MachineTrouble: the endpoint can't be used.
        """
        specification = specification_of(train, order, [*self._rules, *find_rules(train)])
        if not specification.wanted:
            raise ToolFailed(f"{train.name} has no column that may be specified.", advice="Take another maker.")
        taken = Taken(known=known_rows(train, specification))
        shown_rows = example_rows(train, specification, count=self._examples, seed=order.seed)
        write_rows(
            self._chat, specification, taken, rows=order.rows, about=self._about, examples=shown_rows, say=self._say
        )
        del taken.rows[order.rows :]
        made = completed(train, order, specification, taken)
        guided = how_guided(about=self._about, examples=len(shown_rows))
        facts = {"maker": "model", "model": self._chat.config.model, "how": guided, "epsilon": None, **made.facts}
        return Made(cells=made.cells, facts={**facts, "examples": len(shown_rows)})


def write_rows(
    chat: Chat,
    specification: Specification,
    taken: Taken,
    *,
    rows: int,
    about: str,
    examples: Sequence[Sequence[str]],
    under: str = "synth/rows",
    say: Callable[[str], None] = lambda _line: None,
    sent_back: Callable[[str, Sequence[str]], None] = lambda _batch, _faults: None,
) -> None:
    """Have a model write rows until enough are taken.

    Args:
        chat: the model.
        specification: what it is told, and what each row is checked against.
        taken: gets the rows.
        rows: how many are wanted.
        about: what a person knows of the table; "" for nothing.
        examples: rows of open data that it sees.
        under: begins the keys of the calls.
        say: is told of progress.
        sent_back: is told what went back to the model, and in which batch.

    Raises:
        ToolFailed: the model wrote too few usable rows.
        MachineTrouble: the endpoint can't be used.
    """
    batches = math.ceil(rows / BATCH)
    told = _told(examples)
    for batch in range(1, math.ceil(_MORE * batches) + 1):
        text = fill(
            "synthesist_task",
            specification=shown(specification.told()),
            about=quoted(about) if about else "Nothing more is known.",
            examples=told,
            rows=str(BATCH),
            batch=str(batch),
            batches=str(batches),
        )
        conversation: list[BaseMessage] = [SystemMessage(fill("synthesist")), HumanMessage(text)]
        before = len(taken.rows)
        ask(chat, f"{under}/{batch}", conversation, Rows, check=_taking(specification, taken, str(batch), sent_back))
        say(f"batch {batch}: {len(taken.rows) - before} rows taken, {len(taken.rows)} of {rows}")
        if len(taken.rows) >= rows:
            return
    raise ToolFailed(
        f"The model wrote {len(taken.rows)} usable rows of {rows} in {batch} batches; refused: {dict(taken.refused)}.",
        advice="Ask for fewer rows, or take another model.",
    )


def _taking(
    specification: Specification, taken: Taken, batch: str, sent_back: Callable[[str, Sequence[str]], None]
) -> Callable[[Rows], None]:
    """Return what takes the rows of an answer, and sends it back where half of them can't be used."""

    def check(answer: Rows) -> None:
        had = len(taken.rows)
        faults = take_rows(answer.rows, specification, taken)
        if len(taken.rows) - had < len(answer.rows) / 2:
            sent_back(batch, faults)
            raise ModelMayRetry(
                f"{len(faults)} of {len(answer.rows)} rows can't be used: {'; '.join(faults[:_FAULTS_SHOWN])}.",
                allowed="Keep the specification in every cell. The other rows were taken; write new ones.",
            )

    return check


def _told(rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return fill("synthesist_unseen")
    lines = "\n".join(json.dumps([cell or None for cell in row], ensure_ascii=False) for row in rows)
    return fill("synthesist_examples", rows=quoted(lines))
