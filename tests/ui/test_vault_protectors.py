"""A vault under the keyring of the desktop and under a key management service, from the command line to the gate."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keyring
import keyring.core
import pytest
from click.testing import CliRunner
from keyring.backends.fail import Keyring as NoKeyring

from counterproof.provenance.commitments import study_secret
from counterproof.provenance.errors import CounterproofError, MachineTrouble, UsageError
from counterproof.sandbox.gate_line import File
from counterproof.ui.cli import cli
from counterproof.ui.common import workplace
from counterproof.ui.gates import open_gate

from ..lab import trial_csv
from .vault_services import KeyService, key_service, write_keyring, write_package

DIGEST = hashlib.sha256(trial_csv()).hexdigest()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store whose vault has the made-up trial, under a key file."""
    (tmp_path / "trial.csv").write_bytes(trial_csv())
    _run("add", tmp_path / "trial.csv", "--home", tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A desktop with a keyring; yields the file that holds its keys."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # keyring adds to it
    monkeypatch.delitem(sys.modules, "folder_keyring", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(write_keyring(tmp_path / "config")))
    _forget_keyring()
    yield tmp_path / "config" / "keyring.json"
    monkeypatch.undo()
    _forget_keyring()


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyService]:
    """A key management service, and the package that asks it."""
    package = write_package(tmp_path / "package")
    monkeypatch.syspath_prepend(package)
    monkeypatch.setenv("PYTHONPATH", str(package))
    with key_service() as running:
        monkeypatch.setenv("LOOPBACK_KMS_TOKEN", running.token)
        yield running


def _forget_keyring() -> None:
    """Have keyring read its configuration again when it is asked next."""
    keyring.core._keyring_backend = None


def _run(*arguments: object) -> str:
    done = CliRunner().invoke(cli, ["data", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def _protector(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / "vault" / "master.json").read_bytes())["protector"]
    return found


def _secret_by_the_gate(home: Path) -> bytes:
    """Return what only a process that reads the data can tell: asked of the gate's own process."""
    client = open_gate(home)
    try:
        return client.secret("s1", [File(name="trial.csv", sha256=DIGEST)])
    finally:
        client.close()


def _assert_opens(home: Path) -> None:
    """Assert that this process and the gate's open the vault, and that its keys can be rotated."""
    _run("rotate", "--home", home)
    assert workplace(home).vault.get(DIGEST) == trial_csv()
    assert _secret_by_the_gate(home) == study_secret("s1", [io.BytesIO(trial_csv())])


def test_a_vault_under_the_keyring_opens_here_and_in_the_gate(home: Path, desktop: Path) -> None:
    assert "under a keyring now" in _run("protect", "keyring", "--home", home)
    (name,) = json.loads(desktop.read_text())
    assert (name, _protector(home)) == (
        "counterproof/counterproof-vault",
        {"kind": "keyring", "name": "counterproof-vault"},
    )
    (home / "keys" / "vault.key").unlink()
    _assert_opens(home)


def test_without_its_key_in_the_keyring_a_vault_stays_closed(home: Path, desktop: Path) -> None:
    _run("protect", "keyring", "--name", "mine", "--home", home)
    kept = json.loads(desktop.read_text())
    for changed, message in (
        ({}, r"has no key 'mine' of counterproof\. Unlock the right keyring"),
        ({"counterproof/mine": "0" * 64}, "the keyring has another key"),
        ({"counterproof/mine": "x" * 64}, r"as 'mine' of counterproof is no key\..*32 bytes in hexadecimal"),
    ):
        desktop.write_text(json.dumps(changed))
        with pytest.raises(UsageError, match=message):
            workplace(home).vault.get(DIGEST)
        with pytest.raises(CounterproofError, match=message):
            _secret_by_the_gate(home)
    desktop.write_text(json.dumps(kept))
    assert workplace(home).vault.get(DIGEST) == trial_csv()


def test_a_machine_without_a_keyring_is_told_so_and_nothing_changes(home: Path, desktop: Path) -> None:
    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call]  # the library's
    with pytest.raises(UsageError, match=r"The OS keyring can't be used: .*Unlock it, then try again"):
        _run("protect", "keyring", "--home", home)
    assert _protector(home)["kind"] == "key-file"


def test_without_the_extra_the_text_names_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(UsageError, match=r"Install `counterproof\[keyring\]`"):
        _run("protect", "keyring", "--home", home)
    assert _protector(home)["kind"] == "key-file"


def test_a_vault_under_a_key_service_opens_here_and_in_the_gate(home: Path, service: KeyService) -> None:
    assert "under a loopback-kms now" in _run("protect", "loopback-kms", "--set", f"url={service.url}", "--home", home)
    assert _protector(home) == {
        "kind": "loopback-kms",
        "url": service.url,
        "variables": ["LOOPBACK_KMS_TOKEN", "PYTHONPATH"],
    }
    (home / "keys" / "vault.key").unlink()
    _assert_opens(home)
    assert service.asked.count("/wrap") >= 2
    assert service.token not in (home / "vault" / "master.json").read_text()


def test_a_service_that_refuses_or_is_gone_is_machine_trouble(
    home: Path, service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run("protect", "loopback-kms", "--set", f"url={service.url}", "--home", home)
    monkeypatch.setenv("LOOPBACK_KMS_TOKEN", "revoked")
    refused = r"'loopback-kms' can't be used: HTTPError: HTTP Error 403.*whether this user may use the key"
    with pytest.raises(MachineTrouble, match=refused):
        workplace(home).vault.get(DIGEST)
    with pytest.raises(CounterproofError, match=refused):
        _secret_by_the_gate(home)


PROTECTORS: dict[str, tuple[list[str], type[CounterproofError], str]] = {
    "renamed": (["renamed-kms", "--set", "url=x"], UsageError, r"'renamed-kms' says of itself .*something-else"),
    "forgetful": (
        ["forgetful-kms", "--set", "url={url}"],
        UsageError,
        r"\(forgetful-kms\) does not give back what it wrapped\. Nothing was changed",
    ),
    "broken": (["broken-kms"], MachineTrouble, r"'broken-kms' can't be used: AttributeError"),
    "unreachable": (["loopback-kms", "--set", "url=http://127.0.0.1:9"], MachineTrouble, "can't be used: URLError"),
    "without its settings": (["loopback-kms"], MachineTrouble, "can't be used: KeyError: 'url'"),
    "not installed": (
        ["vault-of-acme"],
        UsageError,
        r"'vault-of-acme', or should be.*Built in: passphrase, key-file, keyring\. Installed: broken-kms, .*loopback-k",
    ),
    "a setting without a value": (["loopback-kms", "--set", "url"], UsageError, r"--set 'url' has no.*NAME=VALUE"),
    "a setting of a key file": (
        ["key-file", "--key-file", "k", "--set", "a=b"],
        UsageError,
        "'key-file' and --set is given",
    ),
    "a key file without a path": (["key-file"], UsageError, "'key-file' and --key-file is missing"),
    "a path for a passphrase": (["passphrase", "--key-file", "k"], UsageError, "'passphrase' and --key-file is given"),
}


@pytest.mark.parametrize("name", PROTECTORS)
def test_what_does_not_protect_is_refused_and_changes_nothing(home: Path, service: KeyService, name: str) -> None:
    arguments, kind, message = PROTECTORS[name]
    with pytest.raises(kind, match=message):
        _run("protect", *[argument.format(url=service.url) for argument in arguments], "--home", home)
    assert _protector(home)["kind"] == "key-file"
    assert workplace(home).vault.get(DIGEST) == trial_csv()
