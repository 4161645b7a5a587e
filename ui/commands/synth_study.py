"""`counterproof synth study`: make a synthetic set as a study, with checkpoints and a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from counterproof.agents.set_study import new_set_study
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.tools.synth.specification import parse_set_specification
from counterproof.ui.commands.new import chosen_model, entries_of, rules_of
from counterproof.ui.common import home_option, workplace
from counterproof.ui.environment import user_name
from counterproof.ui.output import emit, json_option, say

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="study")
@click.argument("specification", type=_FILE)
@click.option("--data", type=_FILE, help="Real rows for a table; for texts a table that is marked as synthetic.")
@click.option("--data-set", "entered", help="A data file of the vault in place of --data (`counterproof data list`).")
@click.option("--beside", type=_FILE, help="For texts: texts as JSON lines that raters see beside those that are made.")
@click.option("--title", default="", help="Short title.")
@click.option(
    "--model",
    help="Writes texts or rows: a model in models.toml, or with --base-url the endpoint's name.",
)
@click.option("--base-url", help="Address of an OpenAI-compatible endpoint, like http://127.0.0.1:8000/v1.")
@click.option("--api-key-env", default="OPENAI_API_KEY", show_default=True, help="Variable with the key; '' for none.")
@click.option("--models", "models_file", type=_FILE, help="models.toml; default: in the store.")
@click.option("--subject", default="", help="Column of real rows that tells persons apart.")
@click.option("--show-real-to-model", is_flag=True, help="Say that real rows may be shown to the model: open data.")
@click.option("--author", default="", help="Reviewer who makes the study, and does not release the set.")
@click.option("--single-user", is_flag=True, help="One person makes it and decides everything; stated everywhere.")
@click.option("--policy", "policy_file", type=_FILE, help="policy.toml of the study.")
@home_option
@json_option
def command(
    specification: Path,
    data: Path | None,
    entered: str | None,
    beside: Path | None,
    title: str,
    model: str | None,
    base_url: str | None,
    api_key_env: str,
    models_file: Path | None,
    subject: str,
    show_real_to_model: bool,
    author: str,
    single_user: bool,
    policy_file: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Make the study of a synthetic set from a SPECIFICATION (docs/synthetic.md); prints its id.

    Its checkpoints are the specification, a sample, and the release; nothing is made before the first is approved. It
    is run, shown, decided on and exported like any study.
    """
    place = workplace(home)
    wanted = parse_set_specification(_bytes(specification), source=specification.name)
    paths, names = tuple(filter(None, [data])), tuple(filter(None, [entered]))
    entries = entries_of(place, paths, names)
    asked = wanted.asks_model or model or base_url
    chosen = chosen_model(model, base_url, api_key_env, models_file or home / "models.toml") if asked else None
    study = new_set_study(
        place,
        wanted,
        data=paths,
        entered=entries,
        model=chosen,
        beside=_bytes(beside) if beside else b"",
        title=" ".join(title.split()),
        subject=subject,
        exposure="rows" if show_real_to_model else "metadata",
        author=author,
        policy=rules_of(policy_file, author=author, single_user=single_user),
        by=user_name(),
    )
    say(f"Study {study} is ready: counterproof run {study}")
    emit({"study": study}, study, as_json=as_json)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"The file {path} does not exist.", advice="Check its name.") from error
    except OSError as error:
        raise MachineTrouble(f"The file {path} can't be read: {error.strerror}.") from error
