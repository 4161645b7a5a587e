"""What code says of the executions on the real data: checks, comparison of both programs, warnings of libraries.

It is made of the papers of a study alone, so it can be made again by whoever has them.

It does not cover what may disclose something (`tools.disclosure`), which needs the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counterproof.agents.checking import columns_of, observed
from counterproof.agents.outcomes import Outcome, recorded_outcome, results_of
from counterproof.agents.papers import Papers
from counterproof.provenance.digests import sha256_bytes
from counterproof.sandbox.orders import ROLES, Order
from counterproof.tools import compare
from counterproof.tools.checks import HALTING, Check, Evidence, Observation, ProgramSource, Verdict, run_checks
from counterproof.tools.library_warnings import LibraryWarning, warnings_of


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What was found.

    Attributes:
        primary: what the primary program gave.
        replication: what the replication gave.
        checks: each check with its evidence.
        comparison: each number of the plan in both programs.
        warnings: what the libraries warned of, by the ids of the items of the release.
    """

    primary: Outcome
    replication: Outcome
    checks: tuple[Check, ...]
    comparison: list[dict[str, Any]]
    warnings: dict[str, LibraryWarning]

    @property
    def failed(self) -> list[str]:
        """The checks that failed."""
        return [made.id for made in self.checks if made.verdict is Verdict.FAIL]

    @property
    def halting(self) -> list[str]:
        """Those of them after which nothing is put up to be released."""
        return [name for name in self.failed if name in HALTING]

    @property
    def streams(self) -> dict[str, str]:
        """What the record names the standard error of each program by."""
        return {"primary": self.primary.stderr, "replication": self.replication.stderr}

    def shown(self) -> dict[str, Any]:
        """Return what a release shows of it."""
        return {
            "checks": [made.model_dump(mode="json") for made in self.checks],
            "comparison": self.comparison,
            "warnings": {id_: warning.model_dump(mode="json") for id_, warning in self.warnings.items()},
        }


def judge(papers: Papers, executions: Mapping[str, str], *, plan: str) -> Judgement:
    """Judge what the programs gave on the real data.

    Args:
        papers: of the study.
        executions: digest of the outcome of each program, and of the check program where there is one.
        plan: digest of the locked plan.

    Raises:
        VerificationFailed: no execution of this study gave such an outcome.
    """
    outcomes = {role: recorded_outcome(papers.record, digest) for role, digest in executions.items()}
    primary, replication = outcomes["primary"], outcomes["replication"]
    results, flow = results_of(papers.record, primary)
    observation, unread = observed(papers, outcomes.get("checks"))
    order = Order.model_validate_json(papers.record.blobs.get(primary.order))
    evidence = Evidence(
        plan=papers.plan(plan),
        rows=_rows(papers),
        primary=results,
        replication=results_of(papers.record, replication)[0],
        flow=flow,
        columns=tuple(columns_of(papers)),
        source=ProgramSource(code=papers.text(order.program), language=papers.settings.language_of("primary")),
        results_sha256=sha256_bytes(papers.record.blobs.get(primary.output("results.json") or "")),
        observation=observation,
        unobserved="" if papers.settings.checks_on_data else "the study was made without it",
    )
    return Judgement(
        primary=primary,
        replication=replication,
        checks=(*run_checks(evidence), *unread),
        comparison=[vars(row) for row in compare(evidence.plan, evidence.primary, evidence.replication)],
        warnings=_warned(papers, outcomes, observation),
    )


def _warned(
    papers: Papers, outcomes: Mapping[str, Outcome], observation: Observation | None
) -> dict[str, LibraryWarning]:
    """Return what the libraries warned of in both programs."""
    found: list[LibraryWarning] = []
    for role in ROLES:
        stderr = papers.record.blobs.get(outcomes[role].stderr).decode("utf-8", errors="replace")
        noted = observation.warnings if observation is not None and role == "primary" else ()
        found += warnings_of(role, stderr, papers.settings.language_of(role), noted=noted)
    return {f"warning:{at}": warning for at, warning in enumerate(found, start=1)}


def _rows(papers: Papers) -> int | None:
    """Return how many rows the data file has, as intake found; None where there are several files."""
    rows: dict[str, int] = papers.record.of_type("intake.finished")[-1].data["rows"]
    return next(iter(rows.values())) if len(rows) == 1 else None
