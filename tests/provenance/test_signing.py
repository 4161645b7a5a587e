"""Signatures: ours are OpenSSH's, and nothing but the exact bytes verifies."""

from __future__ import annotations

import base64
import struct
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from counterproof.provenance.errors import MachineTrouble, UsageError, VerificationFailed
from counterproof.provenance.signing import (
    BUNDLE_NAMESPACE,
    DECISION_NAMESPACE,
    check_public_line,
    fingerprint,
    load_key,
    make_key,
    public_line,
    sign,
    verify,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LINE = public_line(KEY.public_key())
OTHER = public_line(Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key())
DATA = b'{"decision":"approve"}'
SIGNATURE = sign(KEY, DATA, namespace=DECISION_NAMESPACE)


def _keygen(*arguments: str | Path, stdin: bytes = b"", ok: bool = True) -> str:
    command = ["ssh-keygen", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    assert (done.returncode == 0) is ok, (done.stdout, done.stderr)
    return done.stdout.decode()


def _ssh_verify(folder: Path, line: str, data: bytes, *, signature: bytes, ok: bool = True) -> str:
    (folder / "allowed").write_text(f"reviewer {line}\n")
    (folder / "sig").write_bytes(signature)
    options = ("-f", folder / "allowed", "-I", "reviewer", "-n", DECISION_NAMESPACE, "-s", folder / "sig")
    return _keygen("-Y", "verify", *options, stdin=data, ok=ok)


@given(st.binary(max_size=2000))
def test_sign_then_verify_holds(data: bytes) -> None:
    verify(LINE, data, sign(KEY, data, namespace=BUNDLE_NAMESPACE), namespace=BUNDLE_NAMESPACE)


def test_sign_is_deterministic() -> None:
    assert sign(KEY, DATA, namespace=DECISION_NAMESPACE) == SIGNATURE


@given(st.integers(0, len(SIGNATURE) - 1), st.integers(1, 255))
def test_a_changed_byte_of_the_armour_fails(at: int, flip: int) -> None:
    changed = SIGNATURE[:at] + bytes([SIGNATURE[at] ^ flip]) + SIGNATURE[at + 1 :]
    with pytest.raises(VerificationFailed, match=r"signature does not hold for SHA256:"):
        verify(LINE, DATA, changed, namespace=DECISION_NAMESPACE)


def _blob() -> bytes:
    return base64.b64decode(b"".join(SIGNATURE.splitlines()[1:-1]))


def _armour(blob: bytes) -> bytes:
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]).encode()


def test_each_changed_byte_inside_a_sound_armour_fails() -> None:
    assert _armour(_blob()) == SIGNATURE
    for at, byte in enumerate(_blob()):
        changed = _blob()[:at] + bytes([byte ^ 1]) + _blob()[at + 1 :]
        with pytest.raises(VerificationFailed, match="signature does not hold"):
            verify(LINE, DATA, _armour(changed), namespace=DECISION_NAMESPACE)


def test_bytes_hidden_inside_a_sound_armour_fail() -> None:
    with pytest.raises(VerificationFailed, match="bytes after the end"):
        verify(LINE, DATA, _armour(_blob() + b"note"), namespace=DECISION_NAMESPACE)
    inner = 4 + len(b"ssh-ed25519") + 4 + 64
    longer = _blob()[: -inner - 4] + struct.pack(">I", inner + 4) + _blob()[-inner:] + b"note"
    with pytest.raises(VerificationFailed, match="bytes after the signature"):
        verify(LINE, DATA, _armour(longer), namespace=DECISION_NAMESPACE)


def test_each_dropped_or_doubled_byte_of_the_armour_fails() -> None:
    for at in range(len(SIGNATURE)):
        for middle in (b"", SIGNATURE[at : at + 1] * 2):
            changed = SIGNATURE[:at] + middle + SIGNATURE[at + 1 :]
            with pytest.raises(VerificationFailed, match="signature does not hold"):
                verify(LINE, DATA, changed, namespace=DECISION_NAMESPACE)


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_changed_byte_of_the_data_fails(at: int, flip: int) -> None:
    changed = DATA[:at] + bytes([DATA[at] ^ flip]) + DATA[at + 1 :]
    with pytest.raises(VerificationFailed, match="the signature doesn't match the bytes"):
        verify(LINE, changed, SIGNATURE, namespace=DECISION_NAMESPACE)


@pytest.mark.parametrize(
    ("line", "namespace", "reason"),
    [
        (OTHER, DECISION_NAMESPACE, "signed with another key"),
        (LINE, BUNDLE_NAMESPACE, "another namespace, key type or hash"),
        (LINE, "", "another namespace, key type or hash"),
    ],
    ids=["key", "namespace", "no-namespace"],
)
def test_verify_refuses_another(line: str, namespace: str, reason: str) -> None:
    with pytest.raises(VerificationFailed, match=f"does not hold for SHA256:.*{reason}"):
        verify(line, DATA, SIGNATURE, namespace=namespace)


@pytest.mark.parametrize(
    "signature",
    [b"", b"no signature", SIGNATURE + b"\n", SIGNATURE.replace(b"\n", b"\r\n"), SIGNATURE * 2, b"\xff" + SIGNATURE],
    ids=["empty", "prose", "extra-newline", "crlf", "twice", "no-ascii"],
)
def test_verify_refuses_what_is_no_signature(signature: bytes) -> None:
    with pytest.raises(VerificationFailed, match="signature does not hold"):
        verify(LINE, DATA, signature, namespace=DECISION_NAMESPACE)


BAD_LINES = {
    "empty": "",
    "prose": "garbage",
    "type-only": "ssh-ed25519",
    "no-base64": "ssh-ed25519 !!",
    "cut": LINE[:40],
    "options": f'command="id" {LINE}',
    "rsa": "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQC7",
    "other-type-inside": "ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAAAQQC7",
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_verify_with_a_bad_public_line_fails_as_a_verification(line: str) -> None:
    with pytest.raises(VerificationFailed, match="is not an Ed25519 SSH public key"):
        verify(line, DATA, SIGNATURE, namespace=DECISION_NAMESPACE)


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_check_public_line_refuses(line: str) -> None:
    with pytest.raises(UsageError, match=r"must begin with 'ssh-ed25519 AAAA'.*Give the \.pub file"):
        check_public_line(line)


def test_check_public_line_drops_the_comment() -> None:
    assert check_public_line(f"{LINE} ada@example.org\n") == LINE


@pytest.mark.parametrize("passphrase", [None, "pa ss µ"], ids=["clear", "passphrase"])
def test_make_key_then_load_key(tmp_path: Path, passphrase: str | None) -> None:
    path = tmp_path / "keys" / "ada"
    line = make_key(path, passphrase=passphrase, comment="ada")
    assert line == f"{public_line(load_key(path, passphrase=passphrase).public_key())} ada"
    assert path.with_name("ada.pub").read_text() == line + "\n"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["ada", "ada.pub"], ids=["private", "public"])
def test_make_key_never_overwrites(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("somebody's")
    with pytest.raises(UsageError, match=rf"A key is already at .*{name}\. Choose another place"):
        make_key(tmp_path / "ada", passphrase=None, comment="ada")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "somebody's")]


def test_make_key_in_an_impossible_place_is_machine_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineTrouble, match=r"can't be written to .*file/ada.*Name a folder"):
        make_key(tmp_path / "file" / "ada", passphrase=None, comment="ada")


@pytest.mark.parametrize("given", [None, "wrong"], ids=["missing", "wrong"])
def test_load_key_without_its_passphrase(tmp_path: Path, given: str | None) -> None:
    make_key(tmp_path / "ada", passphrase="right", comment="ada")
    with pytest.raises(UsageError, match=r"ada can't be opened: .*give its passphrase"):
        load_key(tmp_path / "ada", passphrase=given)


@pytest.mark.parametrize("content", [None, b"", b"\x00\xff", LINE.encode()], ids=["missing", "empty", "binary", "pub"])
def test_load_key_from_no_key(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(UsageError, match=r"The key .*key can't be (read|opened): .*[Nn]ame the .*private key"):
        load_key(tmp_path / "key", passphrase=None)


@pytest.mark.parametrize(("kind", "named"), [("rsa", "RSA"), ("ecdsa", "EC")], ids=["rsa", "ecdsa"])
def test_load_key_refuses_other_types(tmp_path: Path, kind: str, named: str) -> None:
    _keygen("-q", "-t", kind, "-b", "2048" if kind == "rsa" else "256", "-N", "", "-f", tmp_path / "key")
    with pytest.raises(UsageError, match=rf"is a {named}PrivateKey\. Only Ed25519.*ssh-keygen -t ed25519"):
        load_key(tmp_path / "key", passphrase=None)


@pytest.mark.third_party
@pytest.mark.parametrize("cipher", ["aes256-ctr", "aes256-cbc", "aes256-gcm@openssh.com"])
def test_load_key_made_by_ssh_keygen_with_passphrase(tmp_path: Path, cipher: str) -> None:
    path = tmp_path / "ada"
    _keygen("-q", "-t", "ed25519", "-N", "pa ss", "-Z", cipher, "-f", path)
    line = public_line(load_key(path, passphrase="pa ss").public_key())
    assert line == check_public_line(path.with_name("ada.pub").read_text())


@pytest.mark.third_party
def test_load_key_with_an_unknown_cipher_says_how_to_change_it(tmp_path: Path) -> None:
    path = tmp_path / "ada"
    _keygen("-q", "-t", "ed25519", "-N", "pa ss", "-Z", "chacha20-poly1305@openssh.com", "-f", path)
    with pytest.raises(UsageError, match=r"chacha20-poly1305.*aes256-ctr.*ssh-keygen -p -Z aes256-ctr -f"):
        load_key(path, passphrase="pa ss")


@pytest.mark.third_party
def test_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(LINE + "\n")
    assert fingerprint(LINE) == _keygen("-l", "-f", tmp_path / "key.pub").split()[1]


@pytest.mark.third_party
@pytest.mark.parametrize("data", [b"", DATA, bytes(range(256)) * 50], ids=["empty", "json", "binary"])
def test_ssh_keygen_accepts_our_signature(tmp_path: Path, data: bytes) -> None:
    signature = sign(KEY, data, namespace=DECISION_NAMESPACE)
    said = _ssh_verify(tmp_path, LINE, data, signature=signature)
    assert f'Good "{DECISION_NAMESPACE}" signature for reviewer with ED25519 key {fingerprint(LINE)}' in said


@pytest.mark.third_party
@pytest.mark.parametrize(("line", "data"), [(LINE, DATA + b" "), (OTHER, DATA)], ids=["data", "key"])
def test_ssh_keygen_refuses_what_we_refuse(tmp_path: Path, line: str, data: bytes) -> None:
    _ssh_verify(tmp_path, line, data, signature=SIGNATURE, ok=False)
    with pytest.raises(VerificationFailed, match="signature does not hold"):
        verify(line, data, SIGNATURE, namespace=DECISION_NAMESPACE)


@pytest.mark.third_party
@pytest.mark.parametrize("passphrase", [None, "pa ss"], ids=["clear", "passphrase"])
def test_ssh_keygen_uses_the_keys_that_we_make(tmp_path: Path, passphrase: str | None) -> None:
    line = make_key(tmp_path / "ada", passphrase=passphrase, comment="ada")
    assert _keygen("-y", "-P", passphrase or "", "-f", tmp_path / "ada").split()[:2] == line.split()[:2]


@pytest.mark.third_party
def test_we_accept_the_signature_of_ssh_keygen(tmp_path: Path) -> None:
    make_key(tmp_path / "ada", passphrase=None, comment="ada")
    (tmp_path / "data").write_bytes(DATA)
    _keygen("-Y", "sign", "-f", tmp_path / "ada", "-n", DECISION_NAMESPACE, tmp_path / "data")
    theirs = (tmp_path / "data.sig").read_bytes()
    key = load_key(tmp_path / "ada", passphrase=None)
    verify(public_line(key.public_key()), DATA, theirs, namespace=DECISION_NAMESPACE)
    assert theirs == sign(key, DATA, namespace=DECISION_NAMESPACE)


@pytest.mark.third_party
def test_a_signature_over_sha256_is_refused(tmp_path: Path) -> None:
    line = make_key(tmp_path / "ada", passphrase=None, comment="ada")
    (tmp_path / "data").write_bytes(DATA)
    options = ("-O", "hashalg=sha256", "-f", tmp_path / "ada", "-n", DECISION_NAMESPACE)
    _keygen("-Y", "sign", *options, tmp_path / "data")
    with pytest.raises(VerificationFailed, match="another namespace, key type or hash"):
        verify(line, DATA, (tmp_path / "data.sig").read_bytes(), namespace=DECISION_NAMESPACE)
