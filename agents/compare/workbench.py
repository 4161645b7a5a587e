"""What an arm works with: the cell, the model, and trials of programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from langchain_core.messages import BaseMessage

from counterproof.agents.chat import Answer, Chat
from counterproof.agents.compare.cell import Category, Cell
from counterproof.agents.compare.place import CellPlace
from counterproof.agents.compare.spending import spent_so_far
from counterproof.agents.compare.trials import TrialRoom
from counterproof.agents.nodes.write import LIBRARIES
from counterproof.agents.prompts import fill
from counterproof.agents.runner import Runner
from counterproof.agents.study import Workplace
from counterproof.sandbox import Environment

_LANGUAGE = {"python": "Python", "r": "R"}


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What an arm came to.

    Attributes:
        program: the program that gave the answer; "" where there is none.
        outputs: what it wrote, by name; read by the scoring alone.
        fault: why there is no answer; None where there is one to be scored.
        detail: the same in words.
    """

    program: str = ""
    outputs: Mapping[str, bytes] | None = None
    fault: Category | None = None
    detail: str = ""


class OverLimit(Exception):
    """The cell has used up its tokens or its money; the text says which."""


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """One cell at work.

    Attributes:
        cell: which.
        place: where it is kept.
        chat: the model.
        room: runs trials.
        runner: returns what runs studies of a workplace with the same model and sandbox.
    """

    cell: Cell
    place: CellPlace
    chat: Chat
    room: TrialRoom
    runner: Callable[[Workplace], Runner]

    def ask(self, key: str, messages: list[BaseMessage]) -> Answer:
        """Ask the model, once for this key.

        Raises:
            OverLimit: the cell has used up its tokens or its money.
            MachineTrouble: the endpoint can't be used.
        """
        used, limits = spent_so_far(self.cell, self.place.record), self.cell.limits
        if used.tokens_in + used.tokens_out >= limits.tokens:
            raise OverLimit(f"the cell has used {used.tokens_in + used.tokens_out:,} of {limits.tokens:,} tokens")
        if used.cost > limits.cost:
            raise OverLimit(f"the cell has cost {used.cost:.2f} of {limits.cost:.2f}")
        return self.chat.complete(key, messages, response_format=None)

    @property
    def data(self) -> dict[str, str]:
        """The data files by name."""
        return self.cell.task.data

    def told(self, prompt: str) -> str:
        """Fill in a prompt with what the model may know of the task."""
        return fill(
            prompt,
            language=_LANGUAGE[self.cell.language],
            question=self.cell.task.question,
            about=self.cell.prepared.about,
            output=output_form(self.cell),
            packages=", ".join(_packages(self.room.environment)),
            wall_s=str(self.cell.limits.wall_s),
            repairs=str(self.cell.max_repairs),
        )


def output_form(cell: Cell) -> str:
    """Return what a program has to write."""
    asked = cell.task.prediction
    if asked is None:
        assert cell.task.analysis is not None
        return fill("compare_numbers", ids=", ".join(cell.task.analysis.results))
    columns = f"`{asked.id_column}` and `prediction`"
    score = ""
    if asked.classes:
        first, second = asked.classes
        columns = f"`{asked.id_column}`, `prediction` ({first} or {second}) and `score`"
        score = f" `score` is a number that is higher the more likely {second} is."
    return fill(
        "compare_predictions", test=asked.test, train=asked.train, target=asked.target, columns=columns, score=score
    )


def _packages(environment: Environment) -> list[str]:
    if environment.language == "r":
        return ["base R", *environment.packages]
    named = (library.partition("==") for library in environment.distributions)
    return [f"{name} {version}" for name, _, version in named if name.lower() in LIBRARIES]
