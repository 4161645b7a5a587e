"""Files that don't fit into the memory: taken in as the others are, from cells that lie in a mapped file."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as arrow_parquet
import pyreadstat
import pytest

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.mapped import Room
from counterproof.provenance.store import Status
from counterproof.provenance.vault import Vault
from counterproof.provenance.vault_keys import VaultKeys, key_file_protector
from counterproof.sandbox.laid import place_for
from counterproof.scenarios.catalogue import load_scenario
from counterproof.scenarios.replayer import run_scenario, start_scenario
from counterproof.tools.data import Column, Table, read_table, take_file
from counterproof.tools.identifiers import find_identifiers
from counterproof.tools.reading import delimited_rows
from counterproof.tools.reading.spill import Spill
from counterproof.tools.rowguard import RowGuard, RowInRequest
from counterproof.tools.twin import build_twin
from counterproof.tools.twin.private import Privacy, private_twin

from ..lab import Lab

ROWS = 3000


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    """A place for columns, of which any file has too many; blocks are small, so that each file has several."""
    monkeypatch.setattr(delimited_rows, "_CUT", 20_000)
    monkeypatch.setattr(delimited_rows, "HEAD", 5000)
    place = tmp_path / "room"
    place.mkdir()
    return Room(folder=place, above=0)


def _made(*, quoted: bool = False) -> dict[str, list[str]]:
    """Return columns of which many change their kind on the way."""
    chance = random.Random(7)  # no secret
    rows = range(ROWS)
    return {
        "patient_id": [f"P{at:05d}" for at in rows],
        "whole": [str(chance.randint(0, 9)) for _ in rows],
        "grows": [str(chance.randint(0, 9) if at < 2000 else chance.randint(0, 10**12)) for at in rows],
        "measure": [f"{chance.gauss(10, 3):.2f}" for _ in rows],
        "more decimals": [f"{chance.gauss(10, 3):.{2 if at < 1500 else 7}f}" for at in rows],
        "a word late": [str(chance.randint(0, 9)) if at != 2500 else "unknown" for at in rows],
        "a half late": [str(chance.randint(0, 9)) if at != 2500 else "1.5" for at in rows],
        "empty": ["" for _ in rows],
        "begins empty": ["" if at < 2000 else f"{chance.random():.3f}" for at in rows],
        "day": [f"20{chance.randint(10, 20)}-01-{chance.randint(10, 28)}" for _ in rows],
        "a word among days": [f"2010-01-{chance.randint(10, 28)}" if at != 2222 else "x" for at in rows],
        "time": [f"{chance.randint(10, 20)}:00" for _ in rows],
        "group": [chance.choice("abc") for _ in rows],
        "note": [f"seen at {chance.random()} and sent home with advice  " for _ in rows],
        "quoted": [chance.choice(["x", "a,b", 'say "hi"', "two\nlines", ""]) if quoted else "y" for _ in rows],
        "beyond measure": ["1e200" if at == 2700 else "1.5" for at in rows],
        "blanks": [" 5" if at == 1800 else "4" for at in rows],
    }


def _csv(columns: dict[str, list[str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue().encode()


def _plain(column: Column) -> list[Any]:
    return [None if value != value else value for value in column.values.tolist()]


def _same(one: Table, other: Table) -> None:
    assert other.on_disk
    assert not one.on_disk
    for first, second in zip(one.columns, other.columns, strict=True):
        assert (first.name, first.kind, first.decimals) == (second.name, second.kind, second.decimals)
        assert (first.label, first.codes) == (second.label, second.codes)
        assert _plain(first) == _plain(second), first.name
        assert first.counts().sort_index().equals(second.counts().sort_index())
        assert first.different().to_pylist() == second.different().to_pylist()


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".csv.zip"])
def test_delimited_text_on_the_disk_is_as_in_memory(room: Room, ending: str, quoted: bool) -> None:
    text = b"\xef\xbb\xbf" + _csv(_made(quoted=quoted)) + b"\n\n\n"
    data = {".csv": text, ".csv.gz": gzip.compress(text), ".csv.zip": _zip(text)}[ending]
    table = read_table(f"d{ending}", data, room=room)
    _same(read_table(f"d{ending}", data), table)
    rows = np.array([0, 5, 1700, 2999])
    for column in table.columns:
        assert _plain(column.taken(rows)) == [_plain(column)[at] for at in rows]
    assert list(room.folder.iterdir()) == []


def _zip(text: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d.csv", text)
    return out.getvalue()


def _frame() -> pd.DataFrame:
    chance = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "age": np.where(np.arange(ROWS) % 9, chance.integers(18, 90, ROWS), np.nan),
            "score": np.round(chance.normal(5, 1, ROWS), 2),
            "sex": chance.choice(["m", "f"], ROWS),
        }
    )


@pytest.mark.parametrize("ending", [".parquet", ".jsonl", ".sav", ".dta", ".xpt"])
def test_other_forms_on_the_disk_are_as_in_memory(room: Room, tmp_path: Path, ending: str) -> None:
    frame, path = _frame(), tmp_path / f"d{ending}"
    save: dict[str, Callable[[], object]] = {
        ".parquet": lambda: arrow_parquet.write_table(pa.Table.from_pandas(frame), path, row_group_size=700),
        ".jsonl": lambda: path.write_text(frame.to_json(orient="records", lines=True)),
        ".sav": lambda: pyreadstat.write_sav(frame, str(path), column_labels={"age": "Age in years"}),
        ".dta": lambda: pyreadstat.write_dta(frame, str(path), column_labels={"age": "Age in years"}),
        ".xpt": lambda: pyreadstat.write_xport(frame, str(path)),
    }
    save[ending]()
    _same(read_table(path.name, path.read_bytes()), read_table(path.name, path.read_bytes(), room=room))
    small, large = take_file(path), take_file(path, room=room)
    assert bytes(small.content) == bytes(large.content)


def test_a_twin_of_a_table_on_the_disk_is_of_whole_persons_and_holds_no_real_row(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("counterproof.tools.twin.sampling.CELLS_MAX", 6000)
    chance = random.Random(1)  # no secret
    lines = [
        f"P{at // 3},{at % 3},{chance.choice('ab')},{chance.randint(0, 1)},{chance.randint(0, 1)},x"
        for at in range(6000)
    ]
    data = "\n".join(["patient_id,visit,arm,one,two,same", *lines]).encode()
    table = read_table("d.csv", data, room=room)
    twin = build_twin(table, find_identifiers(table))
    assert twin.data == build_twin(table, find_identifiers(table)).data
    made = [line.rsplit(",", 1)[0] for line in twin.data.decode().splitlines()[1:]]
    assert len(made) == 999  # a thousand rows have six thousand cells, and persons have three each
    assert not set(made) & set(lines)
    assert all("from a sample of the rows" in one["how"] for one in twin.facts["made"])
    with pytest.raises(UsageError, match=r"too many for a twin with differential privacy.*Leave out columns"):
        private_twin(table, set(), None, Privacy(epsilon=1))


def test_the_guard_finds_rows_and_words_of_a_table_on_the_disk(room: Room) -> None:
    text = _csv(_made())
    guard = RowGuard([read_table("d.csv", text, room=room)])
    lines = text.decode().splitlines()
    for line in (lines[1], lines[1500], lines[-1]):
        with pytest.raises(RowInRequest, match=r"row|value"):
            guard.check(json.dumps({"messages": [{"role": "user", "content": line}]}).encode())
    guard.check(json.dumps({"messages": [{"role": "user", "content": ",".join(_made())}]}).encode())


def test_what_can_only_be_read_as_a_whole_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterproof.tools.reading.reader.LARGE", 10)
    with pytest.raises(
        UsageError, match=r"d\.xlsx has 11 bytes, and a file of Excel.*Save the table as CSV or Parquet"
    ):
        read_table("d.xlsx", b"0123456789 ")


def test_a_full_disk_is_said_and_nothing_is_left(room: Room) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    data = _csv(_made())
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(
            MachineTrouble, match=r"can't be unpacked in .*bytes left: .*Make room.*nothing was left behind"
        ):
            read_table("d.csv", data, room=room)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(room.folder.iterdir()) == []


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MachineTrouble, match=r"can't be unpacked in .*nowhere: No such file"):
        read_table("d.csv", _csv(_made()), room=Room(folder=tmp_path / "nowhere", above=0))


@pytest.mark.crash
def test_a_process_killed_while_it_writes_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; import pyarrow as pa\n"
        "from counterproof.tools.reading.spill import Spill\n"
        "spill = Spill(Path(sys.argv[1])); spill.write([pa.array(range(10**6))]); print('written', flush=True)\n"
        "time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"written\n"
    child.kill()
    child.wait()
    assert list(tmp_path.iterdir()) == []


def test_columns_on_the_disk_have_no_name_and_are_for_one_user(tmp_path: Path) -> None:
    spill = Spill(tmp_path)
    status = os.fstat(spill._file.fileno())
    assert (status.st_nlink, status.st_mode & 0o777) == (0, 0o600)


def test_a_sealed_vault_writes_nothing_in_the_clear_but_where_somebody_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _csv(_made())
    folder, laid = tmp_path / "vault", tmp_path / "laid"
    laid.mkdir()
    empty = Vault(folder)
    assert empty.room is None  # it is sealed with its first file
    VaultKeys.create(folder, key_file_protector(tmp_path / "key", make=True))
    digest = Vault(folder).put(memoryview(data))
    assert Vault(folder).room is None
    assert bytes(Vault(folder).content(digest)) == data
    monkeypatch.setattr("counterproof.provenance.mapped.LARGE", 10)
    monkeypatch.setattr("counterproof.provenance.mapped._TIMES", 10**9)
    with pytest.raises(
        MachineTrouble, match=r"d\.csv has .* bytes.*Name a folder on an encrypted disk.*COUNTERPROOF_LAID"
    ):
        Vault(folder).content(digest, name="d.csv")
    (tmp_path / "d.csv").write_bytes(data)
    with pytest.raises(MachineTrouble, match=r"d\.csv has .* bytes.*A file that is read into the memory"):
        take_file(tmp_path / "d.csv", room=Vault(folder).room)
    with_room = Vault(folder, laid=laid)
    monkeypatch.setattr(Vault, "room", Room(folder=laid, above=10))
    assert isinstance(with_room.content(digest), memoryview)
    assert bytes(with_room.content(digest)) == data
    assert list(laid.iterdir()) == []


def test_a_plain_vault_has_room_beside_its_files_and_a_sealed_one_where_somebody_said(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault")
    vault.put(b"a,b\n1,2\n")
    assert vault.room == Room(folder=vault.folder)
    assert place_for(vault, 10) is None
    assert place_for(vault, 10**18) == vault.folder
    VaultKeys.create(vault.folder, key_file_protector(tmp_path / "key", make=True))
    assert place_for(vault, 10**18) is None
    assert Vault(vault.folder).room is None
    named = Vault(vault.folder, laid=tmp_path)
    assert (named.room, place_for(named, 10)) == (Room(folder=tmp_path), tmp_path)


@pytest.mark.scenario
def test_a_whole_study_of_a_table_on_the_disk_is_as_of_one_in_memory(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Vault, "room", Room(folder=tmp_path, above=0))
    runner = lab.runner()
    run = run_scenario(runner, start_scenario(runner.workplace, load_scenario("lung-survival")))
    # Another profile, twin or verdict would have asked for other turns than are recorded.
    assert run.status is Status.DONE


def test_a_file_larger_than_the_memory_is_taken_in(tmp_path: Path) -> None:
    path, place = tmp_path / "large.csv", tmp_path / "room"
    place.mkdir()
    size = _write_large(path, rows=700_000)
    assert size > 560e6
    environment = {
        **os.environ,
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve more than they use
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": str(2**20),
        "OPENBLAS_NUM_THREADS": "1",
        "POLARS_MAX_THREADS": "1",
    }
    command = [sys.executable, "-m", "tests.tools.larger", str(path), str(place), "400"]
    began = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    print(f"{time.monotonic() - began:.0f} s", told)
    assert (told["on_disk"], told["rows"], told["left"]) == (True, 700_000, [])
    assert told["found"][0] == "patient_id"
    assert told["guarded"]
    assert told["columns"] == 47
    assert 10_000 < told["twin_rows"] < 100_000
    assert list(place.iterdir()) == []


def _write_large(path: Path, rows: int) -> int:
    """Write a file whose rows repeat themselves behind the number of the patient."""
    chance, many = np.random.default_rng(3), 20_000
    columns: dict[str, Any] = {f"whole{at}": chance.integers(0, 10 ** (1 + at % 6), many) for at in range(10)}
    columns |= {f"measure{at}": np.round(chance.normal(1000, 150, many), 3) for at in range(12)}
    columns |= {
        f"group{at}": chance.choice([f"level {of} of the classification" for of in range(3 + at)], many)
        for at in range(24)
    }
    head, *lines = pd.DataFrame(columns).to_csv(index=False).splitlines(keepends=True)
    with path.open("w", encoding="ascii") as file:
        file.write(f"patient_id,{head}")
        for at in range(0, rows, many):
            file.writelines(f"P{at + place:08d},{line}" for place, line in enumerate(lines))
    return path.stat().st_size
