"""The reference page of the command line, made from the commands themselves.

    python -m counterproof.ui.reference > docs/commands.md

It does not cover tutorials; those are written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from counterproof.ui.cli import cli

_WIDTH = 100
_HEAD = """# Commands

<!-- Made from the commands' own help by `python -m counterproof.ui.reference > docs/commands.md`; don't edit. -->

What a command gives goes to standard output (with `--json` as one JSON document), prose and progress to standard error.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a check or a verification failed |
| 2 | usage: a wrong argument, file or order of steps; nothing was changed |
| 3 | the study waits for a person |
| 4 | machine trouble: isolation missing, store or endpoint unreachable; nothing is lost, the same command goes on |
| 130 | stopped by Ctrl-C; nothing is lost, the same command goes on |
"""


def all_commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Return each command with its path, the root first, in the order of the help."""
    yield (), cli
    yield from _below(cli, ())


def _below(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            yield (*path, name), command
            if isinstance(command, click.Group):
                yield from _below(command, (*path, name))


def reference_page() -> str:
    """Return the page: the help of each command as `counterproof … --help` prints it on a wide terminal."""
    parts = [_HEAD]
    for path, command in all_commands():
        name = " ".join(("counterproof", *path))
        context = click.Context(command, info_name=name, terminal_width=_WIDTH, help_option_names=["-h", "--help"])
        parts.append(f"{'#' * min(2 + max(len(path) - 1, 0), 3)} {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(reference_page())
