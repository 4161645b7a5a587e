"""What a model was asked and answered is sealed on the disk, and comes back as it was: here, far away, in a bundle."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from counterproof.agents.bundling import make_bundle
from counterproof.agents.runner import Runner
from counterproof.agents.study import open_study, open_workplace
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.remote_blobs import RemoteBlobs
from counterproof.provenance.sealing import CHUNK
from counterproof.provenance.vault_keys import VaultKeys, key_file_protector
from counterproof.provenance.verify import verify_bundle
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.scenarios.catalogue import load_scenario
from counterproof.scenarios.replayer import run_scenario, start_scenario

pytestmark = pytest.mark.tamper
KEY = bytes(range(32))
MESSAGE = b'{"messages":[{"role":"user","content":"the weight is 51.25 kg"}]}'
Make = Callable[..., Blobs]


@pytest.fixture(params=["disk", "far"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes blobs of one study, with its key or without."""
    url = f"memory://{uuid.uuid4()}"

    def blobs(*, key: bytes | None = KEY) -> Blobs:
        find = None if key is None else lambda: key
        secret = bytes
        return (
            Blobs(tmp_path, secret=secret, key=find)
            if request.param == "disk"
            else RemoteBlobs(url, tmp_path / "near", secret=secret, key=find)
        )

    return blobs


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7])
def test_a_message_comes_back_in_every_way_that_it_is_read(make: Make, size: int) -> None:
    data = (MESSAGE * (size // len(MESSAGE) + 1))[:size]
    digest = make().put(data, sealed=True)
    blobs = make()
    assert digest == sha256_bytes(data)
    assert (blobs.get(digest), blobs.size(digest), blobs.has(digest)) == (data, size, True)
    with blobs.open(digest) as file:
        assert file.read() == data
    blobs.check(digest)


def test_plain_and_salted_bodies_have_their_lengths_too(make: Make) -> None:
    blobs = make()
    assert blobs.size(blobs.put(MESSAGE)) == len(MESSAGE)
    with pytest.raises(VerificationFailed, match=r"Blob a+ is missing"):
        blobs.size("a" * 64)


def test_without_a_key_a_message_is_kept_as_it_is(make: Make) -> None:
    digest = make(key=None).put(MESSAGE, sealed=True)
    assert make().get(digest) == make(key=None).get(digest) == MESSAGE


def test_without_its_key_a_sealed_message_is_not_read(make: Make) -> None:
    digest = make().put(MESSAGE, sealed=True)
    for read in (make(key=None).get, make(key=None).open):
        with pytest.raises(UsageError, match=r"is sealed, and there is no key for it\. Put `body-keys/`"):
            read(digest)
    with pytest.raises(VerificationFailed, match="Chunk 0"):
        make(key=bytes(32)).get(digest)


@pytest.mark.parametrize("at", [0, 25, 40, -1])
def test_a_changed_message_is_an_error(tmp_path: Path, at: int) -> None:
    blobs = Blobs(tmp_path, key=lambda: KEY)
    digest = blobs.put(MESSAGE, sealed=True)
    (place,) = [path for path in (tmp_path / "sealed").rglob("*") if path.is_file()]
    data = bytearray(place.read_bytes())
    data[at] ^= 1
    place.chmod(0o600)
    place.write_bytes(data)
    for read in (blobs.get, blobs.check):
        with pytest.raises(VerificationFailed, match="sealed file"):
            read(digest)


def test_no_message_of_a_study_lies_in_the_clear_and_its_bundle_has_them(
    tmp_path: Path, sandbox: LocalSandbox, environment: Environment
) -> None:
    place = open_workplace(tmp_path / "home")
    assert place.body_keys is not None
    VaultKeys.create(place.body_keys.folder, key_file_protector(tmp_path / "key", make=True))
    study = start_scenario(place, load_scenario("lung-survival"))
    runner = Runner(workplace=place, sandbox=sandbox, environment=environment, api_key=lambda _: "none")
    run_scenario(runner, study)
    done = open_study(place, study)
    record = done.record
    calls = [event for event in record.events() if event.type == "effect.finished" and event.data["kind"] == "model"]
    messages = [record.blobs.get(event.ref(role).sha256) for event in calls for role in ("request", "response")]
    assert len(messages) >= 8
    files = {path: path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()}
    for message in messages:
        clear = {path.name for path, held in files.items() if message[:200] in held or message[-200:] in held}
        assert clear == {"bundle.zip"}
    make_bundle(place, done, tmp_path / "bundle.zip")
    assert verify_bundle(tmp_path / "bundle.zip").ok
