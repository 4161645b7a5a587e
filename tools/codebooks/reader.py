"""Which form a codebook has, by the ending of its name and its first line.

.xml                    CDISC define.xml
.csv, .tsv              a REDCap data dictionary, or any dictionary with a column of names
anything else           plain text, handed on as it is
"""

from __future__ import annotations

from pathlib import PurePath

from counterproof.provenance.errors import UsageError
from counterproof.tools.codebooks import define_xml, dictionary, redcap
from counterproof.tools.codebooks.variable import Codebook, Form, Variable

_DELIMITED = (".csv", ".tsv")
_BINARY = (".xlsx", ".xls", ".ods", ".docx", ".pdf")


def read_codebook(name: str, data: bytes) -> Codebook:
    """Read a codebook.

    Args:
        name: its file name; what stands before the last slash is left out.
        data: its bytes.

    Raises:
        UsageError: it is not in UTF-8, or not of the form that its name says; the text names the line.
    """
    plain = PurePath(name).name
    ending = PurePath(plain).suffix.lower()
    if ending == ".xml":
        return _structured("CDISC define.xml", define_xml.read_define(plain, data))
    text = _text(plain, ending, data)
    if redcap.is_redcap(text):
        return _structured("REDCap data dictionary", redcap.read_redcap(plain, text))
    if ending in _DELIMITED:
        return _structured("CSV dictionary", dictionary.read_dictionary(plain, text))
    return Codebook(form="text", text=text)


def _structured(form: Form, variables: tuple[Variable, ...]) -> Codebook:
    return Codebook(form=form, variables=variables)


def _text(name: str, ending: str, data: bytes) -> str:
    if ending in _BINARY:
        raise UsageError(
            f"The codebook {name} is no text.",
            allowed="A dictionary or REDCap data dictionary (.csv, .tsv), CDISC define.xml (.xml), or plain text.",
            advice="Save its table as CSV.",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"The codebook {name} is not UTF-8: byte 0x{data[error.start]:02x} in line {line}.",
            allowed="Text must be in UTF-8.",
            advice=f"Convert it: iconv -f WINDOWS-1252 -t UTF-8 {name}",
        ) from error
