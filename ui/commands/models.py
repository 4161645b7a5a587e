"""`counterproof models`: the configured models."""

from __future__ import annotations

from pathlib import Path

import click

from counterproof.agents.models import load_models
from counterproof.ui.common import home_option
from counterproof.ui.output import emit, json_option


@click.command(name="models")
@click.option("--models", "models_file", type=click.Path(path_type=Path), help="models.toml; default: in the store.")
@home_option
@json_option
def command(models_file: Path | None, home: Path, as_json: bool) -> None:
    """List the models of models.toml."""
    models = load_models(models_file or home / "models.toml")
    rows = {name: model.model_dump(mode="json") for name, model in models.items()}
    text = "\n".join(f"{name}  {model.model}  {model.base_url}" for name, model in models.items())
    emit(rows, text, as_json=as_json)
