"""`counterproof env` and the options of `new` that name environments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from counterproof.provenance.errors import CounterproofError, UsageError
from counterproof.sandbox import Environment
from counterproof.ui.commands import env, new

from ..r import r_or_skip


@pytest.fixture
def r_environment() -> Environment:
    """The R environment of this machine."""
    return r_or_skip()


def _new(tmp_path: Path, *options: str) -> list[str]:
    (tmp_path / "x.csv").write_text("a,b\n" + "".join(f"{n},{n % 2}\n" for n in range(30)))
    given = ["--data", str(tmp_path / "x.csv"), "--question", "Why?", "--home", str(tmp_path / "home")]
    return [
        *given,
        "--model",
        "m",
        "--base-url",
        "http://127.0.0.1:9/v1",
        "--api-key-env",
        "",
        "--single-user",
        "--json",
        *options,
    ]


def _settings(tmp_path: Path, *options: str) -> dict[str, object]:
    done = CliRunner().invoke(new.command, _new(tmp_path, *options), catch_exceptions=False)
    study = json.loads(done.stdout)["study"]
    events = next((tmp_path / "home").rglob(f"{study}/record/*"))
    created: dict[str, object] = json.loads(events.read_text().splitlines()[0])["data"]
    return created


def test_env_list_shows_language_version_and_digest(environment: Environment) -> None:
    done = CliRunner().invoke(env.command, ["list", "--json"], catch_exceptions=False)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert (rows["python"]["language"], rows["python"]["digest"]) == ("python", environment.digest)
    assert rows["r"]["language"] == "r"


def test_env_show_lists_the_packages(r_environment: Environment) -> None:
    done = CliRunner().invoke(env.command, ["show", "r"], catch_exceptions=False)
    assert f"digest {r_environment.digest}" in done.stdout
    assert "  survival==" in done.stdout


def test_env_show_of_nothing_says_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"no environment called 'julia'.*python, r"):
        CliRunner().invoke(env.command, ["show", "julia"], catch_exceptions=False)


def test_env_build_of_what_is_there_does_nothing(r_environment: Environment) -> None:
    done = CliRunner().invoke(env.command, ["build", "r", "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["digest"] == r_environment.digest


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["/nonexistent"], "neither an environment nor a folder '/nonexistent'"),
        (["."], r"needs a name.*--name NAME"),
        ([".", "--name", "r"], "can't be called 'r'"),
    ],
)
def test_env_build_refuses(arguments: list[str], why: str) -> None:
    with pytest.raises(CounterproofError, match=why):
        CliRunner().invoke(env.command, ["build", *arguments], catch_exceptions=False)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ("python", "python", "python", "python")),
        (["--replication-language", "r"], ("python", "python", "r", "r")),
        (["--environment", "r"], ("r", "r", "python", "python")),
        (["--language", "r", "--environment", "r"], ("r", "r", "python", "python")),
    ],
)
def test_new_keeps_languages_and_environments(
    tmp_path: Path, options: list[str], expected: tuple[str, str, str, str]
) -> None:
    made = _settings(tmp_path, *options)
    names = ("language", "environment", "replication_language", "replication_environment")
    assert tuple(made[name] for name in names) == expected


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--language", "r", "--environment", "python"], "'python' is for python, and the program is to be in r"),
        (["--replication-environment", "julia"], "no environment called 'julia'"),
    ],
)
def test_new_refuses_what_does_not_fit(tmp_path: Path, options: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        CliRunner().invoke(new.command, _new(tmp_path, *options), catch_exceptions=False)
    assert not (tmp_path / "home").exists() or not list((tmp_path / "home").rglob("record"))
