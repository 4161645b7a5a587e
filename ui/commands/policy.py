"""`counterproof policy`: the rules under which people decide."""

from __future__ import annotations

from pathlib import Path

import click

from counterproof.agents.study import open_study
from counterproof.provenance.errors import UsageError
from counterproof.provenance.policy import STANDARD, loosened, policy_digest, read_policy
from counterproof.ui import environment
from counterproof.ui.common import home_option, workplace
from counterproof.ui.output import emit, json_option, say, write


@click.group(name="policy")
def command() -> None:
    """Show, check and set the rules under which people decide."""


@command.command()
@click.argument("study", required=False)
@home_option
@json_option
def show(study: str | None, home: Path, as_json: bool) -> None:
    """Print the policy of STUDY, or the installation's, as TOML with what each field means."""
    place = workplace(home)
    if study is None:
        found = place.registry.policy()
        say("The installation's policy:" if found else "No policy was set; this is the standard one:")
        body = found or STANDARD
    else:
        opened = open_study(place, study)
        body = opened.record.blobs.get(opened.checkpoints.policy().digest)
    if as_json:
        emit(read_policy(body, source="here").model_dump(mode="json"), "", as_json=True)
    else:
        write(body.decode(), newline=False)


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@home_option
@json_option
def check(file: Path, home: Path, as_json: bool) -> None:
    """Say whether FILE is a policy that studies of this installation may have."""
    body = _read(file)
    policy, current = read_policy(body, source=str(file)), workplace(home).registry.policy()
    looser = loosened(policy, read_policy(current, source="of the installation")) if current else []
    if looser:
        raise UsageError(
            f"The policy {file} is looser than the installation's: {'; '.join(looser)}.",
            allowed="A study's policy may be stricter than the installation's, never looser.",
        )
    mode = "single-user mode" if policy.single_user else "several people"
    emit({"policy": policy_digest(body), "single_user": policy.single_user}, f"{file}: ok, {mode}", as_json=as_json)


@command.command(name="set")
@click.argument("file", type=click.Path(path_type=Path))
@home_option
@json_option
def set_(file: Path, home: Path, as_json: bool) -> None:
    """Make FILE the installation's policy, which no study may loosen.

    It is written into the registry's record. Studies whose own policy is looser from now on open no data any more.
    """
    body = _read(file)
    read_policy(body, source=str(file))
    digest = workplace(home).registry.set_policy(body, by=environment.user_name())
    emit({"policy": digest}, f"The installation's policy is {digest}.", as_json=as_json)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"The policy {file} can't be read: {error.strerror}.") from error
