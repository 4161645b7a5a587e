"""Reading data files of the formats that biomedical data come in, one module a family."""

from counterproof.tools.reading.reader import FORMS, read_table
from counterproof.tools.reading.table import MISSING, Column, Kind, Table

__all__ = ["FORMS", "MISSING", "Column", "Kind", "Table", "read_table"]
