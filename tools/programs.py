"""Static checks of a program in its language."""

from __future__ import annotations

from typing import assert_never

from counterproof.sandbox import Language
from counterproof.tools.static import StaticFinding, check_program
from counterproof.tools.static_r import check_r_program


def check_source(code: str, language: Language) -> list[StaticFinding]:
    """Return the findings of a program, by line; empty when there is nothing to remark."""
    match language:
        case "python":
            return check_program(code)
        case "r":
            return check_r_program(code)
        case _:
            assert_never(language)
