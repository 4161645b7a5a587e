"""What was seen of a program while it ran, and how a check says what it found."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

Finding = dict[str, Any]

SUBJECT = re.compile(
    r"^(id|subj|subject|patient|participant|pid|person|mother|animal|mouse|rat|child|seqn|case)"
    r"([._]?(id|no|nr|number|code|key))?$",
    re.IGNORECASE,
)
CLUSTER = re.compile(
    r"^(litter|cage|family|household|village|cluster)([._]?id)?$|^(practice|school|class|ward)[._]?id$", re.IGNORECASE
)


@dataclass
class Fit:
    """One model that the program fitted.

    `x` holds the predictors (rows × columns of `names`, without the constant), `y` the outcome or the event
    indicator, `time` the follow-up of survival models; rows with missing values are not in them.
    """

    kind: str
    line: int
    names: list[str]
    x: np.ndarray[Any, Any]
    y: np.ndarray[Any, Any]
    time: np.ndarray[Any, Any] | None = None
    entry: bool = False
    clustered: bool = False
    robust: bool = False
    converged: bool = True
    rows: int = 0
    raw: Any = None
    dropped: int = 0


@dataclass
class Tested:
    """One hypothesis test that the program made: its function, the samples or the table, and p."""

    name: str
    line: int
    args: tuple[Any, ...]
    named: dict[str, Any]
    p: float | None


@dataclass
class Learned:
    """One call of scikit-learn: `what` is its name, `model` the class of the estimator."""

    what: str
    line: int
    model: str
    x: Any
    y: Any
    named: dict[str, Any] = field(default_factory=dict)


@dataclass
class Scored:
    """One metric of predictions: the true labels, the predictions, and the number."""

    name: str
    line: int
    truth: np.ndarray[Any, Any]
    guess: np.ndarray[Any, Any]
    value: float


@dataclass
class Seen:
    """Everything that a check may look at.

    Attributes:
        plan: its words in lower case, and what it names: outcome, exposure, covariates, strata, subject, tests.
        calls: the calls that stand in the program's text, in either language, by the static reading.
        numbers: the numbers that stand in the program's text.
        frames: the files as they are, by name; a cell that pandas reads as missing is missing.
        fits, tests, learned, scored: what the program did; empty for a program that is not in Python.
        warned: class and first line of each warning, also of those that the program suppressed.
        results: the result rows that the program wrote, and `flow` its participants.
        permuted: the result rows on data whose outcome was permuted; None where that was not tried.
    """

    plan: dict[str, Any]
    language: str
    calls: list[dict[str, Any]]
    numbers: list[float]
    text: str
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    fits: list[Fit] = field(default_factory=list)
    tests: list[Tested] = field(default_factory=list)
    learned: list[Learned] = field(default_factory=list)
    scored: list[Scored] = field(default_factory=list)
    crossed: list[tuple[str, ...]] = field(default_factory=list)
    warned: list[tuple[str, str]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    flow: dict[str, Any] = field(default_factory=dict)
    permuted: list[dict[str, Any]] | None = None

    def called(self, *names: str) -> list[dict[str, Any]]:
        """Return the calls in the text whose last name is one of these."""
        return [call for call in self.calls if call["last"] in names]

    def frame(self) -> pd.DataFrame:
        """Return the largest file, on which the analysis rests; empty where nothing could be read."""
        return max(self.frames.values(), key=len, default=pd.DataFrame())

    def used(self) -> set[str]:
        """Return the columns of the data that the program's text names."""
        words = set(re.findall(r"[A-Za-z_][\w.]*", self.text))
        words |= {part for word in words for part in word.split(".")}
        return {column for column in map(str, self.frame().columns) if column in words}

    def subject(self) -> str:
        """Return the column that names the subject where it has several rows each; "" where there is none."""
        frame = self.frame()
        known = self.plan.get("subject") or ""
        for column in map(str, frame.columns):
            if column == known or SUBJECT.match(column):
                filled = frame[column].dropna()
                if len(filled) and len(filled) / filled.nunique() >= 1.2:
                    return column
        return ""

    def cluster(self) -> str:
        """Return the column that names a cluster of subjects; "" where there is none."""
        frame = self.frame()
        return next(
            (c for c in map(str, frame.columns) if CLUSTER.match(c) and 1 < frame[c].nunique() < len(frame) / 1.2), ""
        )


def judged(id_: str, title: str, *, fail: list[str] = (), warn: list[str] = (), looked_at: str) -> Finding:  # type: ignore[assignment]
    """Return the verdict: any `fail` fails, else any `warn` warns, else it passes with what was looked at."""
    verdict = "fail" if fail else "warn" if warn else "pass"
    return {"id": id_, "title": title, "verdict": verdict, "evidence": [*fail, *warn][:12] or [looked_at]}


def not_applicable(id_: str, title: str, why: str) -> Finding:
    """Return that there was nothing to look at, and why."""
    return {"id": id_, "title": title, "verdict": "not_applicable", "evidence": [why]}


def numeric(frame: pd.DataFrame, column: str) -> np.ndarray[Any, Any]:
    """Return the numbers of a column without missing ones; empty where it holds no numbers."""
    return pd.to_numeric(frame[column], errors="coerce").dropna().to_numpy(float)


def kept(seen: Seen, column: str, values: set[float]) -> bool | None:
    """Say whether rows with one of these values in this column reached a model; None where that is not known."""
    known = None
    for fit in seen.fits:
        held = [fit.x[:, at] for at, name in enumerate(fit.names) if name == column or name == f"Q('{column}')"]
        if held:
            known = bool(known) or any(bool(np.isin(part, list(values)).any()) for part in held)
    return known
