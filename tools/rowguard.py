"""The last look before anything goes to a model: does it hold something of the real data?

Four things are looked for, as runs of values in the text that is to be sent, whatever stands between them: commas,
spaces, the names of columns, JSON, a printed data frame, the tags of an HTML table, NumPy types, or the escapes of JSON
within JSON.

    row      neighbouring values of one row, as many as no other row has by chance
    column   values of one column one below the other, alone or with their row numbers
    value    one value that is hardly anybody else's: of an identifier, a long text, a number of eight and more digits
    words    six words in a row of free text

What is kept of the data are keyed fingerprints (`fingerprints`), in at most a twentieth of the size of the file; where
that is too little for all, rows come first, then values, words, and what else there is room for, sampled.

It is a second line of defence: at exposure `metadata` no code path gives any of this to a prompt. It does not find
rounded or translated values, rows in another order of columns, or rows of so few and common values that they are
nobody's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from math import log2
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from counterproof.provenance.errors import ToolFailed
from counterproof.tools.data import MISSING, Column, Table
from counterproof.tools.fingerprints import FingerprintSet, Hashes, Keyed
from counterproof.tools.profile import K

VALUES_MIN = 5
"""A whole row of fewer values is nobody's."""
SHARE = 0.05
"""Largest size of the fingerprints, as a share of the file's."""
What = Literal["row", "column", "value", "words"]
_SIZE_MIN = 2**20
_A_FINGERPRINT = 5.3
_WORDS = 6
_LONG = 40
_PART = 2**17
_A_WORD = 6
"""Characters of a word and the space behind it, about."""
_IN_JSON = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^\s\[\]{}:,"]+')
_SAMPLE = 100_000
_BITS_MORE, _BITS_FEW = 13.0, 3.0
_DOWN = (4, 6, 8, 12, 16, 24, 32, 48, 64)
"""How many values one below the other are looked for; a column takes the first that is telling enough."""
_KNOWN_MAX = 2**16
# Translating and splitting is quicker than a regular expression; both take the same characters for space.
_SPACE = str.maketrans(dict.fromkeys(",;:|\"'[]{}()=", " "))
# What stands between values beside separators, each with a text that it always holds: looking for that text is quick.
_BETWEEN = (
    ("<", re.compile(r"<\\*/?[A-Za-z][^<>]*>")),
    ("\\", re.compile(r"\\+[nrt\"/]")),
    ("np.", re.compile(r"\bnp\.\w+(?=\()")),
)
_VALUE_MAX = 12
"""Longer values are known by runs of their words."""
_APART = b" \t\r\n\f\v\x1c\x1d\x1e\x1f<\\" + bytes(_SPACE)
_NUMBERS = frozenset("0123456789+-.iInN")
"""How a text begins that may be a number."""
_MIXED = re.compile(r"(?=.*[^\W\d_])(?=.*\d)")
_Lengths = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Hit:
    """Something of the data in a request; never the thing itself.

    Attributes:
        file: of which data file.
        what: what of it.
        message: number of the message in the request, from 1; 0 where it stands outside of messages.
        words: at which word of the message it begins, from 1.
    """

    file: str
    what: What
    message: int
    words: int

    def __str__(self) -> str:
        """Say what and where."""
        things = {
            "row": "neighbouring values of a row",
            "column": "values of a column in their order",
            "value": "a value of one person",
            "words": "words of free text",
        }
        place = f"message {self.message}, from word {self.words}" if self.message else "outside of its messages"
        return f"{things[self.what]} of {self.file} ({place})"


class RowInRequest(ToolFailed):
    """A request to a model holds something of the real data; it was not sent.

    Attributes:
        hits: what was found, and where.
    """

    def __init__(self, hits: Sequence[Hit]) -> None:
        self.hits = tuple(hits)
        found = "; ".join(str(hit) for hit in hits)
        super().__init__(
            f"A request to the model holds something of the real data; it was not sent. Found: {found}.",
            advice="Look at what the last step put into its prompt (`counterproof show STUDY --refused`); this must "
            "not happen. A codebook or a comment that quotes the data is the usual reason.",
        )


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """A table that nothing of may leave.

    Attributes:
        table: the data.
        hidden: columns that identify persons: each of their values is one of a person.
        open: whether rows may be seen, so that only the hidden columns are guarded.
        k: how many rows share what is nobody's in particular.
    """

    table: Table
    hidden: Collection[str] = ()
    open: bool = False
    k: int = K


class RowGuard:
    """Looks for what is in some tables.

    Args:
        tables: the real data of the study; none for a study whose data may be seen.
        exempt: texts that a person wrote for the model (the codebook): a rare value of a column that identifies nobody
            may stand in them, and then anywhere.
    """

    def __init__(self, tables: Iterable[Table | Guarded], *, exempt: str = "") -> None:
        guarded = [one if isinstance(one, Guarded) else Guarded(table=one) for one in tables]
        names = {
            name for one in guarded for column in one.table.columns for name in column.name.translate(_SPACE).split()
        }
        # A column that is called "1" must not hide that value.
        passed_over = MISSING | {name for name in names if _number(name) is None}
        self._hasher = _Hasher(passed_over)
        spared = _runs(self._hasher, exempt, range(1, _VALUE_MAX + 1))
        self._indexes = [_Index(one, self._hasher, spared) for one in guarded]

    @property
    def nbytes(self) -> int:
        """Memory that the fingerprints take, in bytes."""
        return sum(index.nbytes for index in self._indexes)

    def check(self, body: bytes) -> None:
        """Let a request pass.

        Args:
            body: the exact bytes that are to be sent.

        Raises:
            RowInRequest: it holds something of the data; the text does not repeat it.
        """
        if not self._indexes:
            return
        hashes = self._hasher.hashes(_texts(body))
        if not any(index.hits(hashes, first=True) for index in self._indexes):
            return
        hits = [hit for number, text in enumerate(_messages(body), start=1) for hit in self._look(text, number)]
        if not hits:
            hits = [
                Hit(file=index.file, what=what, message=0, words=0)
                for index in self._indexes
                for what, _ in index.hits(hashes)
            ]
        raise RowInRequest(hits[:20])

    def _look(self, text: str, number: int) -> Iterator[Hit]:
        hashes = self._hasher.hashes([text])
        for index in self._indexes:
            for what, at in index.hits(hashes):
                yield Hit(file=index.file, what=what, message=number, words=at + 1)


@dataclass
class _Hasher:
    """Hashes values as they are compared: numbers by what they are worth, names of columns not at all."""

    passed_over: Set[str]
    keyed: Keyed = field(default_factory=Keyed)
    known: dict[str, int] = field(default_factory=dict)

    def hashes(self, texts: Iterable[str]) -> Hashes:
        """Return the hash of each value in texts, one after the other; what a tag begins in one, no other ends."""
        values = " ".join([_without_marks(text) for text in texts]).translate(_SPACE).split()
        if len(self.known) > _KNOWN_MAX:
            self.known.clear()
        new = list(set(values).difference(self.known))
        if new:
            self.known.update(zip(new, self.of(new).tolist(), strict=True))
        found = np.fromiter(map(self.known.__getitem__, values), dtype=np.uint64, count=len(values))
        present: Hashes = found[found != 0]
        return present

    def of(self, values: Sequence[str]) -> Hashes:
        """Return the hash of each value; 0 for what is passed over."""
        hashed = self.keyed.texts(values) | np.uint64(1)
        numbers = [_number(value) for value in values]
        at = [place for place, number in enumerate(numbers) if number is not None]
        if at:
            hashed[at] = self.keyed.numbers(np.array([numbers[place] for place in at], dtype=np.float64)) | np.uint64(1)
        hashed[[value in self.passed_over for value in values]] = 0
        return hashed


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """The cells of a column, as runs of values.

    Attributes:
        hashes: shape (rows,): of the run of values in a cell; 0 where it is empty.
        lengths: shape (rows,): how many values it has.
        bits: how telling a cell is: minus the log of the chance that two rows have the same.
        single: whether each cell is one value.
        numbers: shape (rows,): of a column of numbers, its cells; NaN where empty.
        texts: of a column of text, its different values, and an empty one at the end for cells without one.
        sizes: shape (texts,): how many characters each has.
        codes: shape (rows,): which of them a cell is.
    """

    hashes: Hashes
    lengths: _Lengths
    bits: float
    single: bool = False
    numbers: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    texts: Sequence[str] = ()
    sizes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    codes: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))


class _Index:
    """The fingerprints of one table."""

    def __init__(self, guarded: Guarded, hasher: _Hasher, spared: Hashes) -> None:
        table = guarded.table
        self.file = table.name
        self._on_disk = table.on_disk
        self._rows_there = table.rows
        self._hasher = hasher
        self._room = int(max(_SIZE_MIN, SHARE * table.size) / _A_FINGERPRINT)
        self._sets: list[tuple[What, FingerprintSet, tuple[int, ...]]] = []
        with np.errstate(over="ignore"):
            cells = _AllCells(table, hasher)
            values = self._thinned(
                self._values(column, cells.parts(at), None if column.name in guarded.hidden else guarded.k, spared)
                for at, column in enumerate(table.columns)
                if not guarded.open or column.name in guarded.hidden
            )
            rows = [] if guarded.open else list(self._rows(cells, starts=[0]))
            half = max(self._room // 2, self._room - sum(len(hashes) for hashes, _ in values))
            self._keep("row", rows, room=half)
            self._keep("value", values)
            del rows, values
            texts = (at for at, column in enumerate(table.columns) if column.kind == "text")
            self._keep("words", (self._words(cells.parts(at)) for at in texts))
            if not guarded.open:
                self._keep("column", self._down(table, cells))
                self._keep("row", self._rows(cells, starts=range(1, len(table.columns))))

    @property
    def nbytes(self) -> int:
        return sum(one.nbytes for _, one, _ in self._sets)

    def hits(self, hashes: Hashes, *, first: bool = False) -> list[tuple[What, int]]:
        """Return what is found, and at which value each begins; with `first` no more than one."""
        keyed, found = self._hasher.keyed, list[tuple[What, int]]()
        with np.errstate(over="ignore"):
            wanted = {length for _, _, lengths in self._sets for length in lengths}
            runs = {length: keyed.finished(made, length) for length, made in keyed.all_windows(hashes, wanted)}
        for what, members, lengths in self._sets:
            parts = [runs[length] for length in lengths if length in runs]
            at = np.flatnonzero(members.has(np.concatenate(parts))).tolist() if parts else []
            if at:
                place = at[0]
                for part in parts:
                    if place < len(part):
                        break
                    place -= len(part)
                found.append((what, place))
                if first:
                    return found
        return found

    def _keep(self, what: What, made: Iterable[tuple[Hashes, _Lengths]], *, room: int | None = None) -> None:
        """Add runs of values to a set, as many as there is room for: the first whole, then samples."""
        finished: list[Hashes] = []
        lengths: set[int] = set()
        for hashes, size in made:
            left = self._room if room is None else min(room, self._room)
            done = self._hasher.keyed.finished(hashes, size)
            if len(done) > left:  # whichever have the smallest hashes: a sample that no value has a say in
                done = done[done < np.uint64(left / len(done) * 2.0**64)] if left else done[:0]
            self._room = max(0, self._room - len(done))
            finished.append(done)
            lengths |= set(np.flatnonzero(np.bincount(size)).tolist()) if len(hashes) else set()
        if not any(len(done) for done in finished):
            return
        self._sets.append((what, FingerprintSet(np.concatenate(finished)), tuple(sorted(lengths))))

    def _thinned(self, made: Iterable[tuple[Hashes, _Lengths]]) -> list[tuple[Hashes, _Lengths]]:
        """Return runs of values; of a table on the disk a sample where they are more than there is room for."""
        if not self._on_disk:
            return list(made)
        kept, share = list[tuple[Hashes, _Lengths]](), 1.0
        for one in made:
            kept.append(self._sampled(one, share) if share < 1 else one)
            while sum(len(hashes) for hashes, _ in kept) > self._room:
                share /= 2
                kept = [self._sampled(other, share) for other in kept]
        return kept

    def _sampled(self, made: tuple[Hashes, _Lengths], share: float) -> tuple[Hashes, _Lengths]:
        hashes, lengths = made
        chosen = self._hasher.keyed.finished(hashes, lengths) < np.uint64(share * 2.0**64)
        return hashes[chosen], lengths[chosen]

    def _rows(self, cells: _AllCells, *, starts: Sequence[int]) -> Iterator[tuple[Hashes, _Lengths]]:
        """Give, from each of these columns on, the values of each row up to where they are telling enough."""
        rows = cells.rows
        enough = 2 * log2(rows + 1) + _BITS_MORE
        least = log2(rows + 1) + _BITS_FEW if rows >= 2 * K else 0.0  # of so few rows nobody's twin shows anything
        for start in starts:
            if self._room < rows and start:
                return
            hashes, lengths, bits = np.zeros(rows, np.uint64), np.zeros(rows, np.int64), np.zeros(rows)
            going = np.ones(rows, dtype=np.bool_)
            for cell in cells.since(start):
                if cell.single and going.all():  # the common case, without copies
                    hashes = self._hasher.keyed.followed(hashes, cell.hashes)
                    lengths += 1
                    bits += cell.bits
                    going = bits < enough
                    if not going.any():
                        break
                    continue
                there = going & (cell.lengths > 0)
                hashes[there] = self._hasher.keyed.joined(hashes[there], cell.hashes[there], cell.lengths[there])
                lengths[there] += cell.lengths[there]
                bits[there] += cell.bits
                going &= bits < enough
                if not going.any():
                    break
            whole = (lengths >= VALUES_MIN) & (bits >= least) if start == 0 else np.zeros(rows, dtype=np.bool_)
            kept = (~going & (lengths > 1)) | whole
            yield _rare(hashes[kept], lengths[kept])

    def _down(self, table: Table, cells: _AllCells) -> Iterator[tuple[Hashes, _Lengths]]:
        """Give values of each column one below the other, alone and with the numbers of the rows before them."""
        numbers = self._hasher.keyed.numbers(np.arange(table.rows, dtype=np.float64)) | np.uint64(1)
        enough = 2 * log2(table.rows + 1) + _BITS_MORE
        for cell in cells.since(0):
            size = next((size for size in _DOWN if size * cell.bits >= enough), None)
            if self._room == 0:
                return
            if size is None:
                continue
            single = cell.lengths == 1
            for pairs in (False, True):
                values = np.column_stack([numbers, cell.hashes])[single].ravel() if pairs else cell.hashes[single]
                length = size * (1 + pairs)
                if len(values) < length:
                    continue
                runs = self._hasher.keyed.windows(values, length)[:: 1 + pairs]
                yield runs, np.full(len(runs), length, dtype=np.int64)

    def _values(
        self, column: Column, cells: Iterable[_Cells], below: int | None, spared: Hashes
    ) -> tuple[Hashes, _Lengths]:
        """Return the values of a column that fewer than `below` rows share; None for all, of one that is hidden."""
        hidden = below is None
        hashes, lengths = _rare(*_joined(_telling(column, cell, hidden) for cell in cells), below=below)
        if not hidden and len(spared):
            kept = ~np.isin(self._hasher.keyed.finished(hashes, lengths), spared)
            hashes, lengths = hashes[kept], lengths[kept]
        return hashes, lengths

    def _words(self, cells: Iterable[_Cells]) -> tuple[Hashes, _Lengths]:
        """Return runs of words of the long ones among the texts of a column; of a column on the disk, of some texts."""
        return _joined(self._thinned(map(self._words_of, cells)))

    def _words_of(self, cell: _Cells) -> tuple[Hashes, _Lengths]:
        runs = [np.zeros(0, np.uint64)]
        long = np.flatnonzero(cell.sizes >= _LONG)
        # There is room for no more: each part of a column gets as much of it as it has of the rows.
        words = int(cell.sizes[long].sum()) // _A_WORD
        room = self._room * len(cell.hashes) // self._rows_there
        if self._on_disk and words > room:
            long = np.sort(np.random.default_rng().choice(long, max(1, len(long) * room // words), replace=False))
        for at in long.tolist():
            hashes = self._hasher.hashes([cell.texts[at]])
            if len(hashes) >= _WORDS:
                runs.append(self._hasher.keyed.windows(hashes, _WORDS))
        joined = np.concatenate(runs)
        return joined, np.full(len(joined), _WORDS, dtype=np.int64)


class _AllCells:
    """The cells of a table's columns; those of a table on the disk are hashed anew each time they are asked for."""

    def __init__(self, table: Table, hasher: _Hasher) -> None:
        self._columns = table.columns
        self._hasher = hasher
        self._kept: dict[int, _Cells] = {}
        self.rows = table.rows

    def since(self, start: int) -> Iterator[_Cells]:
        """Yield the cells of the columns from one on."""
        return (_whole(list(self.parts(at))) for at in range(start, len(self._columns)))

    def parts(self, at: int) -> Iterator[_Cells]:
        """Yield the cells of a column, in parts where it is of texts on the disk."""
        column = self._columns[at]
        if column.on_disk:
            yield from (_cells(part, self._hasher) for part in _parts(column))
            return
        if at not in self._kept:
            self._kept[at] = _cells(column, self._hasher)
        yield self._kept[at]


def _whole(parts: Sequence[_Cells]) -> _Cells:
    """Return parts of a column as one, without what its texts are."""
    if len(parts) == 1:
        return parts[0]
    hashes = np.concatenate([part.hashes for part in parts])
    lengths = np.concatenate([part.lengths for part in parts])
    return _Cells(hashes=hashes, lengths=lengths, bits=_bits(hashes), single=all(part.single for part in parts))


def _joined(made: Iterable[tuple[Hashes, _Lengths]]) -> tuple[Hashes, _Lengths]:
    parts = list(made)
    return np.concatenate([hashes for hashes, _ in parts]), np.concatenate([lengths for _, lengths in parts])


def _telling(column: Column, cell: _Cells, hidden: bool) -> tuple[Hashes, _Lengths]:
    """Return the values among cells that could be one person's."""
    if column.kind == "date":
        telling = np.zeros(len(cell.hashes), dtype=np.bool_)
    elif column.kind == "text":
        telling = _are_telling(cell, hidden=hidden)[cell.codes]
    else:
        telling = (
            (np.abs(cell.numbers) >= 10_000) & (cell.numbers % 1 == 0)
            if hidden
            else _has_digits(cell.numbers, 8, decimals=column.decimals)
        )
    at = np.flatnonzero(telling & (cell.lengths > 0) & (cell.lengths <= _VALUE_MAX))
    return cell.hashes[at], cell.lengths[at]


def _parts(column: Column) -> Iterator[Column]:
    """Yield a column on the disk, in parts where it is of texts: many different ones take much room."""
    if column.kind != "text":
        yield column
        return
    cells = column.cells
    for at in range(0, len(cells), _PART):
        yield column.with_cells(cells.slice(at, _PART))


def _cells(column: Column, hasher: _Hasher) -> _Cells:
    """Hash cells; a value that occurs often is hashed once."""
    if column.kind in ("integer", "number"):
        values = column.cells.cast(pa.float64()).to_numpy()
        there = ~np.isnan(values)
        hashes = hasher.keyed.numbers(values)
        hashes |= np.uint64(1)
        whole = bool(there.all())
        if not whole:
            hashes[~there] = 0
        lengths = _ones(len(values)) if whole else there.astype(np.int64)
        return _Cells(hashes=hashes, lengths=lengths, bits=_bits(hashes), single=whole, numbers=values)
    coded = _coded(column)
    whole = coded.null_count == 0
    codes = (coded.indices if whole else coded.indices.fill_null(-1)).to_numpy(zero_copy_only=False)
    texts = coded.dictionary.to_pylist()
    single = _are_single(coded.dictionary, texts, hasher)
    sizes = np.append(pc.utf8_length(coded.dictionary).to_numpy(zero_copy_only=False).astype(np.int64), 0)
    of, size = _of_singles(texts, hasher) if single else _of_texts(texts, hasher)
    of, size = np.append(of, np.uint64(0)), np.append(size, 0)  # code -1: missing
    hashes = of[codes]
    lengths = _ones(len(codes)) if single and whole else size[codes]
    texts.append("")
    return _Cells(
        hashes=hashes,
        lengths=lengths,
        bits=_bits(hashes),
        single=(single and whole) or bool((lengths == 1).all()),
        texts=texts,
        sizes=sizes,
        codes=codes,
    )


def _coded(column: Column) -> pa.DictionaryArray:
    """Return a column of text as its different values and which of them each cell is."""
    cells: Any = column.cells.cast(pa.string()) if pa.types.is_dictionary(column.cells.type) else column.cells
    joined = pa.concat_arrays(cells.chunks) if cells.num_chunks else pa.array([], type=cells.type)
    coded: pa.DictionaryArray = pc.dictionary_encode(joined)
    return coded


def _are_single(different: pa.Array, texts: list[str], hasher: _Hasher) -> bool:
    """Say whether all texts are single words that are no numbers; looking at all of them at once is quick."""
    together = "".join(texts)
    if not together.isascii() or "np." in together:
        return False
    raw = together.encode()
    if len(raw.translate(None, delete=_APART)) < len(raw):
        return False
    begins = pc.unique(pc.utf8_slice_codeunits(different, 0, 1)).to_pylist()
    passed_over = pa.array(sorted(hasher.passed_over), type=different.type)
    return _NUMBERS.isdisjoint(begins) and not pc.any(pc.is_in(different, value_set=passed_over)).as_py()


def _of_singles(texts: list[str], hasher: _Hasher) -> tuple[Hashes, _Lengths]:
    """Return hash and length of each text that is one word."""
    hashes = hasher.keyed.texts(texts)
    hashes |= np.uint64(1)
    return hashes, _ones(len(texts))


def _ones(size: int) -> _Lengths:
    """Return ones that take no memory, for reading."""
    return np.broadcast_to(np.int64(1), size)


def _of_texts(texts: list[str], hasher: _Hasher) -> tuple[Hashes, _Lengths]:
    """Return hash and length of each text, as a run of values."""
    split = [_plain_values(text) for text in texts]
    flat = [value for values in split for value in values]
    hashed = hasher.of(flat) if flat else np.zeros(0, np.uint64)
    owner = np.repeat(np.arange(len(texts)), [len(values) for values in split])
    kept = hashed != 0
    hashed, owner = hashed[kept], owner[kept]
    size = np.bincount(owner, minlength=len(texts)).astype(np.int64)
    ends = np.cumsum(size)
    place = ends[owner] - np.arange(len(owner)) - 1  # values after this one in its text
    joined = np.zeros(len(texts), dtype=np.uint64)
    np.add.at(joined, owner, hashed * hasher.keyed.power(place))
    return joined, size


def _bits(hashes: Hashes) -> float:
    """Return how telling a cell is, from the pairs of rows that have the same."""
    present = hashes[:: max(1, len(hashes) // _SAMPLE)]
    present = present[present != 0]
    if len(present) < 2:
        return 0.0
    times = np.unique(present, return_counts=True)[1].astype(np.float64)
    same, pairs = (times * (times - 1)).sum(), float(len(present)) * (len(present) - 1)
    return float(np.log2(pairs / max(same, 1.0)))


def _rare(hashes: Hashes, lengths: _Lengths, *, below: int | None = K) -> tuple[Hashes, _Lengths]:
    """Return each run once that fewer than `below` rows share; None for all."""
    if len(lengths) and (lengths == lengths[0]).all():  # the common case: sorting is quicker than finding an order
        hashes = np.sort(hashes)
    else:
        order = np.argsort(hashes)
        hashes, lengths = hashes[order], lengths[order]
    first = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]])) if len(hashes) else lengths
    if below is not None:
        first = first[np.diff(np.append(first, len(hashes))) < below]
    return hashes[first], lengths[first]


def _runs(hasher: _Hasher, text: str, lengths: Iterable[int]) -> Hashes:
    hashes = hasher.hashes([text])
    with np.errstate(over="ignore"):
        found = [
            hasher.keyed.finished(windows, length) for length, windows in hasher.keyed.all_windows(hashes, lengths)
        ]
    return np.concatenate(found) if found else np.zeros(0, np.uint64)


def _has_digits(values: NDArray[np.float64], digits: int, *, decimals: int) -> NDArray[np.bool_]:
    """Say of each number whether it has so many significant digits, zeros at the end not counted."""
    sizes = np.abs(values)
    if decimals < digits and np.nanmax(sizes, initial=0.0) < 10.0 ** (digits - 1 - decimals):
        return np.zeros(len(values), dtype=np.bool_)
    scale = 10.0 ** (digits - 2 - np.floor(np.log10(np.where(sizes > 0, sizes, 1.0))))
    steps = sizes * scale
    more: NDArray[np.bool_] = (np.abs(steps - np.round(steps)) > 1e-7 * np.maximum(steps, 1)) & (sizes > 0)
    return more


def _are_telling(cell: _Cells, *, hidden: bool) -> NDArray[np.bool_]:
    if hidden:
        telling: NDArray[np.bool_] = cell.sizes > 3
        for at in np.flatnonzero(cell.sizes == 4).tolist():
            telling[at] = not cell.texts[at].isdigit()
        return telling
    return np.fromiter(map(_is_telling, cell.texts), dtype=np.bool_, count=len(cell.texts))


def _is_telling(text: str) -> bool:
    words = text.split()
    return "@" in text or (len(words) >= 2 and len(text) >= 16) or (len(text) >= 8 and bool(_MIXED.match(text)))


def _number(value: str) -> float | None:
    """Return what a number is worth, so that 306, 306.0 and "306" are the same; None for no number."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if number == number else None


def _plain_values(text: str) -> list[str]:
    return _without_marks(text).translate(_SPACE).split()


def _without_marks(text: str) -> str:
    for always, pattern in _BETWEEN:
        if always in text:
            text = pattern.sub(" ", text)
    return text


def _texts(body: bytes) -> list[str]:
    """Return all strings and numbers of a request in their order; where it is no JSON, the body as it stands too."""
    try:
        text = body.decode("utf-8")
        json.loads(text)
        # Of what is JSON, these are the strings and the rest of the values; read so, no key hides another.
        return [str(value) for value in json.loads(f"[{','.join(_IN_JSON.findall(text))}]") if value is not None]
    except (ValueError, RecursionError):
        return [body.decode("utf-8", errors="replace")]


def _messages(body: bytes) -> list[str]:
    """Return what each message of a request says; nothing where it has none."""
    try:
        request = json.loads(body)
        listed = request.get("messages") or request.get("input") or []
        return [" ".join(_flat(message)) for message in listed]
    except (ValueError, RecursionError, AttributeError, TypeError):
        return []


def _flat(message: object) -> list[str]:
    found: list[str] = []
    content = message.get("content", message) if isinstance(message, dict) else message
    _collect(content, found)
    return found


def _collect(value: object, found: list[str]) -> None:
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, list | tuple):  # an object comes as its pairs, so that no key hides another
        for inner in value:
            _collect(inner, found)
    elif isinstance(value, dict):
        for pair in value.items():
            _collect(pair, found)
    elif value is not None:
        found.append(str(value))
