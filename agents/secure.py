"""What may be asked of the real data of a study, and is answered where they are: on the gate's side.

Each question is one function of the data files and an argument; what it returns leaves the secure side, and may be
seen by the model where its words say so. A new part that has to look at real data is a new question here, so that the
agent's process never needs to read the vault.

    intake    the profile, the columns that may identify a person, the twin, and how many rows there are
    guard     whether a request to a model holds something of the data (`tools.rowguard`); the answer repeats nothing
    patients  the rows of a table that carries the mark of synthetic data; of any other nothing
    writing   what a model is told that writes rows of a synthetic set: levels and ranges as in the profile, and rows of
              open data alone
    making    a synthetic set, made under an approved specification: answered for the gate alone, never asked
    disclosure  what the outputs of an execution may tell of one person; the answer is for people, never for the model

How much is told follows from what a person set for each file; the vault's ledger says the most that may be.

It does not cover programs: they need an approval (`sandbox.gate`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import UsageError
from counterproof.sandbox.gate_line import Told
from counterproof.sandbox.secure_side import MAKING, Question, SecureFiles, SecureSide, apart, two
from counterproof.tools import MARK, Table, Twin, build_twin, make_profile, read_table, review_outputs
from counterproof.tools.codebooks import Variable
from counterproof.tools.disclosure.carrying import pack_items, unpack_outputs
from counterproof.tools.exposure import EXPOSURES, DataRules, Exposure, Suppression
from counterproof.tools.identifiers import check_names
from counterproof.tools.looking import Looked, Meaning, Said, look
from counterproof.tools.noticed import Noticed, notice
from counterproof.tools.noticed.against_codebook import variable_of
from counterproof.tools.profile import rounded_share
from counterproof.tools.reading.writing import in_form_of
from counterproof.tools.rowguard import Guarded, Hit, RowGuard, RowInRequest
from counterproof.tools.synth.documents import patients_of
from counterproof.tools.synth.specification import SetSpecification
from counterproof.tools.synth.studies import rows_to_write, table_set
from counterproof.tools.synth.study_makers import Behind
from counterproof.tools.twin.engine import check_real
from counterproof.tools.twin.private import Privacy, private_twin

INTAKE, GUARD, DISCLOSURE, PATIENTS, WRITING = "intake", "guard", "disclosure", "patients", "writing"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileRules(_Model):
    """What is set for one data file."""

    exposure: Exposure = "metadata"
    """What the model may see of it."""
    subject: str = ""
    """The column that tells persons apart."""
    k: int = Field(default=10, ge=2)
    """Fewest persons behind anything that is shown."""
    share_percent: int = Field(default=5, ge=1, le=50)
    """Shares are rounded to a multiple of this."""
    privacy: Privacy | None = None
    """What differential privacy of its twin is asked for."""


class Word(_Model):
    """What a person said of a column."""

    file: str
    """Data file."""
    column: str
    """Column."""
    said: Meaning
    """What it is."""
    why: str
    """The reason."""
    by: str
    """Who said it."""


class Asked(_Model):
    """The argument of the questions `intake` and `guard`."""

    rules: dict[str, FileRules] = Field(default_factory=dict)
    """What is set for each file; the strictest where nothing is."""
    said: tuple[Word, ...] = ()
    """What was said of columns."""
    exempt: str = ""
    """Question and codebook, which a person wrote for the model."""
    codebook: tuple[Variable, ...] = ()
    """What the codebook says of columns, where it has a form."""

    def of(self, file: str) -> FileRules:
        """Return what is set for a file."""
        return self.rules.get(file, FileRules())


class Wanted(_Model):
    """The argument of `writing` and `making`."""

    specification: SetSpecification
    """What is to be made."""
    asked: Asked = Asked()
    """What is set for the data, and what was said of their columns."""
    spent: float = 0.0
    """What earlier sets of the study took of epsilon; the gate counts again."""


class Guard(Protocol):
    """The last look before anything goes to a model."""

    def check(self, body: bytes) -> None:
        """Let a request pass.

        Raises:
            RowInRequest: it holds something of the real data.
        """
        ...


class AskingGuard:
    """Has each request looked at where the data are.

    Args:
        side: the secure side of the study.
        asked: what is set for its data.
    """

    def __init__(self, side: SecureSide, asked: bytes = b"{}") -> None:
        self._side = side
        self._asked = asked

    def check(self, body: bytes) -> None:
        """Let a request pass.

        Raises:
            RowInRequest: it holds something of the data; the text does not repeat it.
        """
        found: list[dict[str, Any]] = json.loads(self._side.ask(GUARD, two(self._asked, body)).answer)
        if found:
            raise RowInRequest([Hit(**hit) for hit in found])


def questions() -> Mapping[str, Question]:
    """Return what the gate's side answers, by name."""
    return {
        INTAKE: _intake,
        GUARD: _guard,
        DISCLOSURE: _disclosure,
        PATIENTS: _patients,
        WRITING: _writing,
        MAKING: _making,
    }


def _tables(files: SecureFiles) -> list[Table]:
    tables: list[Table] = files.remember(
        "tables", lambda: [read_table(file.name, files.read(file), room=files.room) for file in files.files]
    )
    return tables


def _exposure(files: SecureFiles, asked: Asked, name: str) -> Exposure:
    """Return what the model may see of a file: what was set, and no more than the vault's ledger allows."""
    return min(asked.of(name).exposure, files.most(name), key=EXPOSURES.index)


def _looked(files: SecureFiles, asked: Asked) -> list[Looked]:
    words = [Said(**word.model_dump()) for word in asked.said]
    key = f"looked {asked.model_dump_json(include={'rules', 'said', 'codebook'})}"
    looked: list[Looked] = files.remember(
        key,
        lambda: [
            look(
                table,
                words,
                rules=DataRules(subject=asked.of(table.name).subject),
                suppression=_suppression(asked, table.name),
                marked=_marked(table, asked.codebook),
            )
            for table in _tables(files)
        ],
    )
    return looked


def _suppression(asked: Asked, name: str) -> Suppression:
    rules = asked.of(name)
    return Suppression(k=rules.k, share_percent=rules.share_percent)


def _intake(files: SecureFiles, argument: bytes) -> Told:
    """Make what the model may see of the data, and the twin to work on."""
    asked = Asked.model_validate_json(argument or b"{}")
    tables = _tables(files)
    for table in tables:
        check_real(table)
        check_names(table)  # again: what is in a vault may have come into it in another way than `data add`
    looked = _looked(files, asked)
    undecided = [
        {"file": table.name, "column": found.column, "reason": found.reason, "kind": found.kind}
        for table, one in zip(tables, looked, strict=True)
        for found in one.undecided
    ]
    if undecided:
        return Told(answer=canonical_json({"undecided": undecided}))
    profiles: list[dict[str, Any]] = []
    noted: dict[str, Any] = {
        "identifiers": [],
        "quasi_identifiers": [],
        "noticed": [],
        "synthetic_mark": MARK,
        "rows": {},
        "twins": [],
    }
    twins: dict[str, bytes] = {}
    for table, one in zip(tables, looked, strict=True):
        noticed = notice(table, one, codebook=asked.codebook, rules=_suppression(asked, table.name))
        described = make_profile(
            table,
            list(one.hidden),
            subject=one.subject,
            quasi=one.quasi.columns,
            rules=_suppression(asked, table.name),
            exposure=_exposure(files, asked, table.name),
            codebook=_said(table, asked.codebook),
        )
        profiles.append({**described, **_told(noticed)})
        noted["noticed"] += [{"file": table.name, **found.told(), "hidden": found.hidden} for found in noticed]
        twin = _twin(files, table, one, asked.of(table.name))
        twins[table.name] = in_form_of(table.name, twin.data)
        noted["identifiers"] += _listed(table.name, one, asked.said)
        noted["quasi_identifiers"] += _quasi(table.name, one, asked.of(table.name).k)
        noted["rows"][table.name] = table.rows
        noted["twins"].append({"file": table.name, **twin.facts})
    answer = {"undecided": [], "profile": {"files": profiles}, "noted": noted}
    return Told(answer=canonical_json(answer), bodies=twins)


def _marked(table: Table, codebook: Sequence[Variable]) -> set[str]:
    """Return the columns that the codebook marks as identifiers."""
    of = {column.name: variable_of(column.name, table.name, codebook) for column in table.columns}
    return {name for name, one in of.items() if one is not None and one.identifies}


def _said(table: Table, codebook: Sequence[Variable]) -> dict[str, dict[str, Any]]:
    """Return what the codebook says of each column that it describes."""
    of = {column.name: variable_of(column.name, table.name, codebook) for column in table.columns}
    return {name: one.told() for name, one in of.items() if one is not None and one.told()}


def _told(noticed: Sequence[Noticed]) -> dict[str, Any]:
    """Return what a profile says of what was noticed; nothing where nothing was."""
    rows = [one.told() for one in noticed if not one.hidden]
    return {"noticed": rows} if rows else {}


def _twin(files: SecureFiles, table: Table, looked: Looked, rules: FileRules) -> Twin:
    if rules.privacy is None:
        return build_twin(table, list(looked.hidden), k=rules.k)
    files.take(table.name, rules.privacy.epsilon)
    return private_twin(table, {found.column for found in looked.hidden}, looked.subject, rules.privacy)


def _disclosure(files: SecureFiles, packed: bytes) -> Told:
    """Look at what may be released."""
    outputs, earlier = unpack_outputs(packed)
    return Told(answer=pack_items(review_outputs(outputs, _tables(files), earlier)))


def _guard(files: SecureFiles, argument: bytes) -> Told:
    raw, body = apart(argument)

    def make() -> RowGuard:
        asked = Asked.model_validate_json(raw)
        guarded = [
            Guarded(
                table=table,
                hidden={found.column for found in one.hidden},
                open=_exposure(files, asked, table.name) == "rows",
                k=asked.of(table.name).k,
            )
            for table, one in zip(_tables(files), _looked(files, asked), strict=True)
        ]
        return RowGuard(guarded, exempt=asked.exempt)

    guard: RowGuard = files.remember(f"guard {raw.decode()}", make)
    try:
        guard.check(body)
    except RowInRequest as error:
        return Told(answer=canonical_json([vars(hit) for hit in error.hits]))
    return Told(answer=b"[]")


def _patients(files: SecureFiles, _argument: bytes) -> Told:
    """Give the rows of a marked table, which are nobody's."""
    (table,) = _tables(files)
    return Told(answer=canonical_json(patients_of(table)))


def _making(files: SecureFiles, argument: bytes) -> Told:
    """Make a synthetic table, with its card, its report and its summary."""
    request, written = apart(argument)
    wanted = Wanted.model_validate_json(request)
    (table,), (looked,) = _tables(files), _looked(files, wanted.asked)
    behind = _behind(files, wanted, table, looked)
    made = table_set(table, wanted.specification, findings=looked.hidden, behind=behind, written=written)
    return Told(answer=canonical_json({"files": sorted(made.files)}), bodies=dict(made.files))


def _writing(files: SecureFiles, argument: bytes) -> Told:
    """Say what a model is told that writes rows."""
    wanted = Wanted.model_validate_json(argument)
    (table,), (looked,) = _tables(files), _looked(files, wanted.asked)
    if looked.undecided:
        raise UsageError(f"Columns of {table.name} may identify a person, and nobody has said what they are.")
    behind = _behind(files, wanted, table, looked)
    told = rows_to_write(table, wanted.specification, findings=looked.hidden, behind=behind)
    return Told(answer=canonical_json(told))


def _behind(files: SecureFiles, wanted: Wanted, table: Table, looked: Looked) -> Behind:
    rules = wanted.asked.of(table.name)
    return Behind(
        k=rules.k,
        subject="" if looked.subject is None else looked.subject.name,
        privacy=rules.privacy,
        spent=wanted.spent,
        exposure=_exposure(files, wanted.asked, table.name),
    )


def _listed(file: str, looked: Looked, said: Sequence[Word]) -> list[dict[str, str]]:
    """Return what was found in a file and what a person said of it, column by column."""
    word = {one.column: one for one in said if one.file == file}
    rows = {found.column: found.reason for found in looked.found} | {one.column: one.reason for one in looked.hidden}
    rows |= {name: f"{one.by} named it" for name, one in word.items() if name not in rows}
    return [
        {
            "file": file,
            "column": name,
            "reason": reason,
            "said": word[name].said if name in word else "identifier",
            "why": word[name].why if name in word else "",
            "by": word[name].by if name in word else "",
        }
        for name, reason in rows.items()
    ]


def _quasi(file: str, looked: Looked, k: int) -> list[dict[str, Any]]:
    found = looked.quasi
    if not found.columns:
        return []
    row = {
        "file": file,
        "columns": list(found.columns),
        "smallest_group": f"under {k}" if found.smallest < k else f"{k} or more",
        "persons_in_groups_below_k": rounded_share(found.below / max(found.persons, 1)),
    }
    return [row]
