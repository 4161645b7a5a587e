"""Words in outputs: a label, a note or a cell can carry what a program read, plainly or encoded.

Definition. Free text is a cell or name longer than `TEXT_MAX` characters. A hidden message is a run of `RUN_MIN`
characters that reads like base64, hexadecimal or a long number, or characters that nobody sees. A quotation is a value
of the data's text columns that fewer than K persons have.

It does not cover a message in ordinary words, or spread over several items: a person reads them all.

References
----------
Griffiths et al., 2019 (see `small_cells`), "Text".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from counterproof.tools.data import Table
from counterproof.tools.disclosure.item import DisclosureFinding
from counterproof.tools.profile import K
from counterproof.tools.results import Result

CHECK = "words"
TEXT_MAX = 60
RUN_MIN = 24
_RUN = re.compile(rf"[A-Za-z0-9+/_=-]{{{RUN_MIN},}}")
_DIGITS = re.compile(r"\d(?:[\d.,;:|_-]){14,}")
_UNSEEN = frozenset({"Cf", "Co", "Cn", "Cs"})
_QUOTED_MIN = 4


class Words:
    """Looks for words that fewer than K persons have in the text columns.

    Parameters
    ----------
    tables : sequence of Table
        The real data.
    known : str
        Text that was fixed before any program read the data, such as the plan: a value that stands in it tells nothing.
    """

    def __init__(self, tables: Sequence[Table], known: str = "") -> None:
        self._rare: dict[str, str] = {}
        said = frozenset(_runs(_words(known)))
        for table in tables:
            for column in table.columns:
                if column.kind in ("text", "date"):
                    counts = column.values.value_counts()
                    for value in counts.index[counts < K]:
                        if len(str(value)) >= _QUOTED_MIN and " ".join(_words(str(value))) not in said:
                            self._rare[str(value).casefold()] = column.name

    def look(self, place: str, text: str, *, free: bool = True) -> list[DisclosureFinding]:
        """Look at one piece of text.

        Parameters
        ----------
        place : str
            Where it stands.
        text : str
            What it says.
        free : bool
            Whether its length counts.
        """
        found = []
        if free and len(text) > TEXT_MAX:
            found.append(f"{place}: free text of {len(text)} characters")
        if _is_hidden(text):
            found.append(f"{place}: reads like something encoded")
        if any(unicodedata.category(sign) in _UNSEEN for sign in text):
            found.append(f"{place}: holds characters that can't be seen")
        quoted = self._quoted(text)
        if quoted:
            found.append(f"{place}: quotes a value of {quoted} that fewer than {K} persons have")
        return [DisclosureFinding(check=CHECK, text=line, suggestion="suppress") for line in found]

    def in_result(self, result: Result) -> list[DisclosureFinding]:
        """Look at the words of a result; their length is limited by its form."""
        parts = (
            ("id", result.id),
            ("label", result.label),
            ("method", result.method),
            ("population", result.population),
            ("unit", result.unit),
        )
        return [made for place, text in parts for made in self.look(place, text, free=False)]

    def _quoted(self, text: str) -> str | None:
        folded = text.casefold()
        whole = self._rare.get(folded.strip())
        if whole is not None or len(folded) < _QUOTED_MIN:
            return whole
        return next((self._rare[part] for part in _runs(_words(text)) if part in self._rare), None)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\s,;:|()\[\]\"']+", text.casefold())


def _runs(words: Sequence[str]) -> Iterable[str]:
    for length in (1, 2, 3):
        for at in range(len(words) - length + 1):
            yield " ".join(words[at : at + length])


def _is_hidden(text: str) -> bool:
    for run in _RUN.findall(text):
        digits = sum(sign.isdigit() for sign in run)
        upper = sum(sign.isupper() for sign in run)
        lower = sum(sign.islower() for sign in run)
        if "_" in run and upper == 0 and digits < 4:
            continue  # an ordinary name
        if (digits and upper and lower) or digits > len(run) // 3 or run.endswith("=") or (upper > 4 and lower > 4):
            return True
    return bool(_DIGITS.search(text))
