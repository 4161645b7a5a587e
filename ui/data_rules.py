"""What was set for each data file on the command line: a word for all files, or FILE=WORD for one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from counterproof.provenance.errors import UsageError
from counterproof.tools.exposure import EXPOSURES, THIRD_PARTIES, DataRules, Exposure, ThirdParties


def data_rules(
    files: Sequence[str], exposure: Sequence[str], third_parties: Sequence[str], subject: Sequence[str]
) -> dict[str, DataRules]:
    """Return what was set for each file; the last word counts, and one for a file before one for all.

    Raises:
        UsageError: a word is not allowed.
    """
    levels = _each(files, "--exposure", exposure, allowed=EXPOSURES)
    others = _each(files, "--third-parties", third_parties, allowed=THIRD_PARTIES)
    subjects = _each(files, "--subject", subject, allowed=None)
    return {
        file: DataRules(
            exposure=cast(Exposure, levels.get(file, "metadata")),
            third_parties=cast(ThirdParties, others.get(file, "model")),
            subject=subjects.get(file, ""),
        )
        for file in files
    }


def _each(
    files: Sequence[str], option: str, given: Sequence[str], *, allowed: tuple[str, ...] | None
) -> dict[str, str]:
    for_all: dict[str, str] = {}
    for_one: dict[str, str] = {}
    for word in given:
        file, equals, value = word.rpartition("=")
        named = bool(equals) and file in files
        value = value if named else word
        if allowed is not None and value not in allowed:
            raise UsageError(
                f"{option} is {word!r}.",
                allowed=f"{', '.join(allowed)}, or FILE= and one of them; files: {', '.join(files)}.",
            )
        if named:
            for_one[file] = value
        else:
            for_all |= dict.fromkeys(files, value)
    return for_all | for_one
