"""Runs the same specification twice and compares what came out, byte by byte.

The idea: seed, hash seed, locale, time zone and thread counts are set for every program, so two runs of a program that
draws no numbers of its own must agree; where they don't, the program is told by name what differs.

It does not cover whether another machine gives the same: processors round differently in some libraries.
"""

from __future__ import annotations

from dataclasses import dataclass

from counterproof.sandbox.contract import Execution, ExecutionSpec, Sandbox, run_all


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two executions of one specification.

    Attributes:
        executions: the two.
        different: what is not equal, sorted: `status`, `stdout`, `stderr` and the names of outputs.
    """

    executions: tuple[Execution, Execution]
    different: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.different


def run_twice(sandbox: Sandbox, spec: ExecutionSpec) -> Comparison:
    """Run `spec` twice, one after the other, and compare.

    Raises:
        MachineTrouble: a sandbox could not be started.
        UsageError: the specification can't be run.
    """
    (first,), (second,) = run_all(sandbox, [spec]), run_all(sandbox, [spec])
    one, other = _parts(first), _parts(second)
    different = tuple(sorted(name for name in {*one, *other} if one.get(name) != other.get(name)))
    return Comparison(executions=(first, second), different=different)


def _parts(execution: Execution) -> dict[str, object]:
    return {
        "status": (execution.status, execution.exit_code, execution.signal),
        "stdout": (execution.stdout.data, execution.stdout.total_bytes),
        "stderr": (execution.stderr.data, execution.stderr.total_bytes),
        **{artifact.name: artifact.sha256 for artifact in execution.artifacts},
        **{rejected.name: rejected.reason for rejected in execution.rejected},
    }
