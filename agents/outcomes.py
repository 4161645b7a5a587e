"""What an execution gave: a small document that is the same wherever the same program does the same.

It holds the status, and the digests of streams and files; of a run on real data their salted commitments.

It does not cover how it came about (`executions`) nor what the outputs mean (`tools`).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.record import Record
from counterproof.tools import Flow, ResultsFile, parse_flow, parse_results

PRINTED_MAX = 6000
"""So many characters of what a program prints are shown to a reviewer, or told to the model."""


class Output(BaseModel):
    """One collected file."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Path below `$COUNTERPROOF_OUT`."""
    sha256: str
    """Digest of its bytes; of a run on real data their salted commitment."""


class Outcome(BaseModel):
    """What an execution gave; the journal's answer."""

    model_config = ConfigDict(frozen=True)

    order: str
    """Digest of the order."""
    synthetic: bool
    """True where the inputs were the twin: such an outcome is never released."""
    status: str
    """Status by the supervisor."""
    exit_code: int | None
    """Exit code of the program."""
    stdout: str
    """Digest of what it printed; of a run on real data its salted commitment."""
    stderr: str
    """The same of what it printed on standard error."""
    outputs: tuple[Output, ...]
    """The collected files, by name."""
    rejected: tuple[str, ...]
    """Files that were not collected, with the reason."""

    def output(self, name: str) -> str | None:
        """Return what a file is named by, or None."""
        return next((output.sha256 for output in self.outputs if output.name == name), None)


def recorded_outcome(record: Record, digest: str) -> Outcome:
    """Return the outcome with this digest, which must be the answer of an execution that the record has.

    Raises:
        VerificationFailed: no execution gave it; the graph's state was changed from outside.
    """
    finished = [event for event in record.of_type("effect.finished") if event.data["kind"] == "execution"]
    if not any(event.ref("response").sha256 == digest for event in finished):
        raise VerificationFailed(f"No execution of this study gave the outcome {digest[:12]}….")
    return Outcome.model_validate_json(record.blobs.get(digest))


def executed(record: Record, *, synthetic: bool) -> dict[str, str]:
    """Return the digest of the outcome of each order that was executed, on the twin or on the real data.

    Raises:
        VerificationFailed: an order has two outcomes, or that of another one.
    """
    found: dict[str, str] = {}
    for event in record.of_type("effect.finished"):
        if event.data["kind"] != "execution" or event.data["synthetic"] != synthetic:
            continue
        order, digest = event.data["order"], event.ref("response").sha256
        outcome = recorded_outcome(record, digest)
        if found.setdefault(order, digest) != digest or (outcome.order, outcome.synthetic) != (order, synthetic):
            raise VerificationFailed(f"The record says two things of the execution of the order {order[:12]}….")
    return found


def results_of(record: Record, outcome: Outcome) -> tuple[ResultsFile, Flow]:
    """Read the results and the participant flow of an outcome.

    Raises:
        ModelMayRetry: they are missing or not of the form.
    """
    found = [outcome.output(name) for name in ("results.json", "flow.json")]
    data = [record.blobs.get(digest) if digest else None for digest in found]
    return parse_results(data[0]), parse_flow(data[1])
