"""Which executions a study asks for: of its programs on the twin, and of all that an approval opens the real data to.

It does not cover who may run what (`sandbox.gate`) nor running it (`executions`).
"""

from __future__ import annotations

from collections.abc import Mapping

from counterproof.agents.checking import checkers
from counterproof.agents.papers import Papers
from counterproof.provenance.digests import sha256_bytes
from counterproof.sandbox import Limits
from counterproof.sandbox.orders import ROLES, InputRef, Order, Role
from counterproof.tools import Plan

Environments = Mapping[Role, str]
"""Digest of the environment that each program runs in."""


def make_order(
    papers: Papers,
    role: Role,
    program: str,
    *,
    seed: int,
    environments: Environments,
    twin: Mapping[str, str] | None = None,
) -> Order:
    """Describe the execution of a program on the real data, or on the twin where one is given.

    Args:
        papers: of the study.
        role: which of the programs.
        program: digest of the program.
        seed: from the plan.
        environments: what the programs run in.
        twin: digest of each twin file by name.
    """
    real = {file.name: file.sha256 for file in papers.settings.data}
    inputs = tuple(InputRef(name=name, sha256=sha256) for name, sha256 in sorted((twin or real).items()))
    return Order(
        role=role,
        language=papers.settings.language_of(role),
        program=program,
        inputs=inputs,
        environment=environments[role],
        limits=Limits(**papers.settings.limits).as_dict(),
        seed=seed,
        synthetic=twin is not None,
    )


def real_orders(papers: Papers, programs: Mapping[Role, str], plan: Plan, *, environments: Environments) -> list[Order]:
    """Return the orders for the real data: of both programs, and of the check program where the study has one.

    Args:
        papers: of the study.
        programs: the text of each program.
        plan: the locked plan.
        environments: what the programs run in.
    """
    digests: dict[Role, str] = {role: sha256_bytes(programs[role].encode()) for role in ROLES}
    digests |= {shown["role"]: shown["sha256"] for shown in checkers(papers, programs["primary"], plan)}
    return [make_order(papers, role, digests[role], seed=plan.seed, environments=environments) for role in digests]
