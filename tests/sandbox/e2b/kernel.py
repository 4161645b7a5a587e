"""A small stand-in for a Jupyter kernel: runs cells that come as JSON lines, and says what they do as NDJSON.

Runs alone as `python kernel.py`; imports nothing of ours.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

_WIRE = os.fdopen(os.dup(1), "w", encoding="utf-8")
_INPUT = os.fdopen(os.dup(0), encoding="utf-8")


def say(kind: str, **about: Any) -> None:
    _WIRE.write(json.dumps({"type": kind, **about}) + "\n")
    _WIRE.flush()


class Stream:
    """What a cell prints to."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def write(self, text: str) -> int:
        if text:
            say(self._kind, text=text, timestamp=datetime.now(UTC).isoformat())
        return len(text)

    def flush(self) -> None:
        """Nothing waits here."""


def run(code: str, names: dict[str, Any]) -> None:
    """Run a cell; the value of a last expression is its main result."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
        if value is not None:
            say("result", text=repr(value), is_main_result=True)


def main() -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    sys.stdout, sys.stderr = Stream("stdout"), Stream("stderr")
    for count, line in enumerate(_INPUT, 1):
        cell = json.loads(line)
        say("number_of_executions", execution_count=count)
        before = dict(os.environ)
        os.environ.update(cell["env_vars"] or {})
        try:
            run(cell["code"], names)
        except BaseException as error:
            text = traceback.format_exc()
            say("error", name=type(error).__name__, value=str(error), traceback=text)
        finally:
            os.environ.clear()
            os.environ.update(before)
        say("end_of_execution")


if __name__ == "__main__":
    main()
