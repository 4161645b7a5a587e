"""Steps 2 and 3: the bag holds exactly what its manifests list, and its seal is the service key's.

A time stamp is a part of the seal: the bag says that it has one, so that nobody can take it away. Whose it is can be
checked only against a certificate that the reader has from elsewhere.
"""

from __future__ import annotations

from datetime import datetime

from counterproof.provenance.bag import DECLARATION, MANIFEST, TAG_MANIFEST
from counterproof.provenance.bundle import SIGNATURE, TIME_STAMP
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.signing import BUNDLE_NAMESPACE, check_public_line, verify
from counterproof.provenance.timestamps import CERTIFICATES, STAMP, check_stamp, read_stamp
from counterproof.provenance.verify.reading import Bundle, NotHere, fail_if

_TAGS = {"bagit.txt", "bag-info.txt", MANIFEST}
_UNLISTED = {TAG_MANIFEST, SIGNATURE}


def check_bag(bundle: Bundle) -> list[str]:
    """2: every file is listed with its digest, and nothing is missing or too many."""
    names = bundle.archive.namelist()
    prefix = f"{bundle.top}/"
    present = {name[len(prefix) :] for name in names if name.startswith(prefix)}
    faults = [f"the file {name} lies outside of the bag" for name in names if not name.startswith(prefix)]
    payload = _manifest(bundle, MANIFEST)
    tags = _manifest(bundle, TAG_MANIFEST)
    faults += [f"the file {name} is listed and no part of the payload" for name in payload if name[:5] != "data/"]
    stamped = _is_stamped(bundle)
    wanted = _TAGS | ({CERTIFICATES} & set(tags) if stamped else set())
    faults += [f"the tag files that are listed are not {', '.join(sorted(wanted))}"] if set(tags) != wanted else []
    listed = set(payload) | wanted | _UNLISTED | ({STAMP} if stamped else set())
    faults += [f"the file {name} is missing" for name in sorted(listed - present)]
    faults += [f"the file {name} is not listed" for name in sorted(present - listed)]
    for name, digest in {**payload, **tags}.items():
        if name in present and bundle.digest(name) != digest:
            faults.append(f"the file {name} has been changed")
    fail_if(faults)
    if not payload:
        raise VerificationFailed("The payload is empty.")
    if bundle.tag("bagit.txt").decode() != DECLARATION:
        raise VerificationFailed("The file bagit.txt does not declare a bag of version 1.0 in UTF-8.")
    return [f"{len(payload)} files of the payload, {len(tags)} tag files"]


def check_seal(bundle: Bundle) -> list[str]:
    """3: the service key signed the tag manifest, and so did the authority whose time stamp the bag names."""
    line = bundle.get("keys/service_signers").decode()
    signer = line.removeprefix("service ").rstrip("\n")
    covered = bundle.tag(TAG_MANIFEST)
    verify(signer, covered, bundle.tag(SIGNATURE), namespace=BUNDLE_NAMESPACE)
    if line != f"service {check_public_line(signer)}\n":
        raise VerificationFailed("The file keys/service_signers holds more than the service key.")
    evidence = [f"signed by the service key {signer.split()[1][-12:]}"]
    if not _is_stamped(bundle):
        if bundle.authority:
            raise VerificationFailed("An authority was named, and the bundle has no time stamp.")
        return evidence
    reply = bundle.tag(STAMP)
    if not bundle.authority:
        time = read_stamp(reply, covered)
        why = "its signature can't be checked here: name the authority's certificate with --tsa-ca"
        raise NotHere(*evidence, f"a time stamp of these bytes says {_utc(time)}; {why}")
    time = check_stamp(reply, covered, certificates=bundle.authority)
    return [*evidence, f"there at {_utc(time)}, says the time-stamping authority that was named"]


def _is_stamped(bundle: Bundle) -> bool:
    return bundle.info(TIME_STAMP) == [STAMP]


def _utc(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _manifest(bundle: Bundle, name: str) -> dict[str, str]:
    rows: dict[str, str] = {}
    for line in bundle.tag(name).decode("utf-8").splitlines():
        digest, file = line.split(maxsplit=1)
        if file in rows:
            raise VerificationFailed(f"{name} lists the file {file} twice.")
        rows[file] = digest
    return rows
