"""Making a study from a page: what was uploaded, what code finds in it, what the model would see, and the study.

What is uploaded is written to a private folder only while it is read; the study puts it into the vault. The preview is
made by the same functions as the intake, so it shows what the model will be told.

It does not cover data of a vault that belongs to another user: those are entered there and only named here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

from counterproof.agents.models import ModelConfig, load_models, model_config
from counterproof.agents.study import new_study
from counterproof.provenance.errors import UsageError
from counterproof.provenance.ledger import Entry, find_entry
from counterproof.provenance.policy import SINGLE_USER, STANDARD, Policy, read_policy
from counterproof.sandbox import Language
from counterproof.tools import make_profile
from counterproof.tools.data import read_file
from counterproof.tools.exposure import IN_WORDS, DataRules, Exposure, Suppression, ThirdParties
from counterproof.tools.looking import look
from counterproof.ui.desk import Desk
from counterproof.ui.gates import gate_settings, open_gate
from counterproof.ui.reading import column_row
from counterproof.ui.subjects import Listing
from counterproof.ui.vaults import seal_new

OTHER_MODEL = "another endpoint"


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file as the browser sent it; the name is not to be trusted."""

    name: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What is in a data file, and what the model would be told of it."""

    name: str
    rows: int
    identifiers: Listing
    told: Listing
    held_back: Listing
    exposure: str


@dataclass(frozen=True, kw_only=True)
class NewStudyView:
    """What can be chosen for a new study.

    Attributes:
        models: names in `models.toml`; empty where there is none.
        vault: data files of the vault by name.
        uploads: whether files can be put into the vault from here.
        author: who makes it, in words; "" in single-user mode.
        policy: the rules in force, in words.
        rules: the same, to estimate with.
    """

    models: tuple[str, ...]
    vault: tuple[str, ...]
    uploads: bool
    author: str
    policy: str
    rules: Policy


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What was filled in.

    Attributes:
        question: the question.
        title: a short title, or "".
        codebook: what the columns mean, or "".
        uploads: data files that were sent.
        entered: names of data files of the vault.
        model: a name in `models.toml`, or `OTHER_MODEL`.
        endpoint: for another endpoint: the model's name there, its address, and the variable that holds its key.
        exposure: what the model may see.
        third_parties: who else may see what the exposure allows.
        subject: the column that tells persons apart, or "".
        language: of the primary program.
        replication: language of the replication.
        share_data: whether the data may go into the bundle.
    """

    question: str
    title: str = ""
    codebook: str = ""
    uploads: tuple[Upload, ...] = ()
    entered: tuple[str, ...] = ()
    model: str = ""
    endpoint: tuple[str, str, str] = ("", "", "")
    exposure: Exposure = "metadata"
    third_parties: ThirdParties = "model"
    subject: str = ""
    language: Language = "python"
    replication: Language = "python"
    share_data: bool = False


def new_study_view(desk: Desk) -> NewStudyView:
    """Return what can be chosen.

    Raises:
        NotAllowed: nobody is there, or somebody in none of the roles for it.
        UsageError: `models.toml` can't be understood.
    """
    person = desk.require("make a study")
    home = desk.workplace.store.home
    return NewStudyView(
        models=tuple(load_models(home / "models.toml")) if (home / "models.toml").exists() else (),
        vault=tuple(sorted({entry.name for entry in _entries(desk).values() if not entry.forgotten_at})),
        uploads=gate_settings(home) is None,
        author="" if person is None else person.name,
        policy=_in_words(desk),
        rules=read_policy(_policy(desk), source="in force"),
    )


def preview(upload: Upload, *, exposure: Exposure, subject: str = "") -> Preview:
    """Return what is in a data file, and what the model would be told of it at this exposure.

    Raises:
        UsageError: the file is no table, or has no such column.
    """
    with _on_disk([upload]) as (path,):
        _, table = read_file(path)
    rules = DataRules(exposure=exposure, subject=subject)
    if subject and all(column.name != subject for column in table.columns):
        raise UsageError(f"{table.name} has no column {subject!r}.", advice="Name the one that tells persons apart.")
    looked = look(table, rules=rules, suppression=Suppression())
    profile = make_profile(
        table, list(looked.hidden), subject=looked.subject, quasi=looked.quasi.columns, exposure=exposure
    )
    held = [{"column": one["column"], "held back": one["what"], "why": one["why"]} for one in profile["held_back"]]
    return Preview(
        name=table.name,
        rows=table.rows,
        identifiers=Listing(
            title="Columns that may identify a person",
            rows=tuple({"column": one.column, "reason": one.reason} for one in looked.found),
            empty="None was found by code. That does not mean that there is none.",
        ),
        told=Listing(
            title="What the model would be told", rows=tuple(column_row(column) for column in profile["columns"])
        ),
        held_back=Listing(title="Held back from the model", rows=tuple(held), empty="Nothing."),
        exposure=IN_WORDS[exposure],
    )


def make_study(desk: Desk, wish: Wish) -> str:
    """Make a study, leave word for a worker to begin, and return its id.

    Raises:
        NotAllowed: nobody is there, or somebody in none of the roles for it.
        UsageError: something that was filled in can't be used; nothing is kept.
        MachineTrouble: the store can't be written.
    """
    person = desk.require("make a study")
    place = desk.workplace
    if wish.uploads:
        if gate_settings(place.store.home) is not None:
            raise UsageError(
                "Files can't be put into the vault from here: it belongs to the gate's user.",
                advice="Have them added there (`counterproof data add`), then choose them from the vault.",
            )
        seal_new(place)
    known = _entries(desk) if wish.entered else {}
    rules = DataRules(exposure=wish.exposure, third_parties=wish.third_parties, subject=wish.subject.strip())
    with _on_disk(wish.uploads) as paths:
        names = [*(path.name for path in paths), *wish.entered]
        study = new_study(
            place,
            question=wish.question,
            data=paths,
            entered=[find_entry(name, known) for name in wish.entered],
            by="pages" if person is None else person.id,
            model=_model(desk, wish),
            title=" ".join(wish.title.split()),
            codebook=wish.codebook,
            share_data=wish.share_data,
            rules=dict.fromkeys(names, rules),
            language=wish.language,
            replication_language=wish.replication,
            author="" if person is None else person.id,
            policy=SINGLE_USER if person is None else b"",
        )
    place.store.ask_run(study)
    return study


def _policy(desk: Desk) -> bytes:
    """Return the policy of a study that is made now: in single-user mode that of one person."""
    return SINGLE_USER if desk.who is None else desk.workplace.registry.policy() or STANDARD


def _in_words(desk: Desk) -> str:
    if desk.who is None:
        return "single-user mode: one person makes it and decides everything; it is stated everywhere"
    return "the installation's" if desk.workplace.registry.policy() else "the standard one"


def _entries(desk: Desk) -> Mapping[str, Entry]:
    if gate_settings(desk.workplace.store.home) is None:
        return desk.workplace.vault.ledger.entries()
    return {entry.sha256: entry for entry in open_gate(desk.workplace.store.home).entries()}


def _model(desk: Desk, wish: Wish) -> ModelConfig:
    if wish.model == OTHER_MODEL or not wish.model:
        name, address, variable = (word.strip() for word in wish.endpoint)
        if not name or not address:
            raise UsageError(
                "No model is chosen.", advice="Name the model and the address of an OpenAI-compatible endpoint."
            )
        return model_config({"model": name, "base_url": address, "api_key_env": variable}, source="The endpoint")
    models = load_models(desk.workplace.store.home / "models.toml")
    if wish.model not in models:
        raise UsageError(f"There is no model {wish.model!r} any more.", allowed=f"Models: {', '.join(models)}.")
    return models[wish.model]


@contextmanager
def _on_disk(uploads: Sequence[Upload]) -> Iterator[list[Path]]:
    """Give uploads as files in a private folder, each under the last part of its name; gone afterwards.

    Raises:
        UsageError: a name is none, or two are the same.
    """
    names = [PurePath(one.name.replace("\\", "/")).name for one in uploads]
    for name in names:
        if name in ("", ".", "..") or "\x00" in name or len(name.encode("utf-8", "replace")) > 200:
            raise UsageError(f"{name[:80]!r} can't be the name of a data file.", advice="Rename the file.")
        if names.count(name) > 1:
            raise UsageError(f"Two data files are called {name!r}.", advice="Rename one: programs tell them by name.")
    with tempfile.TemporaryDirectory(prefix="counterproof-") as folder:
        paths = [Path(folder) / name for name in names]
        for path, upload in zip(paths, uploads, strict=True):
            path.write_bytes(upload.content)
        yield paths
