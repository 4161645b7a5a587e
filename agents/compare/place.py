"""Where a campaign is kept: what its cells need in `files/`, and one folder for each cell.

    files/<sha256>                            data, twins and probes of all campaigns; nothing held out
    <campaign>/cells/<key>/record/            what happened in the cell
    <campaign>/cells/<key>/result.json        what came of it; appears whole, and then the cell is done
    <campaign>/record/                        the campaign's own record

A cell is done by one process at a time (a file lock, which the kernel takes back when the process dies). The folder may
be on a file system that machines share, if that has working locks.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from counterproof.agents.compare.cell import Cell, Done
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.record import Record


class CampaignPlace:
    """The folder of a campaign.

    Args:
        folder: where it is.
        files: where its files are; None for its own folder.
    """

    def __init__(self, folder: Path, *, files: Path | None = None) -> None:
        self.folder = folder
        self.files = files or folder / "files"

    @property
    def record(self) -> Record:
        """The campaign's own record."""
        return Record(self.folder / "record", blobs=Blobs(self.folder / "blobs"), shared=True)

    def cell(self, key: str) -> CellPlace:
        """Return the place of a cell."""
        return CellPlace(self.folder / "cells" / key)

    def done(self, cell: Cell) -> Done | None:
        """Return what came of a cell; None while it is not done."""
        return self.cell(cell.key).done()

    def running(self, cells: Iterable[Cell]) -> list[Cell]:
        """Return those of the cells that a process is at work on, here or on a machine that shares the folder."""
        return [cell for cell in cells if _is_held(self.folder / "cells" / cell.key / "lock")]


class CellPlace:
    """The folder of a cell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = Record(folder / "record", blobs=Blobs(folder / "blobs"), shared=True)

    @property
    def bundle(self) -> Path:
        """The bundle of its study, where it has one."""
        return self.folder / "study.zip"

    def done(self) -> Done | None:
        """Return what came of the cell; None while it is not done."""
        try:
            return Done.model_validate_json((self.folder / "result.json").read_bytes())
        except FileNotFoundError:
            return None

    def finish(self, done: Done) -> None:
        """Write down what came of it; the file is whole or not there."""
        new = self.folder / "result.new"
        with new.open("wb") as file:
            file.write(done.model_dump_json(indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.folder / "result.json")

    @contextmanager
    def mine(self) -> Iterator[None]:
        """Keep every other process out; waits until it is free."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
