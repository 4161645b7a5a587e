"""The command line: one verb, one module in `ui/commands`, imported when it is used.

What a command gives goes to standard output (`--json`: as one JSON document), prose and progress to standard error.
Exit codes: 0 done, 1 a check or verification failed, 2 usage, 3 waits for a person, 4 machine trouble.
"""

from __future__ import annotations

import importlib
import sys

import click

from counterproof.provenance.errors import CounterproofError
from counterproof.ui import environment

VERSION = "0.1.0"

# name: one line for `--help`, so that showing it imports no command
COMMANDS = {
    "demo": "A whole study on real data, from the built-in scenario to a verified bundle.",
    "new": "Make a study from a question and data files; prints its id.",
    "run": "Go on with a study to the next checkpoint or the end.",
    "inbox": "List the checkpoints that wait for a person.",
    "show": "Show what happened in a study, or exactly what is to be decided.",
    "decide": "Sign a decision on a checkpoint.",
    "export": "Write the bundle of a study that has ended.",
    "verify": "Verify a bundle, offline.",
    "replay": "Run a bundle or a scenario again and compare every digest.",
    "sandbox": "Test the isolation; build the analysis environment.",
    "env": "List, show and build the environments that programs run in.",
    "reviewers": "Add, list and revoke those who may decide.",
    "models": "List the configured models.",
    "scenarios": "List and record scenarios.",
    "worker": "Run the studies that the pages ask for.",
    "ui": "Start the pages in a browser on this machine.",
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        environment.clean()
        # lazy: `counterproof --help` must answer at once
        module = importlib.import_module(f"counterproof.ui.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="counterproof")
def cli() -> None:
    """Analyses by language models that people decide on and anyone can check."""


def main() -> None:
    """Run the command line; our errors become a text and an exit code."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped. Nothing is lost; the same command goes on.", err=True)
        sys.exit(130)
    except CounterproofError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(0)
