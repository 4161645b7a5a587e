"""What is made of a task once, before any model is asked: what a model is told, the twin, the data of the probes.

Files are kept by their digests in one folder, which holds nothing that is held out.

A *probe* is a second run of a finished program on altered data, which shows where its predictions come from:

    alone    half of the test samples stay as they are, but change their names among each other; the others get the
             largest value of each column. What depends on the training data and a sample's own values stays the same;
             what was fitted to all test samples, or is known by name, does not.
    labels   the target of the training data is shuffled. Predictions that stay as good do not come from it.

It does not cover leaks that change neither (a value that gives the target away in both files).
"""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from counterproof.provenance.digests import sha256_bytes
from counterproof.tools import make_twin, read_table
from counterproof.tools.reading.writing import in_form_of
from counterproof.tools.tasks import PlacedTask, Prediction

_SHOWN = 12
_SEED = 20260227


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Prepared(_Model):
    """What was made of a task."""

    about: str
    """What a model is told of the data files: rows, columns, names. No value."""
    twin: dict[str, str] = {}
    """Digest of each file of the twin by name; empty where no cell needs one."""
    alone: dict[str, str] = {}
    """Digest of each file of the probe of that name; empty for an analysis."""
    labels: dict[str, str] = {}
    """Digest of each file of the probe of that name; empty for an analysis."""
    renamed: dict[str, str] = {}
    """In the probe `alone`, the sample whose values stand under a name, for the samples that stay as they are."""


def prepare(placed: PlacedTask, files: Path, *, twin: bool) -> Prepared:
    """Make what is needed of a task and keep it in a folder; the same bytes each time.

    Args:
        placed: the task.
        files: the folder, which workers can read.
        twin: whether a twin is needed; of thousands of columns it takes seconds.
    """
    contents = {name: path.read_bytes() for name, path in placed.data.items()}
    for data in contents.values():
        _keep(files, data)
    made: dict[str, str] = {}
    if twin:
        made = {
            name: _keep(files, in_form_of(name, make_twin(read_table(name, data), [])))
            for name, data in contents.items()
        }
    about = "\n".join(_about(name, data) for name, data in contents.items())
    if placed.task.prediction is None:
        return Prepared(about=about, twin=made)
    alone, renamed = _alone(contents, placed.task.prediction)
    return Prepared(
        about=about,
        twin=made,
        alone={name: _keep(files, data) for name, data in alone.items()},
        labels={name: _keep(files, data) for name, data in _labels(contents, placed.task.prediction).items()},
        renamed=renamed,
    )


def table_rows(name: str, data: bytes) -> list[list[str]]:
    """Return a CSV file, packed or not, as rows of texts with its header."""
    text = (gzip.decompress(data) if name.endswith(".gz") else data).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def _about(name: str, data: bytes) -> str:
    header, *rows = table_rows(name, data)
    kinds = [f"{column} ({_kind([row[at] for row in rows])})" for at, column in enumerate(header[:_SHOWN])]
    more = f", … and {len(header) - _SHOWN} more columns" if len(header) > _SHOWN else ""
    return f"{name}: {len(rows)} rows, {len(header)} columns: {', '.join(kinds)}{more}"


def _kind(values: list[str]) -> str:
    try:
        numbers = [float(value) for value in values if value not in ("", "NA")]
    except ValueError:
        return "text"
    return "whole numbers" if all(number.is_integer() for number in numbers) else "numbers"


def _alone(contents: Mapping[str, bytes], asked: Prediction) -> tuple[dict[str, bytes], dict[str, str]]:
    header, *rows = table_rows(asked.test, contents[asked.test])
    at = header.index(asked.id_column)
    kept = rows[::2]
    names = [row[at] for row in kept]
    largest = [_largest([row[column] for row in rows]) for column in range(len(header))]
    renamed = dict(zip(names[1:] + names[:1], names, strict=True))
    source = {old: new for new, old in renamed.items()}
    changed = []
    for number, row in enumerate(rows):
        if number % 2 == 0:
            changed.append([source[row[at]] if column == at else value for column, value in enumerate(row)])
        else:
            changed.append(
                [
                    value if column == at or largest[column] is None else str(largest[column])
                    for column, value in enumerate(row)
                ]
            )
    return {**contents, asked.test: _written(asked.test, header, changed)}, renamed


def _largest(values: list[str]) -> str | None:
    """Return the largest value of a column as it is written; None for a column of texts."""
    try:
        return max((value for value in values if value not in ("", "NA")), key=float, default=None)
    except ValueError:
        return None


def _labels(contents: Mapping[str, bytes], asked: Prediction) -> dict[str, bytes]:
    header, *rows = table_rows(asked.train, contents[asked.train])
    at = header.index(asked.target)
    targets = [row[at] for row in rows]
    random.Random(_SEED).shuffle(targets)  # noqa: S311  # the same shuffle each time is what is wanted
    changed = [[*row[:at], target, *row[at + 1 :]] for row, target in zip(rows, targets, strict=True)]
    return {**contents, asked.train: _written(asked.train, header, changed)}


def _written(name: str, header: list[str], rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *rows])
    data = out.getvalue().encode()
    return gzip.compress(data, mtime=0) if name.endswith(".gz") else data


def _keep(files: Path, data: bytes) -> str:
    digest = sha256_bytes(data)
    path = files / digest
    if not path.exists():
        files.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_bytes(data)
        new.replace(path)
    return digest
