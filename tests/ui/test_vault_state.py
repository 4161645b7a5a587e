"""What the page of the system and `data list` say of the vault: sealed under what, how many files; never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from counterproof.provenance.ledger import Entry
from counterproof.provenance.vault_keys import VaultKeys, passphrase_protector
from counterproof.ui.cli import cli
from counterproof.ui.common import workplace
from counterproof.ui.desk import Desk
from counterproof.ui.places import system_view

from ..lab import trial_csv

_PAGE = """
from pathlib import Path
from counterproof.ui.common import workplace
from counterproof.ui.desk import Desk
from counterproof.ui.pages import places
places.system(Desk(workplace=workplace(Path({home!r}))))
"""
BODIES = "messages, and what was computed from real data"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store whose vault has the made-up trial."""
    (tmp_path / "trial.csv").write_bytes(trial_csv())
    _data(tmp_path / "home", "add", str(tmp_path / "trial.csv"))
    return tmp_path / "home"


def _data(home: Path, *arguments: str) -> str:
    done = CliRunner().invoke(cli, ["data", *arguments, "--home", str(home)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stderr


def _parts(home: Path) -> dict[str, str]:
    return {row["part"]: row["state"] for row in system_view(Desk(workplace=workplace(home))).parts.rows}


def test_the_page_shows_under_what_the_vault_is_sealed(home: Path) -> None:
    key = home / "keys" / "vault.key"
    shown = str(AppTest.from_string(_PAGE.format(home=str(home)), default_timeout=30).run().table[0].value)
    said = f"sealed under the key file {key} in this store: whoever can read the store can read the data"
    assert _parts(home)["vault"] == f"{said}; 1 files, 0 forgotten"
    assert _parts(home)[BODIES] == said
    assert "vault" in shown
    assert key.read_text().strip() not in shown


def test_the_list_says_the_same(home: Path) -> None:
    assert f"The vault is {_parts(home)['vault']}." in _data(home, "list")


def test_a_vault_elsewhere_protected_is_described_without_its_secret(home: Path, tmp_path: Path) -> None:
    key = tmp_path / "stick" / "key"
    _data(home, "protect", "key-file", "--key-file", str(key))
    assert _parts(home)["vault"] == f"sealed under the key file {key}; 1 files, 0 forgotten"
    cheap = {"kind": "passphrase", "scrypt_log_n": 10, "salt": "00" * 16}
    place = workplace(home)
    place.vault.keys.protect(passphrase_protector("long words", cheap))
    place.vault.ledger.forgotten(place.vault.ledger.find("trial.csv").sha256, by="eve", reason="consent withdrawn")
    assert _parts(home)["vault"] == "sealed under a passphrase; 0 files, 1 forgotten"


def test_a_new_store_and_one_that_is_not_sealed_say_so(tmp_path: Path) -> None:
    new = tmp_path / "new"
    assert (_parts(new)["vault"], _parts(new)[BODIES]) == ("empty; sealed from the first file on", "not sealed")
    place = workplace(tmp_path / "old")
    digest = place.vault.put(trial_csv())
    place.vault.ledger.added(Entry(sha256=digest, name="trial.csv", size=len(trial_csv())), by="ada")
    assert _parts(tmp_path / "old")["vault"] == "not sealed, `counterproof data protect` seals it; 1 files, 0 forgotten"
    assert not VaultKeys.exist(place.vault.folder)


def test_a_vault_of_another_user_is_not_looked_into(home: Path) -> None:
    (home / "gate.toml").write_text('socket = "/nowhere/gate.sock"\nuser = "counterproof-gate"\n')
    assert _parts(home)["vault"] == "belongs to counterproof-gate"
