"""The files of a bundle that tell the study to the programs of others.

The bundle of a synthetic set has no BioCompute Object and no in-toto layout: both are of programs that were run.
`plain_files` are a pure function of the record and its open bodies: the export makes them, and `verify` makes them
again and compares every byte. What is signed (`signed_payloads`) is made again without its signature, and the signature
is checked. No clock, no chance, no name of a machine.

It does not cover the RO-Crate, which lists these files too (`crate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from counterproof.provenance.events import Event
from counterproof.provenance.interop.bco import BCO, bco_file
from counterproof.provenance.interop.dsse import seal
from counterproof.provenance.interop.in_toto import MEDIA, PUBLIC_KEY, metadata, public_pem
from counterproof.provenance.interop.prov import PROV, prov_file
from counterproof.provenance.interop.steps import WORKFLOW, workflow_file
from counterproof.provenance.permissions import purpose_of
from counterproof.provenance.schemas import schema_files

_STANDALONE = Path(__file__).parent / "standalone"
"""Programs that check a bundle where there is no Counterproof; they go into it as they are."""


class Bodies(Protocol):
    """Gives the bytes of a body by its digest; `Blobs` does."""

    def get(self, digest: str, /) -> bytes:
        """Return the bytes of a body on the open side."""
        ...


def interop_files(events: Sequence[Event], blobs: Bodies, *, service_key: Ed25519PrivateKey) -> dict[str, bytes]:
    """Return all files by their names in the payload.

    Args:
        events: the whole record, its chain checked.
        blobs: where the open bodies are.
        service_key: signs the in-toto metadata.
    """
    public = service_key.public_key()
    signed = {
        name: seal(payload, media=MEDIA, key=service_key)
        for name, payload in signed_payloads(events, blobs, public=public).items()
    }
    return {**plain_files(events, blobs, public=public), **signed}


def plain_files(events: Sequence[Event], blobs: Bodies, *, public: Ed25519PublicKey) -> dict[str, bytes]:
    """Return the files that carry no signature."""
    purpose = purpose_of(events[0].data)
    files = {
        **{f"verify/{name}": (_STANDALONE / name).read_bytes() for name in ("verify.py", "verify.sh")},
        **{f"verify/schemas/{name}": data for name, data in schema_files().items()},
        WORKFLOW: workflow_file(purpose),
        PROV: prov_file(events, blobs.get),
    }
    of_programs = {BCO: bco_file(events, blobs.get), PUBLIC_KEY: public_pem(public)} if purpose == "analysis" else {}
    return files | of_programs


def signed_payloads(events: Sequence[Event], blobs: Bodies, *, public: Ed25519PublicKey) -> dict[str, bytes]:
    """Return what the signed files hold, by their names."""
    return metadata(events, blobs.get, public) if purpose_of(events[0].data) == "analysis" else {}
