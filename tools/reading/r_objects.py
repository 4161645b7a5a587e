"""R's rds and RData files that hold one data frame."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyreadr
from pyreadr.custom_errors import LibrdataError, PyreadrError

from counterproof.provenance.errors import UsageError
from counterproof.tools.reading.parquet import typed_columns
from counterproof.tools.reading.statistical import in_memory
from counterproof.tools.reading.table import Column


def read_r(name: str, data: bytes) -> list[Column]:
    """Read the one data frame of a file.

    Raises:
        UsageError: it is damaged or cut off, or holds no data frame, or several.
    """
    try:
        with in_memory(data) as path:
            found = pyreadr.read_r(path)
    except (LibrdataError, PyreadrError, ValueError, OSError) as error:
        raise UsageError(
            f"{name} can't be read as R's: {error}.",
            allowed="An rds or RData file that holds one plain data frame.",
            advice="In R: saveRDS(as.data.frame(x), file), or write.csv(x, file, row.names = FALSE).",
        ) from error
    frames = [frame for frame in found.values() if isinstance(frame, pd.DataFrame)]
    if len(frames) != 1:
        raise UsageError(
            f"{name} holds {len(frames)} data frames.",
            allowed="Just one.",
            advice="In R: saveRDS(x, file) for the one that the question needs.",
        )
    return typed_columns(name, pa.Table.from_pandas(frames[0], preserve_index=False))
