"""The record and everything that makes it trustworthy: journal, signatures, decisions, telemetry, bundle, verify.

Only what is light is exported here, because every start of the command line imports it; the rest is imported from its
module.
"""

from counterproof.provenance.digests import canonical_json, digest_of, sha256_bytes, sha256_file
from counterproof.provenance.errors import (
    CounterproofError,
    DecisionRequired,
    MachineTrouble,
    ModelMayRetry,
    ToolFailed,
    UsageError,
    VerificationFailed,
)

__all__ = [
    "CounterproofError",
    "DecisionRequired",
    "MachineTrouble",
    "ModelMayRetry",
    "ToolFailed",
    "UsageError",
    "VerificationFailed",
    "canonical_json",
    "digest_of",
    "sha256_bytes",
    "sha256_file",
]
