"""Making a study, and opening one that exists.

A study is made from files and a question without any model: the files are read, looked at, hashed and put into the
vault, the choices become the first event of a new record, and the study is ready to run.

It does not cover running (`runner`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from counterproof.agents.models import ModelConfig
from counterproof.agents.papers import Papers
from counterproof.agents.settings import QUESTION_MAX, DataFile, Original, StudySettings
from counterproof.agents.software import software
from counterproof.agents.third_parties import check_model
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.clock import clock_facts
from counterproof.provenance.commitments import study_secret
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.provenance.events import Event
from counterproof.provenance.ledger import Entry
from counterproof.provenance.policy import (
    SINGLE_USER,
    STANDARD,
    Policy,
    loosened,
    policy_digest,
    read_policy,
    write_policy,
)
from counterproof.provenance.record import Record
from counterproof.provenance.remote_blobs import blobs_at, check_place
from counterproof.provenance.reviewers import Registry
from counterproof.provenance.store import Store
from counterproof.provenance.study_policy import POLICY_FILE, POLICY_ROLE
from counterproof.provenance.vault import Vault, stored_protector
from counterproof.provenance.vault_keys import VaultKeys
from counterproof.sandbox import Language, Limits, Mount
from counterproof.sandbox.gate_line import File
from counterproof.tools import Table, take_file
from counterproof.tools.codebooks import Variable, readable_codebook
from counterproof.tools.data import Taken
from counterproof.tools.exposure import EXPOSURES, DataRules, strictest
from counterproof.tools.identifiers import check_names
from counterproof.tools.noticed.against_codebook import variable_of
from counterproof.tools.own_labels import own_labels
from counterproof.tools.reading.writing import check_writable
from counterproof.tools.synth.specification import SetSpecification

BODY_KEYS = "body-keys"
BESIDE = "beside"
"""The role of the texts that raters see beside those that are made."""
CODEBOOK_MAX = 200_000
_NO_SETTINGS = ("study", "software", "clock", "policy", "single_user", "installation")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """One installation: its store, its reviewers, and its vault of real data.

    Attributes:
        store: the studies.
        registry: the reviewers.
        vault: the real data; where the gate is another user, nothing but that user's processes may read it.
        body_keys: the keys under which what was computed from real data is sealed; it may have none yet.
        secret: returns the secret of a study and its files from wherever the data are; None to read the vault.
        bodies: where bodies of records are kept, as `fsspec` names it; "" for the folder of the study.
    """

    store: Store
    registry: Registry
    vault: Vault
    secret: Callable[[str, Sequence[File]], bytes] | None = None
    body_keys: VaultKeys | None = None
    bodies: str = ""


@dataclass(frozen=True, kw_only=True)
class OpenStudy(Papers):
    """A study that exists, where it lies in the store."""

    id: str
    folder: Path

    @property
    def answers(self) -> Path:
        """Where a person's answers to the transparency statement are kept until they are recorded; may be missing."""
        return self.folder / "answers.toml"

    def answers_digest(self) -> str:
        """Return the digest of the answers as they are kept now; "" where there are none."""
        return sha256_bytes(self.kept_answers()) if self.kept_answers() else ""

    def kept_answers(self) -> bytes:
        """Return the answers as they are kept now; nothing where there are none."""
        return self.answers.read_bytes() if self.answers.exists() else b""


def open_workplace(
    home: Path,
    *,
    vault: Vault | None = None,
    body_keys: VaultKeys | None = None,
    database: str = "",
    bodies: str = "",
) -> Workplace:
    """Open the installation in a folder, which is made when missing.

    Args:
        home: the folder; shared by all machines where there is a database.
        vault: the real data; None for those in the folder, where no person is needed to open them.
        body_keys: the keys of secure bodies; None for those in the folder, where no person is needed to open them.
        database: the address of a PostgreSQL database; "" for SQLite in the folder.
        bodies: where bodies of records are kept, as `fsspec` names it; "" for the folder.

    Raises:
        UsageError: folder, database and place of the bodies don't belong together.
        MachineTrouble: one of them can't be used.
    """
    if bodies:
        check_place(bodies)
    registry = Registry(Record(home / "registry", blobs=Blobs(home / "registry" / "blobs")))
    store = Store(home, database=database, bodies=bodies)
    return Workplace(
        store=store,
        registry=registry,
        vault=vault or Vault(home / "vault"),
        body_keys=body_keys or VaultKeys(home / BODY_KEYS, protector=stored_protector),
        bodies=bodies,
    )


def new_id() -> str:
    """Return an id that no other study has."""
    return f"study-{secrets.token_hex(4)}"


def new_study(
    workplace: Workplace,
    *,
    question: str,
    data: Sequence[Path] = (),
    entered: Sequence[Entry] = (),
    model: ModelConfig,
    title: str = "",
    codebook: str = "",
    variables: Sequence[Variable] = (),
    scenario: str = "",
    share_data: bool = False,
    rules: Mapping[str, DataRules] | None = None,
    limits: dict[str, int] | None = None,
    language: Language = "python",
    environment: str = "",
    replication_language: Language = "python",
    replication_environment: str = "",
    author: str = "",
    policy: bytes = b"",
    checks_on_data: bool = True,
    specification: SetSpecification | None = None,
    beside: bytes = b"",
    make_id: Callable[[], str] = new_id,
    by: str = "counterproof",
) -> str:
    """Make a study and return its id. Nothing is kept when anything is wrong.

    The data are files that are put into the vault now, or entries of a vault that they were put into before
    (`counterproof data add`).

    With a specification, the study makes a synthetic set: a table from the data, or texts for the rows of a marked
    synthetic table, which the data then are. `beside` are texts (JSON lines) that raters see beside those.

    An environment that is not named is Counterproof's own for that language, which has the language's name. Where no
    policy is given, it is the installation's, or else the standard one; a scenario is decided by one script.

    Raises:
        UsageError: the question is empty or too long, a file can't be used, two files have one name, the policy can't
            be used, or nobody is named as author where the policy is not that of a single user.
        MachineTrouble: the store can't be written.
    """
    asked = check_question(question)
    files = [take_file(path, room=workplace.vault.room) for path in data]
    set_of = _set_of(files, rules or {})
    for taken in files:
        check_names(taken.table)
        _check_subject(taken.table, set_of[taken.table.name])
    about = [_of_file(taken, set_of[taken.table.name]) for taken in files]
    about += [_of_entry(entry, (rules or {}).get(entry.name, DataRules())) for entry in entered]
    if not about:
        raise UsageError("No data file was given.", advice="Name at least one with --data.")
    if share_data and (locked := [entry.name for entry in entered if not entry.share]):
        raise UsageError(
            f"{', '.join(locked)} may not go into a bundle.", advice="Add it to the vault with --share, or don't share."
        )
    names = [file.name for file in about]
    for name in names:
        check_writable(name)
        Mount(host=Path(name), target=name)
        if names.count(name) > 1:
            raise UsageError(f"Two data files are called {name!r}.", advice="Rename one: programs tell them by name.")
    Limits(**(limits or {}))
    under = _under(policy_for(workplace, policy, scenario=bool(scenario)), about)
    if under != policy:
        under = policy_for(workplace, under, scenario=False) if not scenario else under
    variables = [*variables, *_own_labels(variables, files, set_of, read_policy(under, source="of the study"))]
    _check_codebook(codebook, variables)
    check_model(about, model.base_url)
    settings = StudySettings(
        title=(title or asked.splitlines()[0])[:120],
        question=asked,
        mode="scenario" if scenario else "study",
        scenario=scenario,
        author=_author(workplace, author, under),
        share_data=share_data,
        exposure=strictest(file.exposure for file in about),
        data=tuple(about),
        codebook=codebook,
        variables=tuple(variables),
        model=model,
        language=language,
        environment=environment or language,
        replication_language=replication_language,
        replication_environment=replication_environment or replication_language,
        checks_on_data=checks_on_data,
        limits=limits or {},
        purpose="analysis" if specification is None else "synthesis",
        specification=specification,
    )
    for taken, file in zip(files, about, strict=False):
        workplace.vault.put(taken.content)
        _enter(workplace.vault, file, share=share_data, by=by)
    return start_study(workplace, make_id(), settings.model_dump(mode="json"), policy=under, beside=beside)


def start_study(
    workplace: Workplace, study: str, settings: dict[str, Any], *, policy: bytes = STANDARD, beside: bytes = b""
) -> str:
    """Write the first event of a study and enter it into the store."""
    record = _record(workplace, study)
    workplace.store.add_study(study, title=settings["title"])
    folder = workplace.store.study_folder(study)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / POLICY_FILE).write_bytes(policy)
    facts = {
        "study": study,
        "software": software(),
        "clock": clock_facts(),
        "policy": policy_digest(policy),
        "single_user": read_policy(policy, source="of the study").single_user,
        "installation": workplace.registry.installation(),
    }
    ref = record.put(POLICY_ROLE, policy, media="application/toml")
    refs = [ref, *([record.put(BESIDE, beside, media="application/jsonl")] if beside else [])]
    record.append("study.created", data={**facts, **settings}, refs=refs)
    return study


def policy_for(workplace: Workplace, given: bytes, *, scenario: bool) -> bytes:
    """Return the policy of a new study.

    Raises:
        UsageError: it is not of its form, or looser than the installation's.
    """
    if scenario:
        return SINGLE_USER
    current = workplace.registry.policy()
    policy = given or current or STANDARD
    looser = loosened(read_policy(policy, source="of the study"), read_policy(current or policy, source="in force"))
    if looser:
        raise UsageError(
            f"The policy is looser than the installation's: {'; '.join(looser)}.",
            allowed="A study's policy may be stricter than the installation's, never looser.",
            advice="`counterproof policy show` prints the installation's.",
        )
    return policy


def _under(policy: bytes, data: Sequence[DataFile]) -> bytes:
    """Return the policy with what a person set for the files, where that lets the model see more."""
    read = read_policy(policy, source="of the study")
    more = {
        file.name: read.of_file(file.name).model_copy(update={"exposure": file.exposure})
        for file in data
        if EXPOSURES.index(file.exposure) > EXPOSURES.index(read.of_file(file.name).exposure)
    }
    return write_policy(read.model_copy(update={"data": {**read.data, **more}})) if more else policy


def _check_codebook(codebook: str, variables: Sequence[Variable]) -> None:
    size = len(codebook) + len(readable_codebook(variables))
    if size > CODEBOOK_MAX:
        raise UsageError(
            f"The codebook has {size:,} characters.",
            allowed=f"At most {CODEBOOK_MAX:,}.",
            advice="Leave out variables that the data don't have.",
        )


def _set_of(files: Sequence[Taken], rules: Mapping[str, DataRules]) -> dict[str, DataRules]:
    """Return what was set for each file; a person knows one that was converted by the name that it had."""
    names = {file.table.name: (file.original or file.table).name for file in files}
    return {name: rules.get(name, rules.get(given, DataRules())) for name, given in names.items()}


def _of_file(file: Taken, rules: DataRules) -> DataFile:
    made_from = Original(name=file.original.name, sha256=file.original.sha256) if file.original else None
    table = file.table
    return DataFile(name=table.name, sha256=table.sha256, size=table.size, original=made_from, **vars(rules))


def _own_labels(
    variables: Sequence[Variable], files: Sequence[Taken], set_of: Mapping[str, DataRules], policy: Policy
) -> list[Variable]:
    """Return what the files themselves say of columns that the codebook leaves out, as far as it may be told."""
    found: list[Variable] = []
    for file in files:
        name = file.table.name
        left_out = [one for one in file.variables if variable_of(one.name, one.dataset, variables) is None]
        found += own_labels(file.table, left_out, subject=set_of[name].subject, k=policy.of_file(name).k)
    return found


def _check_subject(table: Table, rules: DataRules) -> None:
    if rules.subject and all(column.name != rules.subject for column in table.columns):
        raise UsageError(
            f"{table.name} has no column {rules.subject!r}.", advice="Name the column that tells persons apart."
        )


def _of_entry(entry: Entry, rules: DataRules) -> DataFile:
    """Return a file of the vault under these rules.

    Raises:
        UsageError: they are looser than those it was added under.
    """
    if EXPOSURES.index(rules.exposure) > EXPOSURES.index(entry.exposure):
        raise UsageError(
            f"The data file {entry.name} was added with exposure {entry.exposure!r}, not {rules.exposure!r}.",
            advice="Add it to the vault again with another exposure, if the data allow it.",
        )
    if rules.third_parties == "allowed" and not entry.third_party:
        raise UsageError(
            f"The data file {entry.name} was added for no third party.", advice="Leave --third-parties allowed away."
        )
    made_from = Original(name=entry.original, sha256=entry.original_sha256) if entry.original else None
    return DataFile(name=entry.name, sha256=entry.sha256, size=entry.size, original=made_from, **vars(rules))


def _author(workplace: Workplace, author: str, policy: bytes) -> str:
    """Return who makes the study; nobody where one person decides everything.

    Raises:
        UsageError: nobody is named, or nobody whom the registry knows.
    """
    if author:
        return workplace.registry.get(author).id
    if not read_policy(policy, source="of the study").single_user:
        raise UsageError(
            "The study has no author, and by its policy the author does not release its outputs.",
            allowed="A study of several people names its author; in single-user mode one person decides everything.",
            advice="Name a reviewer with --author, or say --single-user, which is then stated everywhere.",
        )
    return ""


def settings_of(created: Event) -> dict[str, Any]:
    """Return the choices in a study's first event, without what it says of the study's id and of the machine."""
    return {key: value for key, value in created.data.items() if key not in _NO_SETTINGS}


def open_study(workplace: Workplace, study: str) -> OpenStudy:
    """Open a study.

    Raises:
        UsageError: there is no such study.
        VerificationFailed: its record is broken.
    """
    workplace.store.study(study)
    record = _record(workplace, study)
    created = record.of_type("study.created")
    if not created:
        raise UsageError(f"Study {study} was never finished being made.", advice="Make it again.")
    folder = workplace.store.study_folder(study)
    checkpoints = Checkpoints(
        store=workplace.store, registry=workplace.registry, record=record, study=study, folder=folder
    )
    return OpenStudy(
        id=study,
        settings=StudySettings.model_validate(settings_of(created[0])),
        record=record,
        checkpoints=checkpoints,
        folder=folder,
    )


def _record(workplace: Workplace, study: str) -> Record:
    """Return the record of a study; its data are read when a body on the secure side is stored first."""

    def secret() -> bytes:
        files = [File(**{key: file[key] for key in ("name", "sha256")}) for file in settings()["data"]]
        if workplace.secret is not None:
            return workplace.secret(study, files)
        return study_secret(study, (workplace.vault.open(file.sha256, name=file.name) for file in files))

    def settings() -> dict[str, Any]:
        return record.of_type("study.created")[0].data

    keys = workplace.body_keys
    key = (lambda: keys.make(sha256_bytes(study.encode()))) if keys is not None and keys.are_there else None
    folder = workplace.store.study_folder(study)
    place = f"{workplace.bodies.rstrip('/')}/{study}" if workplace.bodies else ""
    blobs = blobs_at(place, folder / "blobs", secret=secret, key=key)
    record = Record(folder / "record", blobs=blobs, shared=workplace.store.shared)
    return record


def _enter(vault: Vault, file: DataFile, *, share: bool, by: str) -> None:
    """Write into the vault's ledger what a study was made with; terms that are there are kept, but for sharing."""
    known = vault.ledger.entries().get(file.sha256)
    if known is None or known.forgotten_at:
        original = file.original or Original(name="", sha256="")
        known = Entry(
            sha256=file.sha256,
            name=file.name,
            size=file.size,
            share=share,
            original=original.name,
            original_sha256=original.sha256,
        )
    most = max(known.exposure, file.exposure, key=EXPOSURES.index)
    vault.ledger.added(msgspec.structs.replace(known, share=known.share or share, exposure=most), by=by)


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
