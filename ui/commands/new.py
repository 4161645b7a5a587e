"""`counterproof new`: make a study."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from counterproof.agents.models import ModelConfig, load_models, model_config
from counterproof.agents.study import new_study
from counterproof.provenance.errors import UsageError
from counterproof.sandbox import Language, language_of
from counterproof.ui.common import home_option, workplace
from counterproof.ui.output import emit, json_option

_LANGUAGES = click.Choice(get_args(Language))


@click.command(name="new")
@click.option(
    "--data", multiple=True, required=True, type=click.Path(path_type=Path), help="Data file; may be repeated."
)
@click.option("--question", required=True, help="The question, or @FILE.")
@click.option("--codebook", type=click.Path(path_type=Path), help="Text file that says what the columns mean.")
@click.option("--title", default="", help="Short title; default: the first line of the question.")
@click.option("--model", help="Name of a model in models.toml, or with --base-url the endpoint's name for it.")
@click.option("--base-url", help="Address of an OpenAI-compatible endpoint, like http://127.0.0.1:8000/v1.")
@click.option("--api-key-env", default="OPENAI_API_KEY", show_default=True, help="Variable with the key; '' for none.")
@click.option("--models", "models_file", type=click.Path(path_type=Path), help="models.toml; default: in the store.")
@click.option("--share-data", is_flag=True, help="The data files themselves may go into the bundle.")
@click.option("--language", type=_LANGUAGES, help="Language of the primary program; default: python.")
@click.option("--environment", help="What the primary program runs in (`counterproof env list`).")
@click.option("--replication-language", type=_LANGUAGES, help="Language of the replication; default: python.")
@click.option("--replication-environment", help="What the replication runs in.")
@home_option
@json_option
def command(
    data: tuple[Path, ...],
    question: str,
    codebook: Path | None,
    title: str,
    model: str | None,
    base_url: str | None,
    api_key_env: str,
    models_file: Path | None,
    share_data: bool,
    language: Language | None,
    environment: str | None,
    replication_language: Language | None,
    replication_environment: str | None,
    home: Path,
    as_json: bool,
) -> None:
    """Make a study from a question and data files; prints its id.

    The model will see the question, the codebook and a suppressed profile of the data, and no row.
    """
    place = workplace(home)
    chosen = _model(model, base_url, api_key_env, models_file or home / "models.toml")
    primary = _runs_in(language, environment)
    replication = _runs_in(replication_language, replication_environment)
    study = new_study(
        place,
        question=_text(question),
        data=list(data),
        model=chosen,
        title=title,
        codebook=_file(codebook) if codebook else "",
        share_data=share_data,
        language=language_of(primary),
        environment=primary,
        replication_language=language_of(replication),
        replication_environment=replication,
    )
    click.echo(f"Study {study} is ready: counterproof run {study}", err=True)
    emit({"study": study}, study, as_json=as_json)


def _model(name: str | None, base_url: str | None, api_key_env: str, models_file: Path) -> ModelConfig:
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
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"The file {path} does not exist.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The file {path} can't be read as UTF-8 text: {error}.") from error
