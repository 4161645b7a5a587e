"""An order: everything that one execution depends on, in a form that has a digest and can be approved.

The digest of an order covers the program's bytes, its inputs, the environment, the limits and the seed. Two
executions with the same order are the same computation; change one byte of any part and it is another order, which
needs its own approval.

It does not cover host facts (kernel, processor): those go into the record beside the execution.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from counterproof.provenance.digests import digest_of
from counterproof.sandbox.environments import Language

Role = Literal["primary", "replication", "checks"]
ROLES: tuple[Role, ...] = ("primary", "replication")
"""The two programs that the model writes; `checks` is the check program, which it doesn't."""
_SUFFIX: dict[Language, str] = {"python": "py", "r": "R"}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputRef(_Model):
    """A file that the program reads."""

    name: str
    """The name under which the program finds it in `$COUNTERPROOF_DATA`."""
    sha256: str
    """Digest of its bytes."""


class MakingOrder(_Model):
    """The making of a synthetic set from real data, completely described."""

    request: str
    """Digest of what the secure side is asked with: the specification, and what was said of the columns."""
    inputs: tuple[InputRef, ...]
    """The real data that the maker learns from."""

    @property
    def digest(self) -> str:
        """What an approval names."""
        return digest_of(self.model_dump(mode="json"))


class Order(_Model):
    """One execution, completely described."""

    role: Role
    """Which of the two independent programs, or the check program."""
    language: Language
    """Language of the program."""
    program: str
    """Digest of the program's bytes."""
    inputs: tuple[InputRef, ...]
    """What it reads."""
    environment: str
    """Digest of the analysis environment."""
    limits: dict[str, int]
    """Limits of the execution, by name with unit."""
    seed: int
    """Given to the program as COUNTERPROOF_SEED."""
    synthetic: bool
    """True where the inputs are the twin; such an execution needs no approval and its results are never released."""

    @property
    def program_name(self) -> str:
        """File name of the program in the sandbox."""
        return f"program.{_SUFFIX[self.language]}"

    @property
    def digest(self) -> str:
        """What an approval names."""
        return digest_of(self.model_dump(mode="json"))
