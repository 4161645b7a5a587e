"""The twin in the form of the data: a program opens both under one name with one call.

Delimited text, Parquet, JSON lines and Stata are written, and gzip and zip around them. Files of other forms are
converted to delimited text before they get into the vault (`conversion`).
"""

from __future__ import annotations

import gzip
import io
import zipfile
from importlib import import_module
from pathlib import PurePath

from counterproof.provenance.errors import UsageError
from counterproof.tools.reading.reader import FORMS

WRITABLE = (".parquet", ".jsonl", ".ndjson", ".dta")
"""Endings beside those of delimited text; their writers are imported when a twin needs one."""
_MEDIA = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".parquet": "application/vnd.apache.parquet",
    ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl",
    ".sav": "application/x-spss-sav",
    ".dta": "application/x-stata-dta",
    ".rds": "application/x-r-data",
    ".gz": "application/gzip",
    ".zip": "application/zip",
}
_EPOCH = (1980, 1, 1, 0, 0, 0)


def check_writable(name: str) -> None:
    """Check that a twin can be written in the form of a data file.

    Raises:
        UsageError: it can't.
    """
    ending = _ending(name)
    if ending in FORMS and ending not in WRITABLE:
        raise UsageError(
            f"{name} is in the vault as it was added, and programs in Python and R don't both read {ending} files.",
            allowed=f"Delimited text, or {', '.join(WRITABLE)}; .gz or .zip behind them.",
            advice="Add it again (`counterproof data add`): it is converted then.",
        )


def in_form_of(name: str, twin: bytes) -> bytes:
    """Return a twin, which is delimited text, in the form that the name of the data file says.

    Raises:
        UsageError: see `check_writable`.
    """
    check_writable(name)
    ending = _ending(name)
    other = ending in WRITABLE
    writers = import_module("counterproof.tools.reading.writers") if other else None  # lazy: half a second, mostly CSV
    content: bytes = writers.write(ending, twin) if writers else twin
    match PurePath(name).suffix.lower():
        case ".gz":
            return gzip.compress(content, mtime=0)
        case ".zip":
            return _zipped(PurePath(name).stem, content)
        case _:
            return content


def media_of(name: str) -> str:
    """Return the media type of a data file, or of its twin, by the ending of its name."""
    return _MEDIA.get(PurePath(name).suffix.lower(), "text/plain")


def _ending(name: str) -> str:
    path = PurePath(name)
    return PurePath(path.stem if path.suffix.lower() in (".gz", ".zip") else name).suffix.lower()


def _zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()
