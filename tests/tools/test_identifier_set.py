"""The finder and a labelled set that it was not written with: recall, precision, no alarm on clinical values."""

from __future__ import annotations

import csv
import io
import socket
from collections import defaultdict

import pytest

from counterproof.tools.data import Table, read_table
from counterproof.tools.identifier_text import find_in_text
from counterproof.tools.identifiers import find_identifiers

from .identifier_set import CLINICAL_TEXT, COLUMN, FORMS, Labelled, clinical, labelled

SEED = 1996
pytestmark = pytest.mark.canary


def _column(name: str, cells: list[str], times: int) -> Table:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([name, "arm"])
    writer.writerows([cell, at % 2] for _ in range(times) for at, cell in enumerate(cells))
    return read_table("d.csv", file.getvalue().encode())


def _is_found(name: str, cells: list[str], *, times: int = 3) -> bool:
    return any(found.column == name for found in find_identifiers(_column(name, cells, times)))


def test_recall_and_precision_on_all_kinds_in_all_forms() -> None:
    groups: dict[tuple[str, str, str], list[Labelled]] = defaultdict(list)
    for one in labelled(SEED):
        groups[one.kind, one.form, one.column].append(one)
    found = alarms = total = 0
    missed: list[str] = []
    for (kind, form, column), values in groups.items():
        total += len(values)
        if column:
            hit = _is_found(column, [one.value for one in values])
            found += len(values) * hit
            missed += [] if hit else [f"{kind}, {form}: all"]
            continue
        for one in values:
            start = one.text.index(one.value)
            spans = [(span.start < start + len(one.value) and span.end > start) for span in find_in_text(one.text)]
            found += any(spans)
            alarms += spans.count(False)
            missed += [] if any(spans) else [f"{kind}, {form}: {one.text}"]
    assert len(groups) == len(COLUMN) * len(FORMS)
    assert total >= 2000
    assert found / total >= 0.98, missed
    assert found / (found + alarms) >= 0.8


@pytest.mark.parametrize("name", clinical(SEED))
def test_no_alarm_on_columns_of_clinical_values(name: str) -> None:
    cells = clinical(SEED)[name]
    assert not _is_found(name, cells)
    assert not _is_found("v7", cells)


@pytest.mark.parametrize("text", CLINICAL_TEXT)
def test_no_alarm_on_clinical_text(text: str) -> None:
    assert find_in_text(text) == []


def test_nothing_goes_to_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: object, **_named: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    texts = [one.text for one in labelled(3)[::20]]
    assert any(find_in_text(text) for text in texts)
    assert find_in_text("write to ada@hospital.example.co.uk or see https://example.org/ada")
