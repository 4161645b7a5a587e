"""`counterproof env`: the environments that programs run in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from counterproof.provenance.errors import UsageError
from counterproof.sandbox import Environment, Listed, build_environment, find_environment, list_environments
from counterproof.ui import environment
from counterproof.ui.common import progress
from counterproof.ui.output import emit, json_option


@click.group(name="env")
def command() -> None:
    """List, show and build the environments that programs run in."""


@command.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the environments: `python`, `r`, and those of your own."""
    rows = list_environments()
    emit([_row(row) for row in rows], "\n".join(_line(row) for row in rows), as_json=as_json)


@command.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show language, version, digest and packages of an environment."""
    found = find_environment(name)
    text = "\n".join(
        [
            f"{found.name}: {found.language} {found.version}",
            f"digest {found.digest}",
            f"folder {found.path}",
            f"{len(found.distributions)} packages:",
            *[f"  {package}" for package in found.distributions],
        ]
    )
    emit({**_value(found), "packages": list(found.distributions)}, text, as_json=as_json)


@command.command()
@click.argument("what", metavar="python|r|FOLDER")
@click.option("--name", help="What an environment of your own is called; studies name it.")
@click.option(
    "--install", is_flag=True, help="For R, as root with apt: install what is missing from the distribution's packages."
)
@json_option
def build(what: str, name: str | None, install: bool, as_json: bool) -> None:
    """Build an environment; does nothing when it is there.

    FOLDER holds a lock: requirements.lock with hashes (Python), or packages.toml (R). A name that was built before is
    built anew when the lock has changed.
    """
    known = {row.name for row in list_environments()}
    folder = None if what in known and name is None else Path(what)
    if folder is not None and not folder.is_dir():
        raise UsageError(
            f"There is neither an environment nor a folder {what!r}.", allowed=f"Environments: {', '.join(known)}."
        )
    if folder is not None and name is None:
        raise UsageError(
            "An environment of your own needs a name.", advice=f"`counterproof env build {what} --name NAME`."
        )
    built = build_environment(
        name or what, progress=progress(), folder=folder, install=install, env=environment.for_subprocess()
    )
    text = f"{built.name}: {built.language} {built.version}, {len(built.distributions)} packages, {built.digest}"
    emit(_value(built), text, as_json=as_json)


def _value(found: Environment) -> dict[str, Any]:
    return {
        "name": found.name,
        "language": found.language,
        "version": found.version,
        "digest": found.digest,
        "path": str(found.path),
    }


def _row(row: Listed) -> dict[str, Any]:
    built = _value(row.built) if row.built else {"name": row.name, "language": row.language}
    return {**built, "usable": row.built is not None, "trouble": row.trouble}


def _line(row: Listed) -> str:
    if row.built is None:
        return f"{row.name:<12} {row.language:<7} can't be used: {row.trouble}"
    return f"{row.name:<12} {row.language:<7} {row.built.version:<8} {row.built.digest}"
