"""The policy: under which rules people decide, how far a study may go, and what of the data may be seen.

A policy is a `policy.toml`: an installation's (`counterproof policy set`), and a study's (`counterproof new --policy`).
The exact bytes of a study's policy are in its record, every decision signs their digest, and gate and `verify` hold the
study against them. A study's policy may be stricter than the installation's, never looser (`loosened`).

The checkpoints have no switch: whatever is in a policy, each of them has a role that decides it. Single-user mode
is one field, `single_user`; a policy without it keeps the author of a study from releasing its outputs.

It does not cover how the rules on data are carried out (`tools`), nor who is in which role (`reviewers`).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.provenance.permissions import (
    ROLES_OF,
    CheckpointKind,
    DecisionKind,
    Role,
    is_permitted,
)

POLICY_MAX = 100_000
Exposure = Literal["metadata", "released", "rows"]
_EXPOSURES: tuple[Exposure, ...] = ("metadata", "released", "rows")
ANY_FILE = "*"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class CheckpointPolicy(_Model):
    """How one of the checkpoints is decided."""

    roles: tuple[Role, ...] = Field(min_length=1)
    """Roles that may decide other than withdraw; some or all of those that the table of permissions names."""
    signatures: int = Field(default=1, ge=1, le=2)
    """How many people sign an approval: 1, or 2 different ones."""
    author_may_approve: bool = True
    """Whether the author of the study may approve; at the release never, except in single-user mode."""
    comment_min: int = Field(default=1, ge=1, le=1000)
    """How many characters the reason of a decision has at least."""


def _checkpoint(kind: CheckpointKind) -> CheckpointPolicy:
    return CheckpointPolicy(roles=ROLES_OF[kind], author_may_approve=kind is not CheckpointKind.RELEASE)


class CheckpointPolicies(_Model):
    """The checkpoints; none can be left out or switched off."""

    plan: CheckpointPolicy = Field(default_factory=lambda: _checkpoint(CheckpointKind.PLAN))
    """◆1, the plan."""
    code: CheckpointPolicy = Field(default_factory=lambda: _checkpoint(CheckpointKind.CODE))
    """◆2, the programs."""
    release: CheckpointPolicy = Field(default_factory=lambda: _checkpoint(CheckpointKind.RELEASE))
    """◆3, what leaves the secure side."""
    signoff: CheckpointPolicy = Field(default_factory=lambda: _checkpoint(CheckpointKind.SIGNOFF))
    """◆4, the report."""
    specification: CheckpointPolicy = Field(default_factory=lambda: _checkpoint(CheckpointKind.SPECIFICATION))
    """◆1 of a synthetic set: what is to be made."""
    sample: CheckpointPolicy = Field(default_factory=lambda: _checkpoint(CheckpointKind.SAMPLE))
    """◆2 of a synthetic set: what was made; its third is the release."""

    @model_validator(mode="after")
    def _within_the_table(self) -> CheckpointPolicies:
        for kind in CheckpointKind:
            more = [role for role in self.of(kind).roles if role not in ROLES_OF[kind]]
            if more:
                raise ValueError(f"{kind}.roles names {', '.join(more)}; allowed: {', '.join(ROLES_OF[kind])}")
        return self

    def of(self, kind: CheckpointKind) -> CheckpointPolicy:
        """Return the policy of one checkpoint."""
        found: CheckpointPolicy = getattr(self, kind)
        return found


class ColumnPolicy(_Model):
    """What is publicly known of a column, for a twin with differential privacy: levels or bounds."""

    levels: tuple[str, ...] = ()
    """Its levels, as the file writes them."""
    bounds: tuple[float | str, ...] = Field(default=(), max_length=2)
    """Its smallest and largest value, dates as "YYYY-MM-DD"."""
    missing: bool = True
    """Whether values may be missing."""


class DataPolicy(_Model):
    """What of a data file may be seen, and by whom."""

    exposure: Exposure = "metadata"
    """What the model may see: `metadata`, `released` (and released results), `rows` (open data only)."""
    third_party: bool = False
    """Whether programs may run on the file at a third party (E2B)."""
    k: int = Field(default=10, ge=3, le=1000)
    """Counts below this are suppressed in what the model sees and in what is released."""
    rounding: int = Field(default=5, ge=1, le=1000)
    """Counts that the model sees are rounded to multiples of this; 1 for not at all."""
    epsilon: float = Field(default=0.0, ge=0, le=20)
    """Makes the twin differentially private, with this epsilon; 0 for a twin that rests on k."""
    rows_per_person: int = Field(default=1, ge=1, le=10_000)
    """How many rows one person has at most; epsilon holds for all of them."""
    columns: dict[str, ColumnPolicy] = Field(default_factory=dict)
    """What is publicly known of columns, by name; in a twin with an epsilon all others are made up."""


class Budgets(_Model):
    """How far a study may go before a person has to say that it may go further."""

    model_calls: int = Field(default=200, ge=1)
    """Model calls, failed ones too."""
    tokens: int = Field(default=5_000_000, ge=1)
    """Tokens of all model calls, asked and answered."""
    cost: float = Field(default=100.0, ge=0)
    """Money for model calls, in the currency of the prices."""
    price_in: float = Field(default=0.0, ge=0)
    """Price of a million tokens that are sent; 0 for a model that costs nothing."""
    price_out: float = Field(default=0.0, ge=0)
    """Price of a million tokens that are answered."""
    wall_s: int = Field(default=86_400, ge=1)
    """Seconds in which model calls and executions run, one after the other; waiting for people is not counted."""
    sandbox_s: int = Field(default=21_600, ge=1)
    """Seconds of executions in the sandbox."""
    repairs: int = Field(default=50, ge=0)
    """How often programs are written anew, after a fault or a rejection."""


LIMITS = ("model_calls", "tokens", "cost", "wall_s", "sandbox_s", "repairs")
"""The budgets that are spent; prices are not."""


class Policy(_Model):
    """The policy of an installation or of a study."""

    form: Literal["counterproof/policy/1"] = "counterproof/policy/1"
    """Form of this file."""
    single_user: bool = False
    """True where one person is author and decides everything; it is stated on every page, in report and bundle."""
    valid_days: int = Field(default=30, ge=1, le=365)
    """How many days an approval opens the real data."""
    different_people: tuple[tuple[CheckpointKind, CheckpointKind], ...] = ()
    """Pairs of checkpoints that nobody approves both of, like [["code", "release"]]."""
    extend_roles: tuple[Role, ...] = Field(default=(Role.INVESTIGATOR, Role.CUSTODIAN), min_length=1)
    """Roles that may extend a budget."""
    checkpoints: CheckpointPolicies = Field(default_factory=CheckpointPolicies)
    """The checkpoints."""
    budgets: Budgets = Field(default_factory=Budgets)
    """The budgets."""
    data: dict[str, DataPolicy] = Field(default_factory=lambda: {ANY_FILE: DataPolicy()})
    """The data files by name; `"*"` for all others."""

    @field_validator("data")
    @classmethod
    def _names_all_others(cls, data: dict[str, DataPolicy]) -> dict[str, DataPolicy]:
        return data if ANY_FILE in data else {**data, ANY_FILE: DataPolicy()}

    @model_validator(mode="after")
    def _eyes(self) -> Policy:
        kinds = list(CheckpointKind)
        if self.single_user and (self.different_people or any(self.rule(kind).signatures > 1 for kind in kinds)):
            raise ValueError("single_user is true, and a rule asks for two people; leave one of them out")
        if not self.single_user and self.checkpoints.release.author_may_approve:
            raise ValueError("checkpoints.release.author_may_approve needs single_user = true")
        if any(first == second for first, second in self.different_people):
            raise ValueError("different_people names one checkpoint twice; use signatures = 2")
        return self

    def rule(self, kind: CheckpointKind) -> CheckpointPolicy:
        """Return the policy of one checkpoint."""
        return self.checkpoints.of(kind)

    def of_file(self, name: str) -> DataPolicy:
        """Return what holds for a data file."""
        return self.data.get(name, self.data[ANY_FILE])

    def allows(self, role: Role, kind: CheckpointKind, decision: DecisionKind) -> bool:
        """Say whether a role may decide so; withdrawing is for whom the table of permissions names."""
        return is_permitted(role, kind, decision) and (decision == "withdraw" or role in self.rule(kind).roles)

    def role_for(self, roles: Sequence[Role], kind: CheckpointKind, decision: DecisionKind) -> Role | None:
        """Return the role in which somebody with these roles may decide so, or None."""
        first = [*self.rule(kind).roles, *Role]
        return next((role for role in first if role in roles and self.allows(role, kind, decision)), None)


@lru_cache(maxsize=64)
def read_policy(data: bytes, *, source: str) -> Policy:
    """Read a policy.

    Raises:
        UsageError: it is no TOML, or is not of the form; the text names the place.
    """
    if len(data) > POLICY_MAX:
        raise UsageError(f"The policy {source} has {len(data):,} bytes.", allowed=f"At most {POLICY_MAX:,}.")
    advice = "`counterproof policy show` prints one to start from."
    try:
        raw = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The policy {source} is no TOML: {error}.", advice=advice) from error
    try:
        return Policy.model_validate_json(json.dumps(_filled(raw), default=str), strict=True)
    except ValidationError as error:
        found = error.errors()[0]
        place = ".".join(str(step) for step in found["loc"]) or "the file"
        raise UsageError(
            f"The policy {source} is not of its form at {place}: {found['msg']}.", advice=advice
        ) from error


def write_policy(policy: Policy) -> bytes:
    """Return a policy as TOML, each field with what it means."""
    return ("\n".join(["# A policy of Counterproof: `docs/oversight.md`.", *_table(policy, "")]) + "\n").encode()


def loosened(study: Policy, installation: Policy) -> list[str]:
    """Return in what a study's policy is looser than the installation's; nothing where it may be used."""
    return [*_looser_checkpoints(study, installation), *_looser_data(study, installation)]


def policy_digest(data: bytes) -> str:
    """Return what a decision names."""
    return sha256_bytes(data)


def _filled(raw: dict[str, Any]) -> dict[str, Any]:
    """Fill in what the table of a checkpoint leaves out: it depends on which checkpoint it is."""
    given = raw.get("checkpoints")
    if not isinstance(given, dict):
        return raw
    filled = dict(given)
    for kind in CheckpointKind:
        if isinstance(given.get(kind), dict):
            filled[kind] = {**_checkpoint(kind).model_dump(mode="json"), **given[kind]}
    return {**raw, "checkpoints": filled}


def _looser_checkpoints(study: Policy, installation: Policy) -> Iterator[str]:
    if study.single_user and not installation.single_user:
        yield "single_user is true"
    if study.valid_days > installation.valid_days:
        yield f"valid_days is {study.valid_days}, and {installation.valid_days} is allowed"
    for pair in installation.different_people:
        if pair not in study.different_people and pair[::-1] not in study.different_people:
            yield f"different_people lacks {' and '.join(pair)}"
    more = [role for role in study.extend_roles if role not in installation.extend_roles]
    if more:
        yield f"extend_roles names {', '.join(more)}"
    for kind in CheckpointKind:
        ours, theirs = study.rule(kind), installation.rule(kind)
        added = [role for role in ours.roles if role not in theirs.roles]
        if added:
            yield f"checkpoints.{kind}.roles names {', '.join(added)}"
        for name in ("signatures", "comment_min"):
            if getattr(ours, name) < getattr(theirs, name):
                yield f"checkpoints.{kind}.{name} is {getattr(ours, name)}, and {getattr(theirs, name)} is asked for"
        if ours.author_may_approve and not theirs.author_may_approve:
            yield f"checkpoints.{kind}.author_may_approve is true"


def _looser_data(study: Policy, installation: Policy) -> Iterator[str]:
    for name in LIMITS:
        ours, theirs = getattr(study.budgets, name), getattr(installation.budgets, name)
        if ours > theirs:
            yield f"budgets.{name} is {ours:g}, and {theirs:g} is allowed"
    for name in ("price_in", "price_out"):
        if getattr(study.budgets, name) < getattr(installation.budgets, name):
            yield f"budgets.{name} is lower than {getattr(installation.budgets, name):g}"
    for file in sorted({*study.data, *installation.data}):
        mine, allowed = study.of_file(file), installation.of_file(file)
        if _EXPOSURES.index(mine.exposure) > _EXPOSURES.index(allowed.exposure):
            yield f'data."{file}".exposure is {mine.exposure}, and {allowed.exposure} is allowed'
        if mine.third_party and not allowed.third_party:
            yield f'data."{file}".third_party is true'
        if allowed.epsilon and not 0 < mine.epsilon <= allowed.epsilon:
            yield f'data."{file}".epsilon is {mine.epsilon:g}; allowed is more than 0 and at most {allowed.epsilon:g}'
        for name in ("k", "rounding", *(("rows_per_person",) if allowed.epsilon else ())):
            if getattr(mine, name) < getattr(allowed, name):
                yield f'data."{file}".{name} is {getattr(mine, name)}, and {getattr(allowed, name)} is asked for'


def _table(model: BaseModel, place: str) -> Iterator[str]:
    """Yield the lines of a table, its plain values before its tables."""
    inner: list[tuple[str, BaseModel]] = []
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            inner.append((f"{place}{name}", value))
        elif isinstance(value, dict):
            inner += [(f"{place}{name}.{json.dumps(key)}", one) for key, one in value.items()]
        else:
            yield f"# {field.description}"
            yield f"{name} = {json.dumps(value)}"
    for name, one in inner:
        yield from ("", f"[{name}]") if _has_values(one) else ()
        yield from _table(one, f"{name}.")


def _has_values(model: BaseModel) -> bool:
    return any(not isinstance(getattr(model, name), BaseModel) for name in type(model).model_fields)


SINGLE_USER = write_policy(Policy(single_user=True))
"""The policy of a study that one person makes and decides."""
STANDARD = write_policy(Policy())
"""The policy of a study where nothing else was said."""
