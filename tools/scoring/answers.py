"""What a right analysis gives: the form of held-out answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ExpectedNumber(_Model):
    """One number that a right analysis gives; not scored where neither value nor range stands."""

    value: float | None = None
    """Its value."""
    tol: float = 0.0
    """How far off is still right."""
    range: tuple[float, float] | None = None
    """The range that is right, ends included."""

    @property
    def is_scored(self) -> bool:
        """Whether it says what is right."""
        return self.value is not None or self.range is not None

    def holds(self, given: float) -> bool:
        """Say whether a given number is right."""
        if self.range is not None:
            return self.range[0] <= given <= self.range[1]
        assert self.value is not None
        # A tolerance is written in decimals, and a difference of binary numbers misses its edge.
        return abs(given - self.value) <= self.tol * (1 + 1e-9) + 1e-12


class Answers(_Model):
    """What a right analysis gives."""

    expected: dict[str, ExpectedNumber] = Field(min_length=1)
    """The numbers by their ids."""
    traps: dict[str, float] = Field(default_factory=dict)
    """Known wrong answers by their names."""
    cannot_conclude: bool = False
    """Whether the right answer is that these data can't answer the question."""
