"""The documentation is true: each command is on its page, and what code blocks tell people to type exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from counterproof.ui.cli import cli
from counterproof.ui.reference import all_commands

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "commands.md"
_BLOCK = re.compile(r"^```(?:bash|sh|shell|console|text)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _typed(page: Path) -> list[str]:
    """Return the lines in code blocks that begin with a command of ours."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    lines = "".join(_BLOCK.findall(text)).replace("\\\n", " ").splitlines()
    typed = [line.strip().removeprefix("$ ").removeprefix(".venv/bin/") for line in lines]
    return [line for line in typed if line.split(" ")[0] in ("counterproof", "make")]


def _pages() -> list[Path]:
    return [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if path != PAGE)]


LINES = [(page.name, line) for page in _pages() for line in _typed(page)]


def test_the_command_page_is_up_to_date() -> None:
    """In a process of its own: click keeps the help option of a command that another test has called alone."""
    made = subprocess.run([sys.executable, "-P", "-m", "counterproof.ui.reference"], capture_output=True, check=True)
    assert PAGE.read_text(encoding="utf-8") == made.stdout.decode(), (
        "docs/commands.md is stale. Write it anew: .venv/bin/python -P -m counterproof.ui.reference > docs/commands.md"
    )


@pytest.mark.parametrize("path", [" ".join(("counterproof", *path)) for path, _ in all_commands()])
def test_each_command_has_a_section(path: str) -> None:
    assert re.search(rf"^##+ {re.escape(path)}$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_readme_tells_people_to_type_something() -> None:
    typed = _typed(ROOT / "README.md")
    assert any(line.startswith("make demo") for line in typed)
    assert any(line.startswith("counterproof verify") for line in typed)


@pytest.mark.parametrize("line", [line for _, line in LINES if line.startswith("make")])
def test_each_make_target_exists(line: str) -> None:
    targets = re.findall(r"^([a-z.]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = [word for word in shlex.split(line, comments=True)[1:] if "=" not in word and not word.startswith("-")]
    assert named
    assert set(named) <= set(targets)


@pytest.mark.parametrize("line", [line for _, line in LINES if line.startswith("counterproof")])
def test_each_command_and_option_exists(line: str) -> None:
    context = click.Context(cli)
    command: click.Command = cli
    words = shlex.split(line.split(" | ")[0].split(";")[0], comments=True)[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    known = {name for option in command.params for name in option.opts} | {"-h", "--help"}
    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert given <= known, line
