"""Reading a data set: files become columns, or an error that says what is wrong with the file.

The bytes of the file are what is hashed, stored and mounted; reading never changes them. Which reader is asked is said
by the ending of the name (`tools.reading`).
"""

from __future__ import annotations

import stat
from pathlib import Path

from counterproof.provenance.errors import UsageError
from counterproof.tools.reading import MISSING, Column, Kind, Table, read_table

__all__ = ["MISSING", "Column", "Kind", "Table", "read_file", "read_table"]


def read_file(path: Path) -> tuple[bytes, Table]:
    """Read a data file from disk and look at it.

    Raises:
        UsageError: the file is missing, is no file, is larger than the memory, or is not a table (see `read_table`).
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is no file.", advice="Give the path of one data file after --data.")
        data = path.read_bytes()
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
    return data, read_table(path.name, data)
