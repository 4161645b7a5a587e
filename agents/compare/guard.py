"""The last look before a request of a comparison leaves: nothing that is held out is in it.

A request is refused when, for any three test samples, it holds the sample's name with its label close behind, or a
held-out number beside the id of its result. What the model itself said is not looked at: it may know published answers
from its training, which the probes find. Training data of a task are open, so rows of them may be said.

Labels are read when the first request is looked at, and stay in the memory of the worker, which does the scoring too.
"""

from __future__ import annotations

import json
import re
from functools import cached_property

from counterproof.tools.rowguard import Hit, RowInRequest
from counterproof.tools.tasks import PlacedTask, read_answers, read_labels

_FEWEST = 3
_BETWEEN = r"[\"'\s,;:=|\\t]{1,6}"


class HeldOutGuard:
    """Refuses requests that hold what is held out.

    Args:
        placed: the task with its answers.
    """

    def __init__(self, placed: PlacedTask) -> None:
        self._placed = placed

    def check(self, body: bytes) -> None:
        """Let a request pass.

        Raises:
            RowInRequest: it holds held-out answers; the text does not repeat them.
        """
        messages = json.loads(body)["messages"]
        text = "\n".join(str(message["content"]) for message in messages if message["role"] != "assistant")
        names = [name for name, _ in self._pairs if name in text]
        if len(names) < self._least:
            return
        found = sum(re.search(pattern, text) is not None for name, pattern in self._pairs if name in text)
        if found >= self._least:
            raise RowInRequest([Hit(file="the held-out answers", what="column", message=0, words=0)])

    @property
    def _least(self) -> int:
        return min(_FEWEST, len(self._pairs))

    @cached_property
    def _pairs(self) -> list[tuple[str, str]]:
        if self._placed.task.prediction is not None:
            labels = read_labels(self._placed)
            pairs = list(zip(labels.ids, labels.values, strict=True))
        else:
            answers = read_answers(self._placed)
            pairs = [(name, f"{one.value:g}") for name, one in answers.expected.items() if one.value is not None]
        return [(name, f"{re.escape(name)}{_BETWEEN}{re.escape(value)}") for name, value in pairs]
