"""Warnings of libraries: a message is words of a library, and may hold a number that it took from the data.

Definition. A message with a digit proposes `suppress`: version numbers and line numbers look the same as values, and a
person tells them apart. Its words are looked at as those of other outputs are (`texts`), but for their length.

References
----------
Griffiths et al., 2019 (see `small_cells`), "Text".
"""

from __future__ import annotations

from counterproof.tools.disclosure.item import DisclosureFinding
from counterproof.tools.disclosure.texts import Words
from counterproof.tools.library_warnings import LibraryWarning

CHECK = "messages"


def in_warning(warning: LibraryWarning, words: Words) -> list[DisclosureFinding]:
    """Look at one warning."""
    found = [*words.look("its kind", warning.kind), *words.look("its message", warning.text, free=False)]
    if any(map(str.isdigit, warning.kind + warning.text)):
        text = "its message holds a number, which may be one of the data"
        found.append(DisclosureFinding(check=CHECK, text=text, suggestion="suppress"))
    return found
