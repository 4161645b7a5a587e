"""What a specification may ask for in a study: its model, its exposure, and what is left of epsilon.

It is looked at when a study is made and when a reviewer edits, so that people are told early. The gate looks again, at
the record and the policy.

It does not cover whether the specification fits the columns (`set_study`).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from counterproof.provenance.errors import UsageError
from counterproof.tools.exposure import Exposure
from counterproof.tools.synth.specification import SetSpecification


class SetLimits(BaseModel):
    """What a study allows of a set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """The model of the study; "" for none."""
    exposure: Exposure
    """What the model may see of the data."""
    epsilon: float
    """How much all sets of the study may take, by its policy; 0 where that asks for no differential privacy."""
    spent: float
    """How much those that were made have taken."""

    def check(self, specification: SetSpecification) -> None:
        """Refuse what can't be made in this study.

        Raises:
            UsageError: a model is needed, or rows are to be shown to it, or too much epsilon is asked for.
        """
        if specification.asks_model and not self.model:
            raise UsageError(
                "The specification has a model write, and no model was chosen.", advice="Name it with --model."
            )
        if specification.examples and self.exposure != "rows":
            raise UsageError(
                f"The model is to see {specification.examples} real rows, and the exposure is {self.exposure!r}.",
                allowed="Examples of open data alone.",
                advice="Leave `examples` away, or make the study with --show-real-to-model.",
            )
        if specification.epsilon and self.spent + specification.epsilon > self.epsilon:
            raise UsageError(
                f"The policy allows an epsilon of {self.epsilon:g} for all sets of this study; they took "
                f"{self.spent:g}, and {specification.epsilon:g} is asked for.",
                allowed=f"At most {max(self.epsilon - self.spent, 0):g}.",
                advice="Ask for less, or make a study whose policy says more of the file.",
            )
