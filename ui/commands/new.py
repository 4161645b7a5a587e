"""`counterproof new`: make a study."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from counterproof.agents.models import ModelConfig, load_models, model_config
from counterproof.agents.study import Workplace, new_study
from counterproof.provenance.errors import UsageError
from counterproof.provenance.ledger import Entry, find_entry
from counterproof.provenance.policy import SINGLE_USER
from counterproof.sandbox import Language, language_of
from counterproof.tools.codebooks import NO_CODEBOOK, read_codebook
from counterproof.ui.common import home_option, workplace
from counterproof.ui.data_rules import data_rules
from counterproof.ui.environment import has_variable, user_name
from counterproof.ui.gates import gate_settings, open_gate
from counterproof.ui.output import emit, json_option, say
from counterproof.ui.vaults import seal_new

_LANGUAGES = click.Choice(get_args(Language))


@click.command(name="new")
@click.option("--data", multiple=True, type=click.Path(path_type=Path), help="Data file; may be repeated.")
@click.option(
    "--data-set", "entered", multiple=True, help="Data file of the vault (`counterproof data list`); may be repeated."
)
@click.option("--question", required=True, help="The question, or @FILE.")
@click.option(
    "--codebook",
    "codebook_file",
    type=click.Path(path_type=Path),
    help="What the columns mean: a text, a dictionary (.csv), REDCap's, or define.xml.",
)
@click.option("--title", default="", help="Short title; default: the first line of the question.")
@click.option("--model", help="Name of a model in models.toml, or with --base-url the endpoint's name for it.")
@click.option("--base-url", help="Address of an OpenAI-compatible endpoint, like http://127.0.0.1:8000/v1.")
@click.option("--api-key-env", default="OPENAI_API_KEY", show_default=True, help="Variable with the key; '' for none.")
@click.option("--models", "models_file", type=click.Path(path_type=Path), help="models.toml; default: in the store.")
@click.option("--share-data", is_flag=True, help="The data files themselves may go into the bundle.")
@click.option(
    "--exposure",
    multiple=True,
    help="What the model may see: metadata (default), released or rows; FILE=LEVEL for one file of several.",
)
@click.option(
    "--third-parties",
    multiple=True,
    help="Who else may see what the exposure allows: forbidden, model (default) or allowed; FILE=RULE.",
)
@click.option("--subject", multiple=True, help="Column that tells persons apart; FILE=COLUMN for one file of several.")
@click.option("--language", type=_LANGUAGES, help="Language of the primary program; default: python.")
@click.option("--environment", help="What the primary program runs in (`counterproof env list`).")
@click.option("--replication-language", type=_LANGUAGES, help="Language of the replication; default: python.")
@click.option("--replication-environment", help="What the replication runs in.")
@click.option("--author", default="", help="Reviewer who makes the study, and does not release its outputs.")
@click.option("--single-user", is_flag=True, help="One person makes it and decides everything; stated everywhere.")
@click.option("--policy", "policy_file", type=click.Path(path_type=Path), help="policy.toml of the study.")
@home_option
@json_option
def command(
    data: tuple[Path, ...],
    entered: tuple[str, ...],
    question: str,
    codebook_file: Path | None,
    title: str,
    model: str | None,
    base_url: str | None,
    api_key_env: str,
    models_file: Path | None,
    share_data: bool,
    exposure: tuple[str, ...],
    third_parties: tuple[str, ...],
    subject: tuple[str, ...],
    language: Language | None,
    environment: str | None,
    replication_language: Language | None,
    replication_environment: str | None,
    author: str,
    single_user: bool,
    policy_file: Path | None,
    home: Path,
    as_json: bool,
) -> None:
    """Make a study from a question and data files; prints its id.

    The model will see the question, the codebook and a suppressed profile of the data. With --exposure released it
    also sees the results that a person releases; with rows, for open data, rows and unsuppressed figures.
    Somebody else than the author releases its outputs; who works alone says --single-user.
    """
    place = workplace(home)
    entries = entries_of(place, data, entered)
    chosen = chosen_model(model, base_url, api_key_env, models_file or home / "models.toml")
    primary = _runs_in(language, environment)
    replication = _runs_in(replication_language, replication_environment)
    codebook = read_codebook(codebook_file.name, _bytes(codebook_file)) if codebook_file else NO_CODEBOOK
    policy = rules_of(policy_file, author=author, single_user=single_user)
    study = new_study(
        place,
        question=_text(question),
        data=list(data),
        entered=entries,
        by=user_name(),
        model=chosen,
        title=" ".join(title.split()),
        codebook=codebook.text,
        variables=codebook.variables,
        share_data=share_data,
        rules=data_rules(
            [*(path.name for path in data), *(entry.name for entry in entries)], exposure, third_parties, subject
        ),
        language=language_of(primary),
        environment=primary,
        replication_language=language_of(replication),
        replication_environment=replication,
        author=author,
        policy=policy,
    )
    if chosen.api_key_env and not has_variable(chosen.api_key_env):
        say(f"Note: {chosen.api_key_env}, which holds the endpoint's key, is not set now; `run` needs it.")
    say(f"Study {study} is ready: counterproof run {study}")
    emit({"study": study}, study, as_json=as_json)


def entries_of(place: Workplace, data: tuple[Path, ...], entered: tuple[str, ...]) -> list[Entry]:
    """Return the files of the vault that were named; make the vault ready for the others.

    Raises:
        UsageError: a name means no file, or the vault is another user's and takes no file from here.
    """
    home = place.store.home
    if gate_settings(home) is None:
        if data:
            seal_new(place)
        found = [place.vault.ledger.find(name) for name in entered]
    else:
        if data:
            raise UsageError(
                f"{data[0].name} can't be put into the vault from here: it belongs to the gate's user.",
                advice="Have it added there (`counterproof data add`), then name it with --data-set.",
            )
        there = {entry.sha256: entry for entry in open_gate(home).entries()} if entered else {}
        found = [find_entry(name, there) for name in entered]
    gone = [entry.name for entry in found if entry.forgotten_at]
    if gone:
        raise UsageError(f"{', '.join(gone)} was forgotten.", advice="Add it again: `counterproof data add`.")
    return found


def chosen_model(name: str | None, base_url: str | None, api_key_env: str, models_file: Path) -> ModelConfig:
    """Return the model that was named.

    Raises:
        UsageError: there is none of this name, or none was chosen.
    """
    if base_url:
        if not name:
            raise UsageError("--base-url was given without --model.", advice="Name the model that the endpoint serves.")
        entry = {"model": name, "base_url": base_url, "api_key_env": api_key_env}
        return model_config(entry, source="--model and --base-url")
    models = load_models(models_file)
    if name is None and len(models) == 1:
        return next(iter(models.values()))
    if name not in models:
        raise UsageError(
            f"There is no model {name!r} in {models_file}." if name else "No model was chosen.",
            allowed=f"Models: {', '.join(models)}.",
            advice="Choose one with --model.",
        )
    return models[name]


def rules_of(file: Path | None, *, author: str, single_user: bool) -> bytes:
    """Return the policy that was asked for; nothing for the installation's."""
    if single_user and (file is not None or author):
        raise UsageError(
            f"--single-user was given with {'--policy' if file else f'--author {author}'}.",
            allowed="In single-user mode one person makes the study and decides everything, under a policy of its own.",
            advice="Leave one of them away.",
        )
    if single_user:
        return SINGLE_USER
    return _file(file).encode() if file else b""


def _runs_in(language: Language | None, environment: str | None) -> str:
    """Return the name of an environment: the one that was named, else Counterproof's own for the language."""
    name = environment or language or "python"
    if language and language_of(name) != language:
        raise UsageError(
            f"The environment {name!r} is for {language_of(name)}, and the program is to be in {language}.",
            advice="Leave one of the two out, or name another environment: `counterproof env list`.",
        )
    return name


def _text(question: str) -> str:
    return _file(Path(question[1:])) if question.startswith("@") else question


def _file(path: Path) -> str:
    try:
        return _bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"The file {path} can't be read as UTF-8 text: {error}.") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"The file {path} does not exist.") from error
    except OSError as error:
        raise UsageError(f"The file {path} can't be read: {error}.") from error
