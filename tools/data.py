"""Reading a data set: files become columns, or an error that says what is wrong with the file.

The bytes of the file are what is hashed, stored and mounted; reading never changes them. Which reader is asked is said
by the ending of the name (`tools.reading`). A form that programs don't read is converted before (`take_file`).
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from counterproof.provenance.errors import UsageError
from counterproof.provenance.mapped import Content, Room, check_memory, mapped
from counterproof.tools.codebooks.variable import Variable
from counterproof.tools.reading import MISSING, Column, Kind, Table, read_table
from counterproof.tools.reading.conversion import converted, converted_name, described, is_converted

__all__ = ["MISSING", "Column", "Kind", "Table", "Taken", "read_file", "read_table", "take_file"]


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A data file as it goes into the vault, and what it was made from.

    Attributes:
        content: the bytes that are stored and that programs read.
        table: what they hold.
        original: the file that they were made from; None where it is that file itself.
        variables: what the file itself says of its columns.
    """

    content: Content
    table: Table
    original: Table | None
    variables: tuple[Variable, ...]


def take_file(path: Path, *, room: Room | None = None) -> Taken:
    """Read a data file from disk, and convert it where programs don't read its form.

    Args:
        path: of the file.
        room: see `read_file`.

    Raises:
        UsageError: see `read_file`.
        MachineTrouble: see `read_file`.
    """
    content, table = read_file(path, room=room)
    if not is_converted(table.name):
        return Taken(content=content, table=table, original=None, variables=described(table))
    made = converted(table, room=room)
    again = read_table(converted_name(table.name), made, room=room)
    return Taken(content=made, table=again, original=table, variables=described(table))


def read_file(path: Path, *, room: Room | None = None) -> tuple[Content, Table]:
    """Read a data file from disk and look at it.

    Args:
        path: of the file; a large one may not be changed or cut short while it is looked at.
        room: where the cells of a large file are kept, which is mapped then; None to read all files into the memory.

    Raises:
        MachineTrouble: there is no room, or it would fill the memory.
        UsageError: the file is missing, is no file, is larger than the memory, or is not a table (see `read_table`).
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is no file.", advice="Give the path of one data file after --data.")
        large = room is not None and status.st_size > room.above
        if not large:
            check_memory(path.name, status.st_size)
        data = _mapped(path) if large else path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"The data file {path} does not exist.", advice="Check the path after --data.") from error
    except MemoryError as error:
        raise UsageError(
            f"{path.name} has {status.st_size:,} bytes, which don't fit into the memory.",
            advice="Leave out columns that the question doesn't need, or take a machine with more memory.",
        ) from error
    except OSError as error:
        raise UsageError(
            f"The data file {path} can't be read: {error.strerror}.", advice="Check the path and who may read it."
        ) from error
    return data, read_table(path.name, data, room=room)


def _mapped(path: Path) -> memoryview:
    with path.open("rb") as file:
        return mapped(file)
