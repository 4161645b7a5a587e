"""Making a study, and opening one that exists.

A study is made from files and a question without any model: the files are read, looked at, hashed and put into the
vault, the choices become the first event of a new record, and the study is ready to run.

It does not cover running (`runner`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterproof.agents.models import ModelConfig
from counterproof.agents.settings import QUESTION_MAX, DataFile, StudySettings
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.errors import UsageError
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import Registry
from counterproof.provenance.store import Store
from counterproof.sandbox import Language, Limits, Mount
from counterproof.tools import read_file

CODEBOOK_MAX = 200_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """One installation: its store, its reviewers, and its vault of real data."""

    store: Store
    registry: Registry
    vault: Blobs


@dataclass(frozen=True, kw_only=True)
class OpenStudy:
    """A study that exists: its choices, its history and its decisions."""

    id: str
    settings: StudySettings
    record: Record
    checkpoints: Checkpoints
    folder: Path


def open_workplace(home: Path) -> Workplace:
    """Open the installation in a folder, which is made when missing.

    Raises:
        MachineTrouble: the folder can't be used.
    """
    registry = Registry(Record(home / "registry", blobs=Blobs(home / "registry" / "blobs")))
    return Workplace(store=Store(home), registry=registry, vault=Blobs(home / "vault"))


def new_study(
    workplace: Workplace,
    *,
    question: str,
    data: Sequence[Path],
    model: ModelConfig,
    title: str = "",
    codebook: str = "",
    scenario: str = "",
    share_data: bool = False,
    limits: dict[str, int] | None = None,
    language: Language = "python",
    environment: str = "",
    replication_language: Language = "python",
    replication_environment: str = "",
    make_id: Callable[[], str] = lambda: f"study-{secrets.token_hex(4)}",
) -> str:
    """Make a study and return its id. Nothing is kept when anything is wrong.

    An environment that is not named is Counterproof's own for that language, which has the language's name.

    Raises:
        UsageError: the question is empty or too long, a file can't be used, or two files have one name.
        MachineTrouble: the store can't be written.
    """
    asked = check_question(question)
    if len(codebook) > CODEBOOK_MAX:
        raise UsageError(f"The codebook has {len(codebook):,} characters.", allowed=f"At most {CODEBOOK_MAX:,}.")
    if not data:
        raise UsageError("No data file was given.", advice="Name at least one with --data.")
    files = [read_file(path) for path in data]
    names = [table.name for _, table in files]
    for path, name in zip(data, names, strict=True):
        Mount(host=path, target=name)
        if names.count(name) > 1:
            raise UsageError(f"Two data files are called {name!r}.", advice="Rename one: programs tell them by name.")
    Limits(**(limits or {}))
    settings = StudySettings(
        title=(title or asked.splitlines()[0])[:120],
        question=asked,
        mode="scenario" if scenario else "study",
        scenario=scenario,
        share_data=share_data,
        data=tuple(DataFile(name=table.name, sha256=table.sha256, size=table.size) for _, table in files),
        codebook=codebook,
        model=model,
        language=language,
        environment=environment or language,
        replication_language=replication_language,
        replication_environment=replication_environment or replication_language,
        limits=limits or {},
    )
    for content, _ in files:
        workplace.vault.put(content)
    return start_study(workplace, make_id(), settings.model_dump(mode="json"))


def start_study(workplace: Workplace, study: str, settings: dict[str, Any]) -> str:
    """Write the first event of a study and enter it into the store."""
    folder = workplace.store.study_folder(study)
    record = Record(folder / "record", blobs=Blobs(folder / "blobs"))
    workplace.store.add_study(study, title=settings["title"])
    record.append("study.created", data={"study": study, **settings})
    return study


def open_study(workplace: Workplace, study: str) -> OpenStudy:
    """Open a study.

    Raises:
        UsageError: there is no such study.
        VerificationFailed: its record is broken.
    """
    workplace.store.study(study)
    folder = workplace.store.study_folder(study)
    record = Record(folder / "record", blobs=Blobs(folder / "blobs"))
    created = record.of_type("study.created")
    if not created:
        raise UsageError(f"Study {study} was never finished being made.", advice="Make it again.")
    settings = {key: value for key, value in created[0].data.items() if key != "study"}
    checkpoints = Checkpoints(store=workplace.store, registry=workplace.registry, record=record, study=study)
    return OpenStudy(
        id=study,
        settings=StudySettings.model_validate(settings),
        record=record,
        checkpoints=checkpoints,
        folder=folder,
    )


def study_of(checkpoint: str) -> str:
    """Return the study that a checkpoint's id names.

    Raises:
        UsageError: it is no checkpoint's id.
    """
    study, dot, rest = checkpoint.partition(".")
    if not dot or not rest:
        raise UsageError(
            f"{checkpoint!r} is no checkpoint.",
            allowed="A checkpoint is called like study-1a2b3c4d.plan.1.",
            advice="`counterproof inbox` lists those that wait.",
        )
    return study


def check_question(question: str) -> str:
    """Return the question without space around it.

    Raises:
        UsageError: it is empty, too long, or holds control characters.
    """
    asked = question.strip()
    if not asked:
        raise UsageError("The question is empty.", advice="Say with --question what you want to know from the data.")
    if len(asked) > QUESTION_MAX:
        raise UsageError(
            f"The question has {len(asked):,} characters.",
            allowed=f"At most {QUESTION_MAX:,}.",
            advice="Put what the columns mean into a codebook (--codebook).",
        )
    if _CONTROL.search(asked):
        raise UsageError("The question holds control characters.", advice="Give it as plain text.")
    return asked
