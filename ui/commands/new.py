"""`counterproof new`: make a study."""

from __future__ import annotations

from pathlib import Path

import click

from counterproof.agents.models import ModelConfig, load_models, model_config
from counterproof.agents.study import new_study
from counterproof.provenance.errors import UsageError
from counterproof.ui import environment
from counterproof.ui.common import home_option, workplace
from counterproof.ui.output import emit, json_option, say


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
    home: Path,
    as_json: bool,
) -> None:
    """Make a study from a question and data files; prints its id.

    The model will see the question, the codebook and a suppressed profile of the data, and no row.
    """
    place = workplace(home)
    chosen = _model(model, base_url, api_key_env, models_file or home / "models.toml")
    study = new_study(
        place,
        question=_text(question),
        data=list(data),
        model=chosen,
        title=" ".join(title.split()),
        codebook=_file(codebook) if codebook else "",
        share_data=share_data,
    )
    if chosen.api_key_env and not environment.has_variable(chosen.api_key_env):
        say(f"Note: {chosen.api_key_env}, which holds the endpoint's key, is not set now; `run` needs it.")
    say(f"Study {study} is ready: counterproof run {study}")
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


def _text(question: str) -> str:
    return _file(Path(question[1:])) if question.startswith("@") else question


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"The file {path} does not exist.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The file {path} can't be read as UTF-8 text: {error}.") from error
