"""Steps 2 and 3: the bag holds exactly what its manifests list, and its seal is the service key's."""

from __future__ import annotations

from counterproof.provenance.bundle import SIGNATURE
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.signing import BUNDLE_NAMESPACE, check_public_line, verify
from counterproof.provenance.verify.reading import Bundle, fail_if

_TAGS = {"bagit.txt", "bag-info.txt", "manifest-sha256.txt"}
_UNLISTED = {"tagmanifest-sha256.txt", SIGNATURE}
_DECLARATIONS = {f"BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n" for version in ("0.97", "1.0")}


def check_bag(bundle: Bundle) -> list[str]:
    """2: every file is listed with its digest, and nothing is missing or too many."""
    names = bundle.archive.namelist()
    prefix = f"{bundle.top}/"
    present = {name[len(prefix) :] for name in names if name.startswith(prefix)}
    faults = [f"the file {name} lies outside of the bag" for name in names if not name.startswith(prefix)]
    payload = _manifest(bundle, "manifest-sha256.txt")
    tags = _manifest(bundle, "tagmanifest-sha256.txt")
    faults += [f"the file {name} is listed and no part of the payload" for name in payload if name[:5] != "data/"]
    faults += [f"the tag files that are listed are not {', '.join(sorted(_TAGS))}"] if set(tags) != _TAGS else []
    listed = set(payload) | _TAGS | _UNLISTED
    faults += [f"the file {name} is missing" for name in sorted(listed - present)]
    faults += [f"the file {name} is not listed" for name in sorted(present - listed)]
    for name, digest in {**payload, **tags}.items():
        if name in present and bundle.digest(name) != digest:
            faults.append(f"the file {name} has been changed")
    fail_if(faults)
    if bundle.tag("bagit.txt").decode() not in _DECLARATIONS:
        raise VerificationFailed("The file bagit.txt does not declare a bag of version 0.97 or 1.0 in UTF-8.")
    return [f"{len(payload)} files of the payload, {len(tags)} tag files"]


def check_seal(bundle: Bundle) -> list[str]:
    """3: the service key signed the tag manifest."""
    line = bundle.get("keys/service_signers").decode()
    signer = line.removeprefix("service ").rstrip("\n")
    verify(signer, bundle.tag("tagmanifest-sha256.txt"), bundle.tag(SIGNATURE), namespace=BUNDLE_NAMESPACE)
    if line != f"service {check_public_line(signer)}\n":
        raise VerificationFailed("The file keys/service_signers holds more than the service key.")
    return [f"signed by the service key {signer.split()[1][-12:]}"]


def _manifest(bundle: Bundle, name: str) -> dict[str, str]:
    rows: dict[str, str] = {}
    for line in bundle.tag(name).decode("utf-8").splitlines():
        digest, file = line.split(maxsplit=1)
        if file in rows:
            raise VerificationFailed(f"{name} lists the file {file} twice.")
        rows[file] = digest
    return rows
