"""Excel and OpenDocument workbooks: the one sheet that holds something, its first row as header."""

from __future__ import annotations

import io
import zipfile

import python_calamine

from counterproof.provenance.errors import UsageError
from counterproof.tools.reading.columns import text_column, written
from counterproof.tools.reading.packed import check_growth
from counterproof.tools.reading.table import Column


def read_excel(name: str, data: bytes) -> list[Column]:
    """Read a workbook.

    Raises:
        UsageError: it is damaged, grows beyond measure, or several of its sheets hold something.
    """
    _check_size(name, data)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = {sheet: book.get_sheet_by_name(sheet).to_python() for sheet in book.sheet_names}
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise UsageError(
            f"{name} can't be read as a workbook: {error}.", advice="Save it anew, or export the sheet as CSV."
        ) from error
    full = {sheet: rows for sheet, rows in sheets.items() if rows}
    if len(full) != 1:
        raise UsageError(
            f"{name} has {len(full)} sheets that hold something{': ' + ', '.join(full) if full else ''}.",
            allowed="Just one sheet, with the names of the columns in its first row.",
            advice="Save the sheet with the data as a file of its own.",
        )
    header, *rows = next(iter(full.values()))
    names = [str(cell).strip() for cell in header]
    columns = zip(*rows, strict=True) if rows else [() for _ in names]
    return [text_column(column, written(cells)) for column, cells in zip(names, columns, strict=True)]


def _check_size(name: str, data: bytes) -> None:
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_growth(name, len(data), sum(info.file_size for info in archive.infolist()))
