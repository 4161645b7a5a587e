"""The last look before anything goes to a model: does it hold a row of the real data?

The guard keeps a hash of each row (its values in order, without missing ones) and looks for any of them as a run of
values in the text that is to be sent, whatever stands between them: commas, spaces, the names of columns, JSON, a
printed data frame, the tags of an HTML table, NumPy types, or the escapes of JSON within JSON.

It is a second line of defence: at exposure `metadata` no code path gives a row to a prompt. It does not find parts of
rows, reordered or rounded values, or rows with fewer than `VALUES_MIN` values, which are too common to be
anybody's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from counterproof.provenance.errors import ToolFailed
from counterproof.tools.data import MISSING, Table

VALUES_MIN = 5
_VALUE = re.compile(r"[^\s,;:|\"'\[\]{}()=]+")
_BETWEEN = re.compile(r"<\\*/?[A-Za-z][^<>]*>|\\+[nrt\"/]|\bnp\.\w+(?=\()")


class RowInRequest(ToolFailed):
    """A request to a model holds a row of the real data; it was not sent."""


class RowGuard:
    """Looks for rows of some tables.

    Args:
        tables: the real data of the study; none for a study whose data may be seen.
    """

    def __init__(self, tables: list[Table]) -> None:
        names = {name for table in tables for column in table.columns for name in _VALUE.findall(column.name)}
        # A column that is called "1" must not hide that value.
        self._passed_over = MISSING | {name for name in names if _plain(name) == name}
        # By the hash of a row's first values, so that a prompt is not hashed once for each length of a row.
        self._rows: dict[int, dict[int, set[int]]] = {}
        for table in tables:
            for values in self._rows_of(table):
                if len(values) >= VALUES_MIN:
                    begun = self._rows.setdefault(hash(values[:VALUES_MIN]), {})
                    begun.setdefault(len(values), set()).add(hash(values))

    def check(self, body: bytes) -> None:
        """Let a request pass.

        Args:
            body: the exact bytes that are to be sent.

        Raises:
            RowInRequest: it holds a row; the text does not repeat it.
        """
        for text in _texts(body):
            values = self._values(text)
            for start in range(len(values) - VALUES_MIN + 1):
                for length, rows in self._rows.get(hash(values[start : start + VALUES_MIN]), {}).items():
                    if hash(values[start : start + length]) in rows:
                        raise RowInRequest(
                            "A request to the model holds a row of the real data; it was not sent.",
                            advice="Look at what the last step put into its prompt; this must not happen.",
                        )

    def _rows_of(self, table: Table) -> Iterator[tuple[str, ...]]:
        columns = [column.values.tolist() for column in table.columns]
        for row in zip(*columns, strict=True):
            present = [value for value in row if value is not None and value == value]
            yield tuple(value for cell in present for value in self._values(str(cell)))

    def _values(self, text: str) -> tuple[str, ...]:
        """Return the values in a text, without names of columns and what stands for a missing value."""
        found = _VALUE.findall(_BETWEEN.sub(" ", text))
        return tuple(_plain(value) for value in found if value not in self._passed_over)


def _plain(value: str) -> str:
    """Write a number in one way, so that 306, 306.0 and "306" are the same."""
    try:
        return repr(float(value))
    except ValueError:
        return value


def _texts(body: bytes) -> Iterator[str]:
    # The body as it stands finds rows whose values are numbers or strings of their own; the strings within it
    # find rows behind escapes.
    yield body.decode("utf-8", errors="replace")
    try:
        yield from _strings(json.loads(body))
    except (ValueError, RecursionError):
        return


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
