"""Time stamps by a real authority on this machine: kept, checked with ours and with OpenSSL, and refused when wrong."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from counterproof.agents.bundling import make_bundle
from counterproof.provenance.bundle import SIGNATURE
from counterproof.provenance.errors import MachineTrouble, UsageError, VerificationFailed
from counterproof.provenance.timestamps import CERTIFICATES, STAMP, Authority, check_stamp, read_stamp
from counterproof.provenance.verify import Verification, verify_bundle
from counterproof.ui.commands.export import command as export
from counterproof.ui.commands.verify import command as verify

from ..endpoint import Endpoint
from ..lab import Lab, script
from .authority import LocalAuthority, listening, make_authority
from .forging import Bag, failed

DATA = b"some bytes"
_COVERED = "tagmanifest-sha256.txt"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    """An honest authority."""
    return make_authority(tmp_path_factory.mktemp("authorities") / "honest")


@pytest.fixture
def study(lab: Lab) -> str:
    """A study that has ended."""
    made = lab.new()
    with Endpoint(script()) as endpoint:
        lab.run(made, endpoint.base_url, "withdraw")
    return made


@pytest.fixture
def stamped(lab: Lab, study: str, tmp_path: Path, authority: LocalAuthority) -> Path:
    """A bundle with a time stamp."""
    with listening(authority):
        asked = Authority(url=authority.url, certificates=authority.root)
        make_bundle(lab.workplace, lab.study(study), tmp_path / "stamped.zip", authority=asked)
    return tmp_path / "stamped.zip"


def _seal(found: Verification) -> tuple[str, str]:
    return found.steps[2].outcome, " ".join(found.steps[2].evidence)


def test_a_stamp_holds_against_the_authority_and_shows_its_time(stamped: Path, authority: LocalAuthority) -> None:
    found = verify_bundle(stamped, authority=authority.root)
    assert (found.ok, found.left) == (True, ())
    outcome, evidence = _seal(found)
    assert outcome == "ok"
    assert "UTC, says the time-stamping authority that was named" in evidence


def test_without_a_certificate_the_stamp_is_read_and_its_signature_left(stamped: Path) -> None:
    found = verify_bundle(stamped)
    outcome, evidence = _seal(found)
    assert found.ok
    assert [step.name for step in found.left] == ["seal"]
    assert outcome == "cannot be checked here"
    assert "signed by the service key" in evidence
    assert "name the authority's certificate with --tsa-ca" in evidence


def test_openssl_verifies_the_stamp_and_refuses_one_of_other_bytes(stamped: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(stamped) as archive:
        archive.extractall(tmp_path)
    (folder,) = (path for path in tmp_path.iterdir() if path.name.startswith("study-") and path.is_dir())
    command = ["openssl", "ts", "-verify", "-data", _COVERED, "-in", STAMP, "-CAfile", CERTIFICATES]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert (told.returncode, told.stdout.strip()) == (0, "Verification: OK"), told.stderr
    (folder / _COVERED).write_bytes((folder / _COVERED).read_bytes() + b"\n")
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert told.returncode != 0
    assert "message imprint mismatch" in told.stderr


def test_the_certificate_in_the_bundle_is_covered_by_the_seal_and_never_trusted(
    stamped: Path, tmp_path: Path, authority: LocalAuthority
) -> None:
    bag = Bag(stamped)
    assert bag.files[CERTIFICATES] == authority.root
    assert CERTIFICATES in bag.files[_COVERED].decode()
    other = make_authority(tmp_path / "other")
    bag.files[CERTIFICATES] = other.root
    assert "bag" in failed(bag.write(tmp_path / "certificate.zip"))
    found = verify_bundle(stamped, authority=other.root)
    assert not found.ok
    assert "is not signed by the authority that was named" in _seal(found)[1]


def test_a_stamp_that_was_taken_away_or_belongs_to_another_bag_is_caught(
    stamped: Path, tmp_path: Path, authority: LocalAuthority
) -> None:
    bag = Bag(stamped)
    token = bag.files.pop(STAMP)
    found = failed(bag.write(tmp_path / "without.zip"))
    assert set(found) == {"bag", "seal", "marks"}
    bag.files[STAMP] = token
    bag.replace("data/README.md", "A bundle", "The bundle")
    bag.reseal()
    (tmp_path / "anew.zip").write_bytes(bag.write(tmp_path / "anew.zip").read_bytes())
    for trusted in (b"", authority.root):
        found_anew = verify_bundle(tmp_path / "anew.zip", authority=trusted)
        assert "The time stamp is of other bytes" in _seal(found_anew)[1]
        assert not found_anew.ok


def test_a_stamp_that_the_bag_does_not_name_has_no_place(lab: Lab, study: str, stamped: Path, tmp_path: Path) -> None:
    make_bundle(lab.workplace, lab.study(study), tmp_path / "plain.zip")
    bag = Bag(tmp_path / "plain.zip")
    bag.files[STAMP] = Bag(stamped).files[STAMP]
    assert "is not listed" in failed(bag.write(tmp_path / "added.zip"))["bag"]


def test_an_authority_that_is_named_for_a_bundle_without_a_stamp_is_a_failure(
    lab: Lab, study: str, tmp_path: Path, authority: LocalAuthority
) -> None:
    make_bundle(lab.workplace, lab.study(study), tmp_path / "plain.zip")
    assert verify_bundle(tmp_path / "plain.zip").ok
    found = verify_bundle(tmp_path / "plain.zip", authority=authority.root)
    assert _seal(found) == ("failed", "An authority was named, and the bundle has no time stamp.")
    with pytest.raises(UsageError, match=r"can't be read.*Name a PEM file"):
        verify_bundle(tmp_path / "plain.zip", authority=b"no certificate")


def test_a_signer_whose_certificate_had_expired_is_refused(tmp_path: Path) -> None:
    expired = make_authority(tmp_path / "expired", valid_days=(-30, -2))
    with listening(expired):
        reply = Authority(url=expired.url).stamp(DATA)
        with pytest.raises(MachineTrouble, match=r"no time stamp that holds.*not signed by the authority"):
            Authority(url=expired.url, certificates=expired.root).stamp(DATA)
    assert read_stamp(reply, DATA)
    with pytest.raises(VerificationFailed, match="is not signed by the authority that was named"):
        check_stamp(reply, DATA, certificates=expired.root)


def test_a_reply_to_another_request_or_of_other_bytes_is_refused(authority: LocalAuthority) -> None:
    with listening(authority):
        asked = Authority(url=authority.url)
        early, other = asked.stamp(DATA), asked.stamp(DATA + b"!")
        for reply, why in ((early, "its nonce is not the one that was sent"), (other, "is of other bytes")):
            authority.lie = reply
            with pytest.raises(MachineTrouble, match=rf"{why}.*Nothing was exported"):
                asked.stamp(DATA)
        authority.lie = None
    with pytest.raises(VerificationFailed, match="of other bytes"):
        check_stamp(other, DATA, certificates=authority.root)


@pytest.mark.parametrize("lie", [b"", b"no reply", b"\x30\x03\x02\x01\x02", bytes(2_000_000)], ids=len)
def test_an_answer_that_is_no_stamp_is_machine_trouble(authority: LocalAuthority, lie: bytes) -> None:
    authority.lie = lie
    with listening(authority), pytest.raises(MachineTrouble, match=r"Try again later, or export without --timestamp"):
        Authority(url=authority.url, certificates=authority.root).stamp(DATA)
    authority.lie = None


def test_a_changed_byte_of_a_reply_is_refused(authority: LocalAuthority) -> None:
    with listening(authority):
        reply = Authority(url=authority.url, certificates=authority.root).stamp(DATA)
    check_stamp(reply, DATA, certificates=authority.root)
    middle = reply.index(bytes.fromhex("06092a864886f70d010702"))
    for at in (middle + 3, len(reply) // 2, len(reply) - 5):
        changed = reply[:at] + bytes([reply[at] ^ 1]) + reply[at + 1 :]
        with pytest.raises(VerificationFailed):
            check_stamp(changed, DATA, certificates=authority.root)


def test_an_authority_that_can_not_be_asked_stops_the_export_and_leaves_no_file(
    lab: Lab, study: str, tmp_path: Path, authority: LocalAuthority
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    nobody = Authority(url="http://127.0.0.1:9/")
    with pytest.raises(MachineTrouble, match=r"http://127\.0\.0\.1:9/ can't be asked: .*export without --timestamp"):
        make_bundle(lab.workplace, lab.study(study), out / "a.zip", authority=nobody)
    authority.status = 503
    with listening(authority), pytest.raises(MachineTrouble, match="can't be asked: HTTP Error 503"):
        make_bundle(lab.workplace, lab.study(study), out / "a.zip", authority=Authority(url=authority.url))
    authority.status = 200
    assert list(out.iterdir()) == []
    make_bundle(lab.workplace, lab.study(study), out / "a.zip")
    assert verify_bundle(out / "a.zip").ok


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/", "tsa.example", ""])
def test_an_address_that_is_none_is_the_caller_s_mistake(url: str) -> None:
    with pytest.raises(UsageError, match=r"no address of a time-stamping authority.*http"):
        Authority(url=url)


def test_the_authority_sees_the_digest_alone_and_two_exports_differ_in_the_stamp_alone(
    lab: Lab, study: str, stamped: Path, tmp_path: Path, authority: LocalAuthority
) -> None:
    authority.asked.clear()
    with listening(authority):
        asked = Authority(url=authority.url, certificates=authority.root)
        make_bundle(lab.workplace, lab.study(study), tmp_path / "again.zip", authority=asked)
    (request,) = authority.asked
    assert len(request) < 100
    one, two = Bag(stamped).files, Bag(tmp_path / "again.zip").files
    assert {name for name in one if one[name] != two[name]} == {STAMP}
    assert one[SIGNATURE] == two[SIGNATURE]


def test_the_commands_ask_for_a_stamp_and_check_it(
    lab: Lab, study: str, tmp_path: Path, authority: LocalAuthority
) -> None:
    target, ca = tmp_path / "a.zip", tmp_path / "ca.pem"
    ca.write_bytes(authority.root)
    with listening(authority):
        given = ["--home", str(lab.home), study, "-o", str(target), "--timestamp", authority.url]
        made = CliRunner().invoke(export, [*given, "--timestamp-ca", str(ca)])
    assert made.exit_code == 0, made.output
    told = CliRunner().invoke(verify, [str(target)])
    assert told.exit_code == 0
    assert "verified, but for what could not be checked here (3 seal)" in told.output
    told = CliRunner().invoke(verify, [str(target), "--tsa-ca", str(ca), "--json"])
    assert told.exit_code == 0
    assert json.loads(told.output)["left"] == []
    alone = CliRunner().invoke(export, [*given[:5], "--timestamp-ca", str(ca)])
    assert (alone.exit_code, "--timestamp-ca is for --timestamp URL" in alone.output) == (2, True)
