"""Which models may be asked, and where: `models.toml`, read into one configuration per model.

    [models.local]
    model = "qwen3-32b"                       # the name that the endpoint knows
    base_url = "http://127.0.0.1:8000/v1"     # always explicit
    api_key_env = "LOCAL_API_KEY"             # the variable that holds the key; the key itself never stands here

    [models.tiny]
    model = "tiny"
    base_url = "folder:///srv/models/tiny"    # no endpoint: a model in a folder of this machine (local_models.py)

It does not cover prices and budgets, nor models that don't speak the OpenAI API.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from counterproof.provenance.errors import UsageError
from counterproof.tools import faults

FOLDER = "folder"
"""Scheme of an address that names a model's folder on this machine."""


class ModelConfig(BaseModel):
    """One model at one endpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1)
    """The name that the endpoint knows the model by."""
    base_url: str
    """Address of the OpenAI-compatible endpoint, up to and including `/v1`; or `folder:///…`, a model's folder."""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key."""
    use_responses_api: bool = False
    """Whether to call `/responses` instead of `/chat/completions`."""
    structured: Literal["json_schema", "json_object", "none"] = "json_schema"
    """How to ask for structured answers; what the server can't do is asked for in words."""
    timeout_s: float = Field(default=300, gt=0)
    """Longest wait for one answer."""
    temperature: float | None = None
    """Sent only when set."""
    seed: int | None = None
    """Sent only when set."""
    max_completion_tokens: int | None = Field(default=None, gt=0)
    """Sent only when set."""

    @model_validator(mode="before")
    @classmethod
    def _folders_need_less(cls, given: Any) -> Any:
        """Fill in what a folder has no choice in: there is no key, and a form is asked for in words."""
        if not isinstance(given, dict) or not is_folder(str(given.get("base_url", ""))):
            return given
        given = {"structured": "none", "use_responses_api": False, **given, "api_key_env": ""}
        if given["structured"] != "none" or given["use_responses_api"]:
            raise ValueError('a model in a folder has structured = "none" and use_responses_api = false')
        return given

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, address: str) -> str:
        parts = urlsplit(address)
        if parts.username is not None or parts.query or parts.fragment:  # the address stands in the record; say none
            raise ValueError("the address holds more than host, port and path; a key's place is api_key_env's variable")
        if is_folder(address):
            if parts.netloc or not parts.path.strip("/"):
                raise ValueError(f"{address!r} names no folder; write its whole path, like folder:///srv/models/tiny")
            return address.rstrip("/")
        if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(parts):
            raise ValueError(f"{address!r} is no http(s) address, like http://127.0.0.1:8000/v1")
        return address.rstrip("/")


def is_folder(base_url: str) -> bool:
    """Say whether an address names a model's folder on this machine."""
    return urlsplit(base_url).scheme == FOLDER


def _has_port(parts: SplitResult) -> bool:
    """Say whether the port, where there is one, is from 1 to 65535."""
    try:
        return parts.port != 0
    except ValueError:
        return False


def load_models(path: Path) -> dict[str, ModelConfig]:
    """Read `models.toml`.

    Raises:
        UsageError: the file is missing, is no TOML, or a model in it is not described as it should be.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no {path}.", advice="Name a model with --model and --base-url, or write a models.toml."
        ) from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read: {error}.") from error
    models = raw.get("models")
    if not isinstance(models, dict) or not models:
        raise UsageError(f"{path} names no model.", advice="It needs a table [models.NAME] for each.")
    return {name: model_config(entry, source=f"{path}, [models.{name}]") for name, entry in models.items()}


def model_config(entry: object, *, source: str) -> ModelConfig:
    """Validate one model.

    Raises:
        UsageError: it is not described as it should be; the text says where.
    """
    try:
        return ModelConfig.model_validate(entry)
    except ValidationError as error:
        raise UsageError(f"{source}: {faults(error)}.") from error
