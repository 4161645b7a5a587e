"""Makers that ask a model, with their record: apart from the command, because the client takes a second to import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from counterproof.agents.chat import Chat
from counterproof.agents.judging import judge as ask_judge
from counterproof.agents.models import model_config
from counterproof.agents.note_writing import write_notes
from counterproof.agents.synthesis import ModelMaker
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.journal import Journal
from counterproof.provenance.record import Record
from counterproof.tools.data import Table
from counterproof.tools.exposure import Exposure
from counterproof.tools.identifiers import Finding
from counterproof.tools.rowguard import Guarded, RowGuard
from counterproof.tools.synth.rules import Rule
from counterproof.ui import environment

__all__ = ["ask_judge", "model_maker", "open_chat", "write_notes"]


def model_maker(
    folder: Path,
    table: Table,
    *,
    findings: Sequence[Finding],
    model: str,
    base_url: str,
    api_key_env: str,
    about: str,
    rules: Sequence[Rule],
    say: Callable[[str], None],
    examples: int = 0,
    exposure: Exposure = "metadata",
) -> ModelMaker:
    """Return a maker whose calls are kept in a folder, and are not made again from there.

    Raises:
        UsageError: the key is not in the environment, or examples are asked for that the model may not see.
    """
    guarded = [Guarded(table=table, hidden=tuple(finding.column for finding in findings))] if exposure != "rows" else []
    chat = open_chat(folder, guarded, model=model, base_url=base_url, api_key_env=api_key_env, exempt=about)
    return ModelMaker(chat, about=about, rules=rules, examples=examples, exposure=exposure, say=say)


def open_chat(
    folder: Path,
    guarded: Sequence[Guarded],
    *,
    model: str,
    base_url: str,
    api_key_env: str,
    exempt: str = "",
) -> Chat:
    """Return a model whose calls are kept in a folder, and are not made again from there.

    Raises:
        UsageError: the address is none, or the key is not in the environment.
    """
    given = {"model": model, "base_url": base_url, "api_key_env": api_key_env}
    config = model_config(given, source="--model and --base-url")
    key = environment.api_key(config.api_key_env)
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(Record(folder, blobs=Blobs(folder / "blobs")))
    return Chat(config, api_key=key, journal=journal, guard=RowGuard(guarded, exempt=exempt))
