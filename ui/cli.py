"""The command line: one verb, one module in `ui/commands`, imported when it is used.

What a command gives goes to standard output (`--json`: as one JSON document), prose and progress to standard error.
Exit codes: 0 done, 1 a check or verification failed, 2 usage, 3 waits for a person, 4 machine trouble.
"""

from __future__ import annotations

import importlib
import io
import sys

import click

from counterproof.provenance.errors import CounterproofError, DecisionRequired, UsageError
from counterproof.ui import environment
from counterproof.ui.memory import collect_seldom
from counterproof.ui.output import discard, say

VERSION = "0.1.0"

# name: one line for `--help`, so that showing it imports no command
COMMANDS = {
    "demo": "A whole study on real data, from the built-in scenario to a verified bundle.",
    "new": "Make a study from a question and data files; prints its id.",
    "identifiers": "Columns that may identify a person, and what they are.",
    "run": "Go on with a study to the next checkpoint or the end.",
    "inbox": "List the checkpoints that wait for a person.",
    "show": "Show what happened in a study, or exactly what is to be decided.",
    "decide": "Sign a decision on a checkpoint.",
    "statement": "Show the transparency statement of a study; take a person's answers.",
    "report": "Write the report of a study, or its plan, as a page, for Word, or in Markdown.",
    "export": "Write the bundle of a study that has ended.",
    "verify": "Verify a bundle, offline.",
    "replay": "Run a bundle or a scenario again and compare every digest.",
    "data": "Add, list and forget data of the vault; protect its keys.",
    "gate": "Say which gate opens the real data; serve as the gate of another user's studies.",
    "synth": "Make synthetic data and judge them with an evaluation card.",
    "sandbox": "Test the isolation; build the analysis environment.",
    "env": "List, show and build the environments that programs run in.",
    "reviewers": "Add, list and revoke those who may decide.",
    "accounts": "Let reviewers sign in to the pages; who signed in.",
    "budget": "Show what a study may use and has used; extend it with a signature.",
    "policy": "Show, check and set the rules under which people decide.",
    "compare": "Compare models on tasks whose answers are held out.",
    "models": "List the configured models.",
    "scenarios": "List and record scenarios.",
    "worker": "Run the studies that the pages ask for.",
    "ui": "Start the pages in a browser on this machine.",
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        environment.clean()
        # lazy: `counterproof --help` must answer at once
        module = importlib.import_module(f"counterproof.ui.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="counterproof")
def cli() -> None:
    """Analyses by language models that people decide on and anyone can check."""


def main() -> None:
    """Run the command line; our errors become a text and an exit code."""
    collect_seldom()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 gets escapes, no traceback
    try:
        _check_arguments(sys.argv[1:])
        cli(prog_name="counterproof", standalone_mode=False)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        say("Stopped. Nothing is lost; the same command goes on.")
        sys.exit(130)
    except DecisionRequired as error:
        say(str(error))
        sys.exit(error.exit_code)
    except CounterproofError as error:
        say(f"Error: {error}")
        sys.exit(error.exit_code)
    except OSError as error:
        say(f"Error: The machine refused: {error}. Make room or mend the permissions; the same command goes on.")
        try:
            sys.stdout.flush()
        except OSError:
            discard(sys.stdout)
        sys.exit(4)


def _check_arguments(arguments: list[str]) -> None:
    for argument in arguments:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise UsageError(f"The argument {argument!a} is not UTF-8.", advice="Give text and names in UTF-8.")
