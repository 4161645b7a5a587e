"""Files that are no table and no figure: a saved model holds the data that it was fitted on.

Definition. The first bytes are those of a pickle, joblib, NumPy, HDF5, Parquet, R data, SQLite, zip, gzip or ONNX file;
or the file holds NUL bytes or is no text. The name says nothing: a program chooses it.

References
----------
Jefferson et al., GRAIMATTER: Guidelines and Resources for Artificial Intelligence Model Access from Trusted Research
Environments, 2022, https://doi.org/10.5281/zenodo.7089491
"""

from __future__ import annotations

from counterproof.tools.disclosure.item import DisclosureFinding

CHECK = "objects"
_MAGIC = {
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
    b"PAR1": "a Parquet file",
    b"RDX2": "R data",
    b"RDX3": "R data",
    b"RDA": "R data",
    b"SQLite format 3": "a database",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
}


def in_file(data: bytes) -> list[DisclosureFinding]:
    """Look at the bytes of a file that claims to be a table."""
    kind = next((name for magic, name in _MAGIC.items() if data.startswith(magic)), None)
    if kind is None and b"\x00" in data:
        kind = "a binary file"
    if kind is None:
        return []
    text = f"is {kind}: it can hold rows of the data"
    return [DisclosureFinding(check=CHECK, text=text, suggestion="suppress")]
