"""What a script reads out of a prompt: the form of the answer, as `compare_predictions` and `compare_numbers` say."""

from __future__ import annotations

import re
from dataclasses import dataclass

from counterproof.sandbox import Language

_TEST = re.compile(r"one row for each sample of (\S+) and the columns `([^`]+)`")
_CLASSES = re.compile(r"`prediction` \((\S+) or ([^)]+)\)")
_TARGET = re.compile(r"The target is `([^`]+)` of ([\w.-]+?)\.(?=[\s\"\\]|$)")
_NUMBERS = re.compile(r"with one result for each of these ids: ([^.]+)\.")
_LANGUAGE = re.compile(r"(?:one program|the program|one analysis program) in (Python|R)\b")
_FEATURE = re.compile(r"columns: (.+)")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a prompt asks for.

    Attributes:
        language: the language of the program; None where a prompt asks for none yet.
        train: the file with the target; "" where numbers are asked for.
        test: the file without it.
        id: the column that names a sample.
        target: what is to be predicted.
        classes: its two classes; empty for a number.
        feature: the name of some other column.
        numbers: the ids of the results; empty where predictions are asked for.
    """

    language: Language | None
    train: str = ""
    test: str = ""
    id: str = ""
    target: str = ""
    classes: tuple[str, ...] = ()
    feature: str = ""
    numbers: tuple[str, ...] = ()


def read_prompt(text: str) -> Asked:
    """Read what the messages of a request, joined, ask for."""
    found = _LANGUAGE.findall(text)
    language: Language | None = None if not found else "python" if found[-1] == "Python" else "r"
    ids = _NUMBERS.search(text)
    if ids is not None:
        return Asked(language=language, numbers=tuple(ids.group(1).split(", ")))
    test, target, classes = _TEST.search(text), _TARGET.search(text), _CLASSES.search(text)
    if test is None or target is None:
        return Asked(language=language)
    listed = _FEATURE.search(text)
    names = [part.partition(" ")[0] for part in listed.group(1).split(", ")] if listed else []
    others = [name for name in names if name not in (test.group(2), target.group(1))]
    return Asked(
        language=language,
        train=target.group(2),
        test=test.group(1),
        id=test.group(2),
        target=target.group(1),
        classes=(classes.group(1), classes.group(2)) if classes else (),
        feature=others[0] if others else "",
    )
