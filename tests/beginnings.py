"""The first event of a study, with the policy that decisions are made under, where a test needs no more of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from counterproof.provenance.policy import STANDARD, policy_digest
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import Registry
from counterproof.provenance.study_policy import POLICY_FILE, POLICY_ROLE


def begin(
    record: Record, registry: Registry, folder: Path, *, policy: bytes = STANDARD, author: str = "", **more: Any
) -> None:
    """Write the first event of the study s1, and its policy's file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / POLICY_FILE).write_bytes(policy)
    facts = {"study": "s1", "author": author, "policy": policy_digest(policy), "installation": registry.installation()}
    record.append("study.created", data={**facts, **more}, refs=[record.put(POLICY_ROLE, policy)])
