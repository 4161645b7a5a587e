"""One signed JSON document: the envelope in which in-toto keeps its metadata.

The signature covers the exact bytes of the payload and their type. A made envelope has one form, so that one with other
bytes, however small the difference, is not accepted. Ed25519 signatures of the same bytes are the same bytes.

It does not cover several signatures, nor other keys than Ed25519.

Source: DSSE 1.0 (secure-systems-lab/dsse), `protocol.md` and `envelope.md`; key ids as in securesystemslib.
"""

from __future__ import annotations

import base64
import binascii
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from counterproof.provenance.digests import digest_of
from counterproof.provenance.errors import VerificationFailed


def public_key_entry(public: Ed25519PublicKey) -> dict[str, object]:
    """Return a public key as in-toto's layouts name it; its id is the digest of the rest."""
    entry = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public.public_bytes_raw().hex()}}
    return {**entry, "keyid": digest_of(entry)}


def key_id(public: Ed25519PublicKey) -> str:
    """Return the id of a public key."""
    return str(public_key_entry(public)["keyid"])


def seal(payload: bytes, *, media: str, key: Ed25519PrivateKey) -> bytes:
    """Return the envelope of a payload."""
    return _envelope(payload, media, key_id(key.public_key()), key.sign(_signed_part(payload, media)))


def check_seal(envelope: bytes, payload: bytes, *, media: str, public: Ed25519PublicKey) -> None:
    """Check that an envelope holds exactly this payload, signed with the private half of `public`.

    Raises:
        VerificationFailed: it does not.
    """
    try:
        (entry,) = json.loads(envelope)["signatures"]
        signature = base64.b64decode(entry["sig"], validate=True)
    except (ValueError, LookupError, TypeError, RecursionError, binascii.Error) as error:
        raise VerificationFailed(f"It is no signed envelope: {error!r}.") from error
    if envelope != _envelope(payload, media, key_id(public), signature):
        raise VerificationFailed("It holds something else than the record gives.")
    try:
        public.verify(signature, _signed_part(payload, media))
    except InvalidSignature as error:
        raise VerificationFailed("Its signature is not that of the service key.") from error


def _envelope(payload: bytes, media: str, key: str, signature: bytes) -> bytes:
    signatures = [{"keyid": key, "sig": base64.b64encode(signature).decode()}]
    whole = {"payload": base64.b64encode(payload).decode(), "payloadType": media, "signatures": signatures}
    return json.dumps(whole, indent=1).encode() + b"\n"


def _signed_part(payload: bytes, media: str) -> bytes:
    kind = media.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
