"""The pages about the record are true: the page of events is that of the schemas, and what record.md shows works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.record import Record
from counterproof.provenance.schema_page import events_page
from counterproof.provenance.schemas import event_types, schema_files

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_events_is_up_to_date() -> None:
    assert (DOCS / "events.md").read_text(encoding="utf-8") == events_page(), (
        "docs/events.md is stale. Write it anew: "
        ".venv/bin/python -P -m counterproof.provenance.schema_page > docs/events.md"
    )


@pytest.mark.parametrize("type_", event_types())
def test_each_type_has_a_section_with_its_description(type_: str) -> None:
    schema = json.loads(schema_files()[f"{type_}.json"])
    assert f"## {type_}\n\n{schema['description']}\n" in events_page()


@pytest.mark.parametrize("holds", [True, False], ids=["a record", "a changed record"])
def test_the_check_of_a_stranger_in_the_docs_works(tmp_path: Path, holds: bool) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (DOCS / "record.md").read_text(encoding="utf-8"), re.DOTALL)
    schemas = tmp_path / "data" / "verify" / "schemas"
    schemas.mkdir(parents=True)
    for name, data in schema_files().items():
        (schemas / name).write_bytes(data)
    record = Record(tmp_path / "data" / "record", blobs=Blobs(tmp_path / "blobs"))
    record.append("plan.drafted", data={"round": 1 if holds else "first"}, refs=[record.put("plan", b"{}")])
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == holds
    assert holds or "ValidationError: 'first' is not of type 'integer'" in done.stderr


def test_the_two_lines_that_open_a_commitment_in_the_docs_work(tmp_path: Path) -> None:
    commitment = Blobs(tmp_path / "blobs", secret=lambda: bytes(32)).commit(b"n = 7")
    typed = re.findall(
        r"^  ((?:sha256sum|tail) .*?) +#", (DOCS / "record.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    place = f"blobs/salted/{commitment[:2]}/{commitment[2:]}"
    told = [
        subprocess.run(
            line.replace("blobs/salted/AB/CDEF…", place), shell=True, cwd=tmp_path, capture_output=True
        ).stdout
        for line in typed
    ]
    assert [told[0].split()[0].decode(), told[1]] == [commitment, b"n = 7"]
    assert sha256((tmp_path / place).read_bytes()).hexdigest() == commitment
