"""Signatures of hardware keys, checked by us and by OpenSSH; the token is simulated in software."""

from __future__ import annotations

import base64
import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import pytest

from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.interop import files as interop
from counterproof.provenance.signing import (
    BUNDLE_NAMESPACE,
    DECISION_NAMESPACE,
    RECORD_NAMESPACE,
    check_public_line,
    check_reviewer_line,
    fingerprint,
    load_key,
    verify,
)

from ..tokens import HARDWARE, SoftwareToken, armour, string

TOKEN = SoftwareToken()
DATA = b'{"decision":"approve"}'
SIGNATURE = TOKEN.sign(DATA, namespace=DECISION_NAMESPACE)


def _blob(signature: bytes = SIGNATURE) -> bytes:
    return base64.b64decode(b"".join(signature.splitlines()[1:-1]))


def _openssh_holds(folder: Path, line: str, data: bytes, *, signature: bytes) -> bool:
    (folder / "allowed").write_text(f"reviewer {line}\n")
    (folder / "sig").write_bytes(signature)
    options = ["-f", str(folder / "allowed"), "-I", "reviewer", "-n", DECISION_NAMESPACE, "-s", str(folder / "sig")]
    return subprocess.run(["ssh-keygen", "-Y", "verify", *options], input=data, capture_output=True).returncode == 0


def _alone() -> Any:
    """Load verify.py, which travels in bundles."""
    path = Path(interop.__file__).parent / "standalone" / "verify.py"
    spec = importlib.util.spec_from_file_location("standalone_verify", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_signature_of_a_token_holds_here_and_for_openssh(tmp_path: Path) -> None:
    verify(TOKEN.public_line, DATA, SIGNATURE, namespace=DECISION_NAMESPACE)
    _alone().check_decision_signature(TOKEN.public_line, DATA, SIGNATURE)
    assert _openssh_holds(tmp_path, TOKEN.public_line, DATA, signature=SIGNATURE)


def _counted_on() -> bytes:
    blob = bytearray(_blob())
    blob[-1] ^= 1
    return armour(bytes(blob))


def _touched_later() -> bytes:
    blob = bytearray(_blob(SoftwareToken(key=TOKEN.key, flags=0).sign(DATA, namespace=DECISION_NAMESPACE)))
    blob[-5] |= 1
    return armour(bytes(blob))


_OTHER = SoftwareToken(key=TOKEN.key, application=b"ssh:other")
WRONG = {
    "changed message": (TOKEN.public_line, DATA + b" ", SIGNATURE),
    "changed counter": (TOKEN.public_line, DATA, _counted_on()),
    "flag set afterwards": (TOKEN.public_line, DATA, _touched_later()),
    "key of another application": (_OTHER.public_line, DATA, SIGNATURE),
    "signed for another application": (
        TOKEN.public_line,
        DATA,
        armour(_blob(_OTHER.sign(DATA, namespace=DECISION_NAMESPACE)).replace(string(_OTHER.blob), string(TOKEN.blob))),
    ),
    "another token": (SoftwareToken().public_line, DATA, SIGNATURE),
    "another namespace": (TOKEN.public_line, DATA, TOKEN.sign(DATA, namespace=BUNDLE_NAMESPACE)),
    "bytes behind the counter": (
        TOKEN.public_line,
        DATA,
        SoftwareToken(key=TOKEN.key, trailing=b"x").sign(DATA, namespace=DECISION_NAMESPACE),
    ),
}


@pytest.mark.parametrize(("line", "data", "signature"), WRONG.values(), ids=WRONG)
def test_a_wrong_one_holds_for_nobody(tmp_path: Path, line: str, data: bytes, signature: bytes) -> None:
    alone = _alone()
    with pytest.raises(VerificationFailed, match="signature does not hold for SHA256:"):
        verify(line, data, signature, namespace=DECISION_NAMESPACE)
    with pytest.raises(alone.Failed, match="signature does not hold"):
        alone.check_decision_signature(line, data, signature)
    assert not _openssh_holds(tmp_path, line, data, signature=signature)


@pytest.mark.parametrize("flags", [0x00, 0x04], ids=["no flag", "PIN without touch"])
def test_without_a_touch_it_does_not_hold_though_openssh_takes_it(tmp_path: Path, flags: int) -> None:
    alone = _alone()
    untouched = SoftwareToken(key=TOKEN.key, flags=flags).sign(DATA, namespace=DECISION_NAMESPACE)
    with pytest.raises(VerificationFailed, match=rf"nobody touched the hardware key \(flags 0x{flags:02x}"):
        verify(TOKEN.public_line, DATA, untouched, namespace=DECISION_NAMESPACE)
    with pytest.raises(alone.Failed, match="nobody touched the hardware key"):
        alone.check_decision_signature(TOKEN.public_line, DATA, untouched)
    # OpenSSH 9.2 says "Good signature": `ssh-keygen -Y verify` looks at no flags.
    assert _openssh_holds(tmp_path, TOKEN.public_line, DATA, signature=untouched)


def test_touch_and_pin_hold(tmp_path: Path) -> None:
    both = SoftwareToken(key=TOKEN.key, flags=0x05).sign(DATA, namespace=DECISION_NAMESPACE)
    verify(TOKEN.public_line, DATA, both, namespace=DECISION_NAMESPACE)
    assert _openssh_holds(tmp_path, TOKEN.public_line, DATA, signature=both)


def test_each_changed_byte_inside_a_sound_armour_fails() -> None:
    for at, byte in enumerate(_blob()):
        changed = _blob()[:at] + bytes([byte ^ 1]) + _blob()[at + 1 :]
        with pytest.raises(VerificationFailed, match="signature does not hold"):
            verify(TOKEN.public_line, DATA, armour(changed), namespace=DECISION_NAMESPACE)


@pytest.mark.parametrize("namespace", [BUNDLE_NAMESPACE, RECORD_NAMESPACE])
def test_a_hardware_key_seals_nothing_but_decisions(namespace: str) -> None:
    with pytest.raises(VerificationFailed, match="is not an Ed25519 SSH public key"):
        verify(TOKEN.public_line, DATA, TOKEN.sign(DATA, namespace=namespace), namespace=namespace)
    with pytest.raises(UsageError, match="must begin with 'ssh-ed25519 AAAA'"):
        check_public_line(TOKEN.public_line)


def test_the_line_loses_its_comment_and_has_the_fingerprint_of_openssh(tmp_path: Path) -> None:
    assert check_reviewer_line(f"{TOKEN.public_line} ada@token\n") == TOKEN.public_line
    (tmp_path / "key.pub").write_text(TOKEN.public_line + "\n")
    told = subprocess.run(["ssh-keygen", "-lf", str(tmp_path / "key.pub")], capture_output=True, check=True).stdout
    assert fingerprint(TOKEN.public_line) in told.decode()


def _line(*parts: bytes, rest: bytes = b"") -> str:
    return f"{HARDWARE.decode()} {base64.b64encode(string(*parts) + rest).decode()}"


BAD_LINES = {
    "type alone": HARDWARE.decode(),
    "no base64": f"{HARDWARE.decode()} !!",
    "empty": f"{HARDWARE.decode()} AA==",
    "short key": _line(HARDWARE, b"k" * 31, b"ssh:"),
    "web site": _line(HARDWARE, b"k" * 32, b"https://example.org"),
    "no application": _line(HARDWARE, b"k" * 32),
    "other type inside": _line(b"ssh-ed25519", b"k" * 32, b"ssh:"),
    "bytes at the end": _line(HARDWARE, b"k" * 32, b"ssh:", rest=b"x"),
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_what_is_no_hardware_key_is_refused(line: str) -> None:
    with pytest.raises(UsageError, match=r"public key of a hardware token: .*Give the \.pub file .* ed25519-sk"):
        check_reviewer_line(line)


def test_the_handle_of_a_token_is_no_key_file(tmp_path: Path) -> None:
    public = TOKEN.blob
    inner = string(HARDWARE, public[4 + len(HARDWARE) + 4 :][:32], b"ssh:") + b"\x01" + string(b"handle", b"", b"c")
    private = b"\0" * 8 + inner
    private += bytes(range(1, 1 + -len(private) % 8))
    blob = b"openssh-key-v1\0" + string(b"none", b"none", b"") + b"\0\0\0\1" + string(public, private)
    text = base64.encodebytes(blob).decode()
    path = tmp_path / "id_ed25519_sk"
    path.write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}-----END OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(UsageError, match=r"is in a hardware token.*ssh-add .*id_ed25519_sk`, then decide with --agent"):
        load_key(path, passphrase=None)
