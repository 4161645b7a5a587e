"""A part of step 11: what is made for other people's programs is made again from the record, and every byte compared.

It does not cover whether those programs accept the files: tests of this project run them.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from counterproof.provenance.errors import CounterproofError, VerificationFailed
from counterproof.provenance.interop.bco import BCO
from counterproof.provenance.interop.dsse import check_seal
from counterproof.provenance.interop.files import plain_files, signed_payloads
from counterproof.provenance.interop.in_toto import MEDIA
from counterproof.provenance.interop.prov import PROV
from counterproof.provenance.interop.steps import WORKFLOW
from counterproof.provenance.signing import check_public_line
from counterproof.provenance.verify.reading import Bundle, fail_if
from counterproof.provenance.verify.remaking import Remade, explained

_FILES = (WORKFLOW, BCO, PROV)
_FOLDERS = ("in-toto/", "verify/")


@dataclass(frozen=True, kw_only=True)
class _Blobs:
    """The bodies of a bundle, as the making reads them."""

    bundle: Bundle

    def get(self, digest: str, /) -> bytes:
        """Return a body."""
        return self.bundle.blob(digest)


def format_names(bundle: Bundle) -> list[str]:
    """Return the names of the files in the bundle that `check_formats` checks."""
    return [name for name in bundle.names() if name in _FILES or name.startswith(_FOLDERS)]


def check_formats(bundle: Bundle) -> Remade:
    """Check that each file is what the record gives, and that there is no other.

    Raises:
        VerificationFailed: one is missing, is another, or can't be made from this record.
    """
    try:
        blobs, public = _Blobs(bundle=bundle), _service_key(bundle)
        made = plain_files(bundle.events, blobs, public=public)
        signed = signed_payloads(bundle.events, blobs, public=public)
    except (CounterproofError, OSError):
        raise
    except Exception as error:
        raise VerificationFailed(f"The formats of others can't be made from this record: {error!r}.") from error
    strange = sorted(set(format_names(bundle)) - set(made) - set(signed))
    faults = [f"the file {name} has no place in a bundle" for name in strange]
    differ = [name for name, data in made.items() if bundle.get(name) != data]
    left = [name for name in differ if explained(bundle, name)]
    faults += [f"the file {name} is not what the record gives" for name in differ if name not in left]
    for name, payload in signed.items():
        try:
            check_seal(bundle.get(name), payload, media=MEDIA, public=public)
        except VerificationFailed as error:
            if explained(bundle, name) and _is_sealed(bundle.get(name), public):
                left.append(name)
            else:
                faults.append(f"the file {name} does not hold: {error.what}")
    fail_if(faults)
    same = len(made) + len(signed) - len(left)
    return Remade(found=f"{same} for other people's programs, the same when made again", left=tuple(left))


def _is_sealed(envelope: bytes, public: Ed25519PublicKey) -> bool:
    """Say whether an envelope is signed by the service key, whatever it holds."""
    try:
        check_seal(envelope, base64.b64decode(json.loads(envelope)["payload"]), media=MEDIA, public=public)
    except (VerificationFailed, ValueError, LookupError, TypeError):
        return False
    return True


def _service_key(bundle: Bundle) -> Ed25519PublicKey:
    line = bundle.get("keys/service_signers").decode().removeprefix("service ")
    key = load_ssh_public_key(check_public_line(line).encode())
    assert isinstance(key, Ed25519PublicKey)
    return key
