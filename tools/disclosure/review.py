"""Looking at everything that a program gave, before a person decides what leaves the secure side.

Each item is looked at alone, then all together for what one tells with another. `K` persons is the least that may stand
behind a number. What code can't tell (a figure, a name that sounds like an extreme) is put up for a look.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from counterproof.tools.data import Table
from counterproof.tools.disclosure import (
    class_disclosure,
    degrees,
    differencing,
    figures,
    messages,
    objects,
    recomputed,
    small_cells,
    survival,
)
from counterproof.tools.disclosure.cells import Cells
from counterproof.tools.disclosure.extremes import Extremes
from counterproof.tools.disclosure.item import DisclosureFinding, Item, make_item, more
from counterproof.tools.disclosure.row_like import Rows
from counterproof.tools.disclosure.texts import Words
from counterproof.tools.library_warnings import LibraryWarning
from counterproof.tools.profile import is_coded
from counterproof.tools.results import Flow, Result

_SHOWN_MAX = 4000
FINDINGS_MAX = 20
"""So many findings of a table are listed; one more says how many there are."""


@dataclass(frozen=True, kw_only=True)
class OutputFile:
    """A file that a program wrote; `sha256` is what the record names it by."""

    name: str
    data: bytes
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What one execution gave, or what was released of an earlier one.

    Attributes:
        results: the numbers.
        flow: the participants; None where they were not released.
        files: tables and figures.
        results_sha256: what the record names `results.json` by.
        flow_sha256: the same of `flow.json`.
        warnings: what the libraries warned of, by the id of its item.
        streams: what the record names the standard error of each program by.
        known: what was fixed before any program read the data: question, codebook and locked plan.
    """

    results: Sequence[Result]
    flow: Flow | None
    files: Sequence[OutputFile] = ()
    results_sha256: str = ""
    flow_sha256: str = ""
    warnings: Mapping[str, LibraryWarning] = field(default_factory=dict)
    streams: Mapping[str, str] = field(default_factory=dict)
    known: str = ""


def review_outputs(outputs: Outputs, data: Sequence[Table], earlier: Mapping[str, Outputs] | None = None) -> list[Item]:
    """Look at all that may be released.

    Args:
        outputs: what the execution gave.
        data: the real data.
        earlier: what was released before, by the place where.
    """
    reviewer = _Reviewer(data, outputs)
    items = [reviewer.result(result) for result in outputs.results]
    items += [flow_item(outputs.flow, outputs.flow_sha256, words=reviewer.words)] if outputs.flow else []
    items += [made for file in outputs.files if (made := reviewer.file(file)) is not None]
    items += [reviewer.warning(id_, warning) for id_, warning in outputs.warnings.items()]
    return _together(items, outputs, earlier or {})


def is_cut(findings: Sequence[DisclosureFinding]) -> bool:
    """Say whether the list of a table's findings ends before the last; such a table is not to be released."""
    cut = [one for one in findings if one == _stop(one.text) and re.fullmatch(r"and \d+ more findings", one.text)]
    return bool(cut) and len(findings) > FINDINGS_MAX


def result_item(result: Result, sha256: str) -> Item:
    """Look at one number of `results.json` alone."""
    return make_item(f"result:{result.id}", _shows(result), sha256, small_cells.in_result(result))


def flow_item(flow: Flow, sha256: str, *, words: Words | None = None) -> Item:
    """Look at the participant flow."""
    counts = [("assessed", flow.assessed), ("analysed", flow.analysed)]
    counts += [(f"excluded, {part.reason}", part.n) for part in flow.excluded]
    found = small_cells.in_flow(flow)
    for part in flow.excluded:
        found += words.look("a reason", part.reason, free=False) if words else []
    return make_item("flow", "; ".join(f"{label}: {n}" for label, n in counts), sha256, found)


def table_item(name: str, data: bytes, sha256: str) -> Item:
    """Look at one table alone, without the data."""
    empty = Outputs(results=(), flow=None)
    return _Reviewer((), empty).table(OutputFile(name=name, data=data, sha256=sha256))


def figure_item(name: str, data: bytes, sha256: str) -> Item:
    """Look at one figure: at what is hidden in it; at the picture a person must look."""
    return make_item(name, f"figure, {len(data):,} bytes", sha256, figures.in_figure(data))


class _Reviewer:
    def __init__(self, data: Sequence[Table], outputs: Outputs) -> None:
        self._data, self._outputs = data, outputs
        self.words, self._rows, self._extremes = Words(data, outputs.known), Rows(data), Extremes(data)
        self._persons = max((table.rows for table in data), default=0)
        self._levels = {
            column.name: {_level(level) for level in column.values.dropna().unique()}
            for table in data
            for column in table.columns
            if is_coded(column)
        }

    def result(self, result: Result) -> Item:
        found = [
            *small_cells.in_result(result),
            *self._extremes.in_result(result),
            *self._rows.in_result(result),
            *degrees.in_result(result),
            *self.words.in_result(result),
        ]
        return make_item(f"result:{result.id}", _shows(result), self._outputs.results_sha256, found)

    def warning(self, id_: str, warning: LibraryWarning) -> Item:
        found = messages.in_warning(warning, self.words)
        return make_item(id_, warning.in_words(), self._outputs.streams[warning.program], found)

    def file(self, file: OutputFile) -> Item | None:
        if file.name.startswith("tables/"):
            return self._named(self.table(file), file)
        if file.name.startswith("figures/"):
            return self._named(figure_item(file.name, file.data, file.sha256), file)
        return None

    def table(self, file: OutputFile) -> Item:
        found = objects.in_file(file.data)
        if found:
            return make_item(file.name, f"{len(file.data)} bytes that are no table", file.sha256, found)
        try:
            cells = Cells.read(file.data)
        except ValueError as error:
            # `UnicodeDecodeError` is a ValueError, too.
            empty = str(error) == "empty"
            shows = "an empty table" if empty else f"{len(file.data)} bytes that are not UTF-8 CSV"
            text = "holds nothing to look at" if empty else "can't be read as a table"
            return make_item(file.name, shows, file.sha256, [_stop(text)])
        text = file.data.decode("utf-8")
        found = [_stop(f"has {len(text):,} characters, of which the first {_SHOWN_MAX:,} are shown")]
        found = [*(found if len(text) > _SHOWN_MAX else []), *self._in_cells(cells)]
        if len(found) > FINDINGS_MAX:
            found = [*found[:FINDINGS_MAX], _stop(f"and {len(found) - FINDINGS_MAX} more findings")]  # `is_cut`
        return make_item(file.name, text[:_SHOWN_MAX], file.sha256, found)

    def _in_cells(self, cells: Cells) -> list[DisclosureFinding]:
        found = self._rows.in_table(cells)
        for place, cell in [("the header", name) for name in cells.header] + list(cells.places()):
            found += self.words.look(place, cell)
        return [
            *found,
            *small_cells.in_table(cells, levels=self._codes(cells)),
            *class_disclosure.in_table(cells),
            *self._extremes.in_table(cells),
            *degrees.in_table(cells, self._outputs.results),
            *survival.in_table(cells, persons=self._persons),
            *differencing.in_table(cells),
            *recomputed.in_table(cells, self._data),
        ]

    def _codes(self, cells: Cells) -> frozenset[str]:
        """Return the columns that are called as a column of the data and hold nothing but its levels, each once."""
        found = set()
        for at, name in enumerate(cells.header):
            values = [_level(cell) for cell in cells.column(at) if cell]
            if name in self._levels and set(values) <= self._levels[name] and not cells.called_count(at):
                found.add(name)
        return frozenset(found)

    def _named(self, item: Item, file: OutputFile) -> Item:
        return more(item, self.words.look("its name", file.name, free=False))


def _together(items: list[Item], outputs: Outputs, earlier: Mapping[str, Outputs]) -> list[Item]:
    """Look at what would be released together, and with what was released before."""
    passed = {item.id for item in items if item.verdict == "release"}
    before = {
        f"{file.name} ({where})": cells
        for where, old in earlier.items()
        for file in old.files
        if (cells := _cells(file)) is not None
    }
    now = {file.name: cells for file in outputs.files if file.name in passed and (cells := _cells(file)) is not None}
    found = differencing.between_tables(now, before)
    results = [result for result in outputs.results if f"result:{result.id}" in passed]
    old_results = [result for old in earlier.values() for result in old.results]
    for id_, of in differencing.between_results(results, old_results).items():
        found[f"result:{id_}"] = of
    return [more(item, found.get(item.id, [])) for item in items]


def _cells(file: OutputFile) -> Cells | None:
    if not file.name.startswith("tables/"):
        return None
    try:
        return Cells.read(file.data)
    except ValueError:
        return None


def _shows(result: Result) -> str:
    interval = "" if result.ci_low is None else f" ({result.ci_low:.6g} to {result.ci_high:.6g})"
    p_value = "" if result.p_value is None else f", p = {result.p_value:.4g}"
    return (
        f"{result.label}: {result.value:.6g}{interval}{p_value} [{result.unit}], n = {result.n}; "
        f"method: {result.method}; population: {result.population}"
    )


def _level(value: object) -> str:
    try:
        return repr(float(str(value)))
    except ValueError:
        return str(value).strip()


def _stop(text: str) -> DisclosureFinding:
    return DisclosureFinding(check="form", text=text, suggestion="suppress")
