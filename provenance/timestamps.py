"""Time stamps of an authority (RFC 3161): somebody else says that these bytes were there at that time.

The authority gets the SHA-256 of a bag's tag manifest, which covers every file, and nothing else. Its reply is kept as
it came, so that `openssl ts -verify` reads it. Whom to believe is no matter of the bundle: the authority's certificate
must be known from elsewhere. One that lies in the bundle says who was asked; it is never trusted for lying there.

It does not cover revoked certificates, nor replies that hold more than the signer's certificate in an order that is
not DER (OpenSSL's with `certs =` in its configuration): rfc3161-client 1.0.9 can't read those, and neither is one kept.

Source: RFC 3161, sections 2.4 and 3.4; RFC 5280 for the path, at the time that the stamp names.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import MachineTrouble, UsageError, VerificationFailed

STAMP = "signatures/tagmanifest-sha256.txt.tsr"
CERTIFICATES = "signatures/tsa-ca.pem"
"""Names in the bag."""
_SHA256 = "2.16.840.1.101.3.4.2.1"
_REPLY_MAX = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A time-stamping authority that is asked over HTTP.

    Attributes:
        url: its address.
        certificates: its root certificates as PEM, against which the reply is checked; may be empty.
        timeout_s: how long to wait for its reply.
    """

    url: str
    certificates: bytes = b""
    timeout_s: float = 30

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise UsageError(
                f"{self.url!r} is no address of a time-stamping authority.", allowed="http:// or https://."
            )
        if self.certificates:
            read_certificates(self.certificates)

    def stamp(self, data: bytes) -> bytes:
        """Return the reply for these bytes, as it came.

        Raises:
            MachineTrouble: the authority can't be reached, or answers something else than a stamp of these bytes.
        """
        asked = TimestampRequestBuilder(data, HashAlgorithm.SHA256, nonce=True, cert_req=True).build()
        reply = self._post(asked.as_bytes())
        try:
            read_stamp(reply, data, nonce=asked.nonce)
            if self.certificates:
                check_stamp(reply, data, certificates=self.certificates, nonce=asked.nonce)
        except VerificationFailed as error:
            raise MachineTrouble(
                f"The time-stamping authority {self.url} gave no time stamp that holds: {error}", advice=_WITHOUT
            ) from error
        return reply

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        request = urllib.request.Request(self.url, data=body, headers=headers, method="POST")  # noqa: S310 (http only)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as answer:  # noqa: S310
                reply: bytes = answer.read(_REPLY_MAX + 1)
        except (OSError, urllib.error.URLError, ValueError) as error:
            raise MachineTrouble(
                f"The time-stamping authority {self.url} can't be asked: {error}.", advice=_WITHOUT
            ) from error
        if len(reply) > _REPLY_MAX:
            raise MachineTrouble(f"The time-stamping authority {self.url} answers too much.", advice=_WITHOUT)
        return reply


_WITHOUT = "Nothing was exported. Try again later, or export without --timestamp."


def read_stamp(reply: bytes, data: bytes, *, nonce: int | None = None) -> datetime:
    """Return the time that a reply names for these bytes; nothing is said of who signed it.

    Raises:
        VerificationFailed: it is no granted time stamp, or one of other bytes, or the answer to another request.
    """
    made = _parsed(reply)
    info = made.tst_info
    imprint = info.message_imprint
    if imprint.hash_algorithm.dotted_string != _SHA256:
        raise VerificationFailed(
            f"The time stamp is over a digest {imprint.hash_algorithm.dotted_string}.", allowed="SHA-256 is asked for."
        )
    if imprint.message.hex() != sha256_bytes(data):
        raise VerificationFailed(
            f"The time stamp is of other bytes: of {imprint.message.hex()}, not {sha256_bytes(data)}."
        )
    if nonce is not None and info.nonce != nonce:
        raise VerificationFailed("The time stamp answers another request: its nonce is not the one that was sent.")
    return info.gen_time.astimezone(UTC)


def check_stamp(reply: bytes, data: bytes, *, certificates: bytes, nonce: int | None = None) -> datetime:
    """Return the time that a reply names, once its signature is found to be that of an authority under `certificates`.

    Raises:
        VerificationFailed: it is not, the signer's certificate was not valid at that time, or `read_stamp` refuses it.
        UsageError: the certificates can't be read.
    """
    time = read_stamp(reply, data, nonce=nonce)
    builder = VerifierBuilder() if nonce is None else VerifierBuilder().nonce(nonce)
    for certificate in read_certificates(certificates):
        builder = builder.add_root_certificate(certificate)
    try:
        builder.build().verify(_parsed(reply), bytes.fromhex(sha256_bytes(data)))
    except (VerificationError, ValueError) as error:
        raise VerificationFailed(
            f"The time stamp of {time:%Y-%m-%d %H:%M:%S} UTC is not signed by the authority that was named: {error}."
        ) from error
    return time


def read_certificates(pem: bytes) -> list[Certificate]:
    """Return certificates from a PEM file.

    Raises:
        UsageError: there are none.
    """
    try:
        return list(dict.fromkeys(load_pem_x509_certificates(pem)))
    except ValueError as error:
        raise UsageError(f"The certificates can't be read: {error}.", advice="Name a PEM file.") from error


def _parsed(reply: bytes) -> TimeStampResponse:
    try:
        made = decode_timestamp_response(reply)
        if made.status != PKIStatus.GRANTED:
            why = "; ".join(made.status_string) or PKIStatus(made.status).name
            raise VerificationFailed(f"It is no time stamp: {why}.")
        _ = made.tst_info, made.signed_data  # Read here, where what can't be read is still a reply and no crash.
    except (ValueError, RuntimeError) as error:
        raise VerificationFailed(f"It can't be read as a time stamp: {error}.") from error
    return made
