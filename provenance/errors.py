"""The errors of Counterproof, one tree for all folders.

Each class says who can do something about it; a text says what happened, with the value, what is
allowed, and what to do next. The parts stay on the object, and the text is made from them.

    CounterproofError
    ├── UsageError          the caller's mistake; exit code 2
    ├── ModelMayRetry       the model's answer is unusable; the model is told and may try again
    ├── ToolFailed          a part failed for good; exit code 1
    │   └── VerificationFailed   a check or a verification failed; exit code 1
    ├── DecisionRequired    a person must decide; exit code 3
    └── MachineTrouble      isolation missing, store unreachable, endpoint down; exit code 4

It does not cover errors of programs in the sandbox: those are results (`sandbox.Execution`), never exceptions.
"""

from __future__ import annotations

from typing import ClassVar


class CounterproofError(Exception):
    """Base of all errors that Counterproof raises on purpose.

    Attributes:
        what: what happened, with the value that was met.
        allowed: what would have been right ("" where that is no question).
        advice: what to do next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, allowed: str = "", advice: str = "") -> None:
        self.what = what
        self.allowed = allowed
        self.advice = advice
        super().__init__(" ".join(part for part in (what, allowed, advice) if part))


class UsageError(CounterproofError):
    """The caller's mistake: a wrong argument, file or order of steps. Nothing was changed."""

    exit_code = 2


class ModelMayRetry(CounterproofError):
    """The model's answer can't be used; the text is written for the model, which may try again."""


class ToolFailed(CounterproofError):
    """A part failed for good; trying the same again gives the same."""


class VerificationFailed(ToolFailed):
    """Something that was checked does not hold: a changed byte, a missing approval, an unresolved number."""


class DecisionRequired(CounterproofError):
    """The study waits for a person; nothing goes on without a recorded decision."""

    exit_code = 3


class MachineTrouble(CounterproofError):
    """The machine can't do it now: isolation missing, store locked or unreachable, endpoint down."""

    exit_code = 4
