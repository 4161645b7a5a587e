"""`counterproof data` and `gate`: what is added, listed, forgotten, protected; and which gate is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from counterproof.agents.study import new_study, open_study, open_workplace
from counterproof.provenance.errors import CounterproofError, UsageError
from counterproof.provenance.policy import SINGLE_USER
from counterproof.provenance.store import Status
from counterproof.ui.cli import cli
from counterproof.ui.commands import data, gate, new
from counterproof.ui.common import workplace
from counterproof.ui.gates import gate_settings

from ..lab import trial_csv

SECRET = "COUNTERPROOF_VAULT_PASSPHRASE"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store whose vault has the made-up trial."""
    (tmp_path / "trial.csv").write_bytes(trial_csv())
    home = tmp_path / "home"
    _run(data.command, "add", tmp_path / "trial.csv", "--licence", "CC0-1.0", "--source", "made up", "--home", home)
    return home


def _run(command: click.Command, *arguments: object, env: dict[str, str] | None = None) -> Result:
    words = [str(command.name), *map(str, arguments)]
    done = CliRunner().invoke(cli, words, env=env, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def _listed(home: Path, *more: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(_run(data.command, "list", "--json", *more, "--home", home).stdout)
    return rows


def _study(home: Path, **options: str) -> str:
    arguments = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
    model = ["--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--api-key-env", ""]
    return _run(new.command, "--question", "Why?", "--single-user", *model, *arguments, "--home", home).stdout.strip()


def test_what_is_added_is_listed_with_its_terms_and_sealed(home: Path) -> None:
    (row,) = _listed(home)
    named = ("name", "exposure", "third_party", "share", "licence", "source", "forgotten_at")
    assert [row[key] for key in named] == ["trial.csv", "metadata", False, False, "CC0-1.0", "made up", ""]
    files = [path for path in home.rglob("*") if path.is_file()]
    assert not any(trial_csv()[50:90] in path.read_bytes() for path in files)


def test_epsilon_of_a_file_is_a_term_that_is_kept_until_it_is_changed(home: Path) -> None:
    def terms() -> tuple[str, float, float]:
        (row,) = _listed(home)
        return _run(data.command, "list", "--home", home).stdout, row["epsilon"], row["epsilon_taken"]

    add = ("add", home.parent / "trial.csv", "--home", home)
    assert ("epsilon" in terms()[0], *terms()[1:]) == (False, 0.0, 0.0)
    _run(data.command, *add, "--epsilon", "4")
    _run(data.command, *add)
    workplace(home).vault.ledger.take(_listed(home)[0]["sha256"], 1.5, use="twin")
    assert ("epsilon 1.5 taken of 4" in terms()[0], *terms()[1:]) == (True, 4.0, 1.5)
    _run(data.command, *add, "--epsilon", "0")
    assert ("epsilon 1.5 taken" in terms()[0], *terms()[1:]) == (True, 0.0, 1.5)
    done = CliRunner().invoke(cli, ["data", *map(str, add), "--epsilon", "-1"])
    assert (done.exit_code, "-1.0 is not in the range x>=0" in done.output) == (2, True)


@pytest.mark.canary
@pytest.mark.parametrize(
    ("name", "head"), [("born 1931-07-19.csv", "a,b"), ("t.csv", "a,MRN 7710884")], ids=["file", "column"]
)
def test_a_name_that_tells_of_a_person_is_not_added(tmp_path: Path, name: str, head: str) -> None:
    (tmp_path / name).write_text(f"{head}\n1,2\n0,3\n")
    with pytest.raises(UsageError, match=r"holds what looks like an identifier of a person.*Rename it") as caught:
        _run(data.command, "add", tmp_path / name, "--home", tmp_path / "home")
    assert "1931-07-19" not in str(caught.value)
    assert "7710884" not in str(caught.value)
    assert _listed(tmp_path / "home") == []


def test_a_study_is_made_of_a_file_of_the_vault(home: Path) -> None:
    study = _study(home, data_set="trial.csv")
    place = workplace(home)
    assert place.store.study(study)["status"] == Status.READY
    with pytest.raises(UsageError, match=r"'other\.csv' means 0 files of the vault\..*trial\.csv"):
        _study(home, data_set="other.csv")


def test_data_are_forgotten_once_no_study_needs_them(home: Path) -> None:
    study = _study(home, data_set="trial.csv")
    digest = _listed(home)[0]["sha256"]
    forget = ["forget", "trial.csv", "--reason", "consent withdrawn", "--home", home]
    with pytest.raises(UsageError, match=rf"trial\.csv is needed by {study}\..*--force"):
        _run(data.command, *forget)
    assert workplace(home).vault.has(digest)
    _run(data.command, *forget, "--force")
    assert _listed(home) == []
    (gone,) = _listed(home, "--all")
    assert (gone["reason"], workplace(home).vault.has(digest)) == ("consent withdrawn", False)
    with pytest.raises(UsageError, match=r"trial\.csv was forgotten"):
        _study(home, data_set=digest)


def test_keys_move_under_a_passphrase_and_back(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterproof.provenance.vault_keys.SCRYPT_LOG_N", 10)
    digest = _listed(home)[0]["sha256"]
    _run(data.command, "protect", "passphrase", "--home", home, env={SECRET: "long words"})
    with pytest.raises(UsageError, match="The vault is locked"):
        open_workplace(home).vault.get(digest)
    with pytest.raises(UsageError, match="the passphrase is wrong"):
        _run(data.command, "rotate", "--home", home, env={SECRET: "other words"})
    assert _run(data.command, "rotate", "--home", home, env={SECRET: "long words"}).stdout.startswith("1 keys")
    key = tmp_path / "elsewhere" / "key"
    _run(data.command, "protect", "key-file", "--key-file", key, "--home", home, env={SECRET: "long words"})
    assert open_workplace(home).vault.get(digest) == trial_csv()
    key.unlink()
    with pytest.raises(UsageError, match=rf"The key file {key} of the vault can't be read"):
        open_workplace(home).vault.get(digest)


def test_bodies_of_a_study_are_sealed_too(home: Path) -> None:
    study = _study(home, data_set="trial.csv")
    place = workplace(home)
    folder = place.store.study_folder(study)
    from_study = _record(home, study)
    ref = from_study.put("stdout", b"the mean is 51.2", side="secure")
    (kept,) = [path for path in (folder / "blobs" / "salted").rglob("*") if path.is_file()]
    assert b"51.2" not in kept.read_bytes()
    assert _record(home, study).blobs.get(ref.sha256) == b"the mean is 51.2"
    kept.chmod(0o600)
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(CounterproofError, match="a sealed file was changed"):
        _record(home, study).blobs.get(ref.sha256)


def _record(home: Path, study: str) -> Any:
    return open_study(workplace(home), study).record


@pytest.mark.parametrize("text", ["socket = 1", 'socket = "/x"', 'socket = "/x"\nuser = "u"\nmode = "any"', "]"])
def test_a_wrong_gate_file_is_an_error_and_never_no_gate(home: Path, text: str) -> None:
    (home / "gate.toml").write_text(text)
    with pytest.raises(UsageError, match=r"gate\.toml can't be understood: .*It has two lines"):
        gate_settings(home)


def test_with_the_gate_of_another_user_no_file_is_taken_from_here(home: Path, tmp_path: Path) -> None:
    (home / "gate.toml").write_text('socket = "/nowhere/gate.sock"\nuser = "0"\n')
    with pytest.raises(UsageError, match=r"it belongs to the gate's user\..*--data-set"):
        _study(home, data=str(tmp_path / "trial.csv"))
    with pytest.raises(CounterproofError, match=r"The gate can't be reached: No such file"):
        _study(home, data_set="trial.csv")


def test_the_gate_under_this_user_says_what_it_is(home: Path) -> None:
    told = json.loads(_run(gate.command, "check", "--json", "--home", home).stdout)
    assert (told["separate"], told["user"], told["files"]) == (False, "", 1)
    assert workplace(home).registry.is_installation(told["installation"])


def test_a_store_that_others_may_enter_is_not_served(home: Path) -> None:
    home.chmod(0o755)
    with pytest.raises(UsageError, match=r"has mode 0755\..*chmod 0700"):
        _run(gate.command, "serve", "--socket", home / "gate.sock", "--allow", "65533", "--home", home)


def test_terms_of_sharing_are_asked_of_the_ledger(home: Path) -> None:
    place = workplace(home)
    entry = place.vault.ledger.find("trial.csv")
    model: Any = None
    with pytest.raises(UsageError, match=r"trial\.csv may not go into a bundle"):
        new_study(place, question="Why?", entered=[entry], model=model, share_data=True, policy=SINGLE_USER)


MISTAKES: dict[str, tuple[list[str], str]] = {
    "a file that is not there": (["add", "{folder}/none.csv"], r"none\.csv does not exist"),
    "a folder": (["add", "{folder}"], "is no file"),
    "no table": (["add", "{folder}/empty.csv"], r"empty\.csv is empty \(0 bytes\)"),
    "a name that programs can't use": (["add", "{folder}/a b.csv"], r"'a b\.csv' can't be used.*Rename the file"),
    "forgotten for no reason": (["forget", "trial.csv", "--reason", " "], r"The reason is empty\..*--reason"),
    "a file of no name": (["forget", "x.csv", "--reason", "r"], r"'x\.csv' means 0 files of the vault\..*trial\.csv"),
    "the beginning of a digest that is too short": (["forget", "abc", "--reason", "r"], "'abc' means 0 files"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_and_changes_nothing(home: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "a b.csv").write_bytes(trial_csv())
    arguments, message = MISTAKES[name]
    before = _listed(home, "--all")
    with pytest.raises(UsageError, match=message):
        _run(data.command, *[argument.format(folder=tmp_path) for argument in arguments], "--home", home)
    assert _listed(home, "--all") == before
    assert workplace(home).vault.get(before[0]["sha256"]) == trial_csv()


def test_what_was_forgotten_is_forgotten_once_and_can_be_added_again(home: Path, tmp_path: Path) -> None:
    digest = _listed(home)[0]["sha256"]
    forget = ["forget", digest, "--reason", "consent withdrawn", "--home", home]
    _run(data.command, *forget)
    with pytest.raises(UsageError, match=r"trial\.csv was forgotten on 20\d\d-\d\d-\d\d by "):
        _run(data.command, *forget)
    _run(data.command, "add", tmp_path / "trial.csv", "--home", home)
    assert workplace(home).vault.get(digest) == trial_csv()


def test_added_again_under_other_terms_those_count(home: Path, tmp_path: Path) -> None:
    add = ["add", tmp_path / "trial.csv", "--home", home]
    _run(data.command, *add, "--exposure", "rows", "--share", "--third-party")
    (row,) = _listed(home)
    assert (row["exposure"], row["share"], row["third_party"]) == ("rows", True, True)
    _run(data.command, *add)
    assert _listed(home)[0]["exposure"] == "metadata"
    with pytest.raises(UsageError, match=r"trial\.csv.*Add it to the vault again with another exposure"):
        _study(home, data_set="trial.csv", exposure="released")


def test_a_vault_that_is_not_sealed_has_no_keys_to_rotate_and_is_sealed_by_protect(tmp_path: Path) -> None:
    home = tmp_path / "home"
    digest = workplace(home).vault.put(trial_csv())
    with pytest.raises(UsageError, match=r"The vault is not sealed\. `counterproof data protect` seals it"):
        _run(data.command, "rotate", "--home", home)
    said = _run(data.command, "protect", "key-file", "--key-file", tmp_path / "key", "--home", home).stderr
    assert "1 files were sealed" in said
    files = [path for path in home.rglob("*") if path.is_file()]
    assert not any(trial_csv()[50:90] in path.read_bytes() for path in files)
    assert workplace(home).vault.get(digest) == trial_csv()
