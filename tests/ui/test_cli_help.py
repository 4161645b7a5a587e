"""Help: every command and sub-command answers to -h and --help, in full sentences."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import click
import pytest

from counterproof.ui.cli import COMMANDS, VERSION, cli
from counterproof.ui.reference import all_commands

from .terminal import Terminal

EVERY = [path for path, _ in all_commands()]


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...], terminal: Terminal) -> None:
    short, long = terminal.ok(*path, "-h"), terminal.ok(*path, "--help")
    assert short.out == long.out
    assert short.out.startswith(f"Usage: {' '.join(('counterproof', *path))} ")
    assert short.err == ""


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal that nothing is written in."""
    return Terminal(folder=tmp_path_factory.mktemp("help"))


@pytest.mark.parametrize(("path", "command"), list(all_commands()), ids=[" ".join(path) for path in EVERY])
def test_every_option_says_what_it_is_for(path: tuple[str, ...], command: click.Command) -> None:
    silent = [
        option.name for option in command.params if isinstance(option, click.Option) and not (option.help or "").strip()
    ]
    assert silent == []
    assert (command.help or "").strip().endswith(".")


def test_the_short_help_is_the_command_s_own(terminal: Terminal) -> None:
    assert set(COMMANDS) == {path[0] for path in EVERY if path}
    assert terminal.ok("--version").out == f"counterproof, version {VERSION}\n"


def test_without_arguments_help_is_shown(terminal: Terminal) -> None:
    ended = terminal.run()
    assert ended.code == 2
    assert "Usage: counterproof" in ended.out + ended.err
    assert terminal.run("reviewers").code == 2


def test_the_version_is_that_of_the_package() -> None:
    assert version("counterproof") == VERSION
    assert isinstance(cli, click.Group)


@pytest.mark.parametrize("name", ["show", "inbox", "decide", "reviewers", "models", "new", "verify", "ui"])
def test_what_people_type_often_starts_without_graph_and_model_client(name: str) -> None:
    heavy = {"langgraph", "openai", "streamlit"}
    code = f"import sys, counterproof.ui.commands.{name}; print(sorted({heavy!r} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
