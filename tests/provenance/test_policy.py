"""A policy is whole, is read strictly, and a study's is never looser than the installation's."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from counterproof.provenance.errors import UsageError
from counterproof.provenance.permissions import CheckpointKind, Role
from counterproof.provenance.policy import (
    LIMITS,
    SINGLE_USER,
    STANDARD,
    Budgets,
    CheckpointPolicies,
    CheckpointPolicy,
    ColumnPolicy,
    DataPolicy,
    Policy,
    loosened,
    read_policy,
    write_policy,
)


def _read(text: str) -> Policy:
    return read_policy(text.encode(), source="policy.toml")


def test_what_is_written_is_read_back() -> None:
    assert _read(STANDARD.decode()) == Policy()
    assert _read(SINGLE_USER.decode()) == Policy(single_user=True)
    assert _read("") == Policy()


def test_by_the_standard_the_author_approves_all_but_the_release() -> None:
    may = {kind: Policy().rule(kind).author_may_approve for kind in CheckpointKind}
    assert may == {kind: kind is not CheckpointKind.RELEASE for kind in CheckpointKind}


def test_what_a_table_leaves_out_is_the_standard_of_that_checkpoint() -> None:
    made = _read("[checkpoints.release]\nsignatures = 2")
    assert made.rule(CheckpointKind.RELEASE) == CheckpointPolicy(
        roles=(Role.CUSTODIAN,), signatures=2, author_may_approve=False
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[checkpoints.plan]\nenabled = false", r"checkpoints\.plan\.enabled: Extra inputs"),
        ("[checkpoints]\nplan = false", r"checkpoints\.plan"),
        ("[checkpoints.code]\nroles = []", r"checkpoints\.code\.roles: .*at least 1"),
        ("[checkpoints.code]\nroles = ['investigator']", r"code\.roles names investigator; allowed: statistician"),
        ("[checkpoints.code]\nroles = ['boss']", r"checkpoints\.code\.roles"),
        ("[checkpoints.code]\nsignatures = 0", r"checkpoints\.code\.signatures"),
        ("[checkpoints.code]\nsignatures = 3", r"checkpoints\.code\.signatures"),
        ("[checkpoints.release]\nauthor_may_approve = true", r"needs single_user = true"),
        ("single_user = 'no'", r"at single_user: Input should be a valid boolean"),
        ("single_user = 0", r"at single_user"),
        ("single_user = true\n[checkpoints.code]\nsignatures = 2", r"a rule asks for two people"),
        ("single_user = true\ndifferent_people = [['plan', 'code']]", r"a rule asks for two people"),
        ("different_people = [['code', 'code']]", r"names one checkpoint twice"),
        ("valid_days = 0", r"at valid_days"),
        ("valid_days = 1000", r"at valid_days"),
        ("[budgets]\ntokens = -1", r"at budgets\.tokens"),
        ("[budgets]\ncost = nan", r"at budgets\.cost"),
        ("[data.'*']\nexposure = 'all'", r"at data\.\*\.exposure"),
        ("[data.'*']\nk = 1", r"at data\.\*\.k"),
        ("form = 'counterproof/policy/2'", r"at form"),
        ("four eyes", r"is no TOML"),
        ("\x00", r"is no TOML"),
    ],
)
def test_another_policy_is_refused_and_the_place_named(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        _read(text)


def test_a_policy_is_not_endless() -> None:
    with pytest.raises(UsageError, match=r"has 100,001 bytes. At most 100,000"):
        _read("#" * 100_001)


LOOSER: dict[str, tuple[str, str]] = {
    "single user": ("single_user = true", "single_user is true"),
    "longer": ("valid_days = 31", "valid_days is 31, and 30 is allowed"),
    "role": ("extend_roles = ['statistician']", "extend_roles names statistician"),
    "calls": ("[budgets]\nmodel_calls = 201", r"budgets.model_calls is 201, and 200 is allowed"),
    "exposure": ("[data.'a.csv']\nexposure = 'rows'", 'data."a.csv".exposure is rows, and metadata is allowed'),
    "third party": ("[data.'*']\nthird_party = true", 'data."*".third_party is true'),
    "k": ("[data.'a.csv']\nk = 5", 'data."a.csv".k is 5, and 10 is asked for'),
}


@pytest.mark.parametrize(("text", "says"), LOOSER.values(), ids=LOOSER)
def test_a_looser_policy_is_named(text: str, says: str) -> None:
    assert loosened(_read(text), Policy()) == [says]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("different_people = [['code', 'release']]", "different_people lacks code and release"),
        ("[checkpoints.plan]\nroles = ['statistician']", "checkpoints.plan.roles names investigator"),
        ("[checkpoints.code]\nsignatures = 2", "checkpoints.code.signatures is 1, and 2 is asked for"),
        ("[checkpoints.code]\ncomment_min = 9", "checkpoints.code.comment_min is 1, and 9 is asked for"),
        ("[checkpoints.plan]\nauthor_may_approve = false", "checkpoints.plan.author_may_approve is true"),
        ("[budgets]\nprice_in = 2.5", "budgets.price_in is lower than 2.5"),
        ("[data.'a.csv']\nepsilon = 2.0", 'data."a.csv".epsilon is 0; allowed is more than 0 and at most 2'),
        ("[data.'a.csv']\nrounding = 100", 'data."a.csv".rounding is 5, and 100 is asked for'),
    ],
)
def test_a_stricter_installation_is_not_loosened(text: str, says: str) -> None:
    assert loosened(Policy(), _read(text)) == [says]
    assert loosened(_read(text), Policy()) == []


_CHECKPOINT = st.builds(
    CheckpointPolicy,
    roles=st.just((Role.STATISTICIAN,)),
    signatures=st.integers(1, 2),
    author_may_approve=st.booleans(),
    comment_min=st.integers(1, 50),
)
_COLUMNS = st.dictionaries(
    st.sampled_from(["age", 'the "arm"', "ä.b"]),
    st.builds(ColumnPolicy, levels=st.sampled_from([(), ("a", 'b"')]), bounds=st.sampled_from([(), (0, 1.5)])),
    max_size=2,
)
_DATA = st.builds(DataPolicy, k=st.integers(3, 99), epsilon=st.sampled_from([0.0, 0.5, 3.0]), columns=_COLUMNS)
_POLICIES = st.builds(
    Policy,
    valid_days=st.integers(1, 365),
    checkpoints=st.builds(CheckpointPolicies, plan=_CHECKPOINT, code=_CHECKPOINT),
    budgets=st.builds(Budgets, model_calls=st.integers(1, 1000), price_in=st.floats(0, 9)),
    data=st.dictionaries(
        st.sampled_from(["*", "a.csv", 'b".csv']),
        st.builds(DataPolicy, k=st.integers(3, 99), epsilon=st.sampled_from([0.0, 0.5, 3.0]), columns=_COLUMNS),
    ),
)


@given(_POLICIES)
@settings(deadline=None)
def test_any_policy_is_written_and_read_back_and_loosens_nothing_of_its_own(policy: Policy) -> None:
    data = write_policy(policy)
    assert read_policy(data, source="it") == policy
    assert tomllib.loads(data.decode())["form"] == "counterproof/policy/1"
    assert loosened(policy, policy) == []


@given(_POLICIES, _POLICIES, _POLICIES)
@settings(deadline=None)
def test_what_is_not_looser_than_what_is_not_looser_is_not_looser(one: Policy, two: Policy, three: Policy) -> None:
    if not loosened(one, two) and not loosened(two, three):
        assert loosened(one, three) == []


def _models(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    yield from ((f"{model.__name__}.{name}", field) for name, field in model.model_fields.items())


@pytest.mark.parametrize("model", [Policy, CheckpointPolicies, CheckpointPolicy, Budgets, DataPolicy])
def test_each_field_says_what_it_means(model: type[BaseModel]) -> None:
    assert [name for name, field in _models(model) if not field.description] == []


def test_every_limit_is_a_budget_of_the_form() -> None:
    assert set(LIMITS) | {"price_in", "price_out"} == set(Budgets.model_fields)
