"""Warnings that libraries gave while a program ran, as data: read from its standard error, and from the check program.

Python and R print a warning in a form of their own; a message is known by its first line. What a program silences is
not printed: of the primary program in Python the check program notes these, too.

It does not cover silenced warnings of other programs, what a library prints in a form of its own, nor whether a warning
matters: that is for the check on convergence and for people. A program can print what looks like a warning.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict

from counterproof.sandbox import Language
from counterproof.sandbox.orders import Role

TEXT_MAX = 160
"""Longer first lines are cut."""
WARNINGS_MAX = 50
"""So many different warnings of a program are kept; one more line says that there were others."""
_OTHERS = "more different warnings than are listed"
_PYTHON = re.compile(r"(?:/[^:]*|<[^>]*>):\d+: (?P<kind>[A-Za-z_][\w.]*): (?P<text>.*)")
# With `warn = 1`, in which the sandbox runs R; a long call has the message on the next line.
_R = re.compile(r"Warning(?: in (?P<call>.*?))? ?: ?(?P<text>.*)")
_R_LATER = re.compile(r"Warning messages?:")
_R_NUMBERED = re.compile(r"\d+: (?P<rest>.*)")
_R_CALL = re.compile(r"In (?P<call>.*?) : ?(?P<text>.*)")


class LibraryWarning(BaseModel):
    """One warning of a program, however often it came."""

    model_config = ConfigDict(frozen=True)

    program: Role
    """Role of the program."""
    kind: str
    """Class of the warning; in R the function that gave it, "" where that is not known."""
    text: str
    """First line of the message; may hold a number computed from real data."""
    times: int
    """How often it was printed; 0 for one that was not."""

    def in_words(self) -> str:
        """Return it in one line."""
        often = {0: "not printed", 1: "once"}.get(self.times, f"{self.times} times")
        return f"{self.program} program, {self.kind or 'warning'}: {self.text} ({often})"


def warnings_of(
    program: Role, stderr: str, language: Language, *, noted: Iterable[tuple[str, str]] = ()
) -> list[LibraryWarning]:
    """Return the different warnings of one execution in the order in which they came, then those that were not printed.

    Args:
        program: its role.
        stderr: what it printed on standard error.
        language: its language.
        noted: class and first line of each warning that the check program saw of it, printed or not.
    """
    lines = stderr.splitlines()
    times = Counter(_in_python(lines) if language == "python" else _in_r(lines))
    for kind, text in noted:
        times.setdefault((kind, _cut(text)), 0)
    found = [LibraryWarning(program=program, kind=kind, text=text, times=n) for (kind, text), n in times.items()]
    if len(found) > WARNINGS_MAX:
        others = len(found) - WARNINGS_MAX
        return [*found[:WARNINGS_MAX], LibraryWarning(program=program, kind="", text=_OTHERS, times=others)]
    return found


def _in_python(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if found := _PYTHON.fullmatch(line):
            yield found["kind"].rpartition(".")[2], _cut(found["text"])


def _in_r(lines: list[str]) -> Iterator[tuple[str, str]]:
    for at, line in enumerate(lines):
        after = lines[at + 1] if at + 1 < len(lines) else ""
        if _R_LATER.fullmatch(line):
            numbered = [found["rest"] for one in lines[at + 1 :] if (found := _R_NUMBERED.fullmatch(one))]
            for text in numbered if "messages" in line else [after]:
                call = _R_CALL.fullmatch(text)
                yield _function(call["call"] if call else None), _cut(call["text"] if call else text)
        elif found := _R.fullmatch(line):
            yield _function(found["call"]), _cut(found["text"] or after)


def _function(call: str | None) -> str:
    return (call or "").partition("(")[0][:60]


def _cut(text: str) -> str:
    return text.strip()[:TEXT_MAX]
