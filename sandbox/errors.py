"""The errors of the sandbox, as part of the tree of `provenance.errors`.

    MachineTrouble
    └── SandboxUnavailable   no isolation, or not the required one; nothing ran
    ToolFailed
    └── GateRefused          the gate keeps the data closed

It does not cover what programs do: that is the status of an `Execution`.
"""

from __future__ import annotations

from counterproof.provenance.errors import MachineTrouble, ToolFailed


class SandboxUnavailable(MachineTrouble):
    """This machine can't isolate as required; nothing ran, and nothing runs with less instead.

    Attributes:
        evidence: what the helper or the probe reported.
        gave_way: the attacks of the probe that succeeded; empty when the sandbox did not even start.
    """

    def __init__(
        self, what: str, *, allowed: str = "", advice: str = "", evidence: str = "", gave_way: tuple[str, ...] = ()
    ) -> None:
        super().__init__(what, allowed=allowed, advice=advice)
        self.evidence = evidence
        self.gave_way = gave_way


class GateRefused(ToolFailed):
    """The gate keeps the data closed; the text says which condition does not hold."""
