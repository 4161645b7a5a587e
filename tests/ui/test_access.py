"""Signing in: accounts, sessions, the history at the door, and that every command asks who gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from counterproof.agents.study import open_study, open_workplace
from counterproof.provenance.errors import UsageError
from counterproof.provenance.reviewers import CheckpointKind, Role
from counterproof.provenance.store import Status
from counterproof.ui.access import Accounts, Sessions, SignIns
from counterproof.ui.access.accounts import PASSWORD_MIN
from counterproof.ui.access.people import person_of
from counterproof.ui.access.sessions import IDLE_S, LONGEST_S
from counterproof.ui.access.settings import provider_settings
from counterproof.ui.access.signins import REFUSALS_MAX, WINDOW
from counterproof.ui.campaigns import campaigns_view
from counterproof.ui.commanding import ask_run, say_meaning
from counterproof.ui.deciding import draft_decision, sign_draft
from counterproof.ui.desk import COMMANDS, Command, Desk, NotAllowed, Person
from counterproof.ui.exporting import write_bundle
from counterproof.ui.history import study_list, study_view, timeline
from counterproof.ui.making import Upload, Wish, make_study, new_study_view
from counterproof.ui.places import models_view, reviewers_view, system_view
from counterproof.ui.seen import seen_view
from counterproof.ui.synthetic_sets import rate_item, sets_view
from counterproof.ui.usage import costs_view, trace_view
from counterproof.ui.views import decision_view, inbox_view
from counterproof.ui.work import checks_listing, plan_versions, program_versions, results_view
from tests.ui.sites import DONE, PASSPHRASE, Site, add_reviewer

PASSWORD = "correct horse battery"
At = Callable[[str], Site]


class _Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def _desk(site: Site, *roles: Role, reviewer: str = "ada") -> Desk:
    person = Person(id=reviewer, name=f"{reviewer.capitalize()} Example", roles=roles)
    return Desk(workplace=site.workplace, who=lambda: person)


def test_a_password_is_kept_as_a_hash_that_fits_it_alone(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    accounts.set_password("ada", PASSWORD)
    kept = (tmp_path / "accounts.json").read_text()
    assert PASSWORD not in kept
    assert (tmp_path / "accounts.json").stat().st_mode & 0o077 == 0
    assert accounts.is_password("ada", PASSWORD)
    assert not accounts.is_password("ada", PASSWORD + "x")
    assert not accounts.is_password("bob", PASSWORD)


@pytest.mark.parametrize("password", ["short", "x" * 1001], ids=["short", "long"])
def test_an_unusable_password_is_refused(tmp_path: Path, password: str) -> None:
    with pytest.raises(UsageError, match=rf"has {len(password)} characters. {PASSWORD_MIN} to 1000"):
        Accounts(tmp_path).set_password("ada", password)
    assert not Accounts(tmp_path).exist()


def test_an_identity_belongs_to_one_account(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    accounts.set_identity("ada", issuer="https://idp.example.org", subject="1234")
    assert accounts.of_identity("https://idp.example.org", "1234") == "ada"
    assert accounts.of_identity("https://other.example.org", "1234") == ""
    with pytest.raises(UsageError, match="is the account ada already"):
        accounts.set_identity("bob", issuer="https://idp.example.org", subject="1234")
    with pytest.raises(UsageError, match=r"'' of 'https://idp.example.org' can't be used.*subject"):
        accounts.set_identity("bob", issuer="https://idp.example.org", subject="")


@pytest.mark.parametrize(
    ("steps_s", "is_in"),
    [((IDLE_S - 1,), True), ((IDLE_S + 1,), False), ((IDLE_S - 1,) * 24, False), ((IDLE_S - 1,) * 23, True)],
    ids=["used in time", "left alone", "too long in all", "nearly too long"],
)
def test_a_session_ends_by_itself(tmp_path: Path, steps_s: tuple[int, ...], is_in: bool) -> None:
    clock = _Clock()
    sessions = Sessions(tmp_path, clock=clock)
    token = sessions.begin("ada")
    assert LONGEST_S == 24 * IDLE_S
    for step in (*steps_s[:-1], steps_s[-1] + (30 if len(steps_s) == 24 else 0)):
        found = sessions.account(token)
        assert found == "ada"
        clock.now += step
    assert sessions.account(token) == ("ada" if is_in else "")


def test_sessions_outlive_the_server_and_end_on_demand(tmp_path: Path) -> None:
    token, other = Sessions(tmp_path).begin("ada"), Sessions(tmp_path).begin("ada")
    assert Sessions(tmp_path).account(token) == "ada"
    Sessions(tmp_path).end(token)
    assert Sessions(tmp_path).account(token) == ""
    assert Sessions(tmp_path).end_all("ada") == 1
    assert Sessions(tmp_path).account(other) == ""
    assert token not in str(list(tmp_path.rglob("*")))


def test_guessing_gets_slow(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    signins = SignIns(tmp_path, clock=lambda: now)
    for _ in range(REFUSALS_MAX):
        assert not signins.must_wait("ada")
        signins.note("signin.refused", account="ada", how="password")
    assert signins.must_wait("ada")
    assert not signins.must_wait("bob")
    assert not SignIns(tmp_path, clock=lambda: now + WINDOW + timedelta(minutes=1)).must_wait("ada")
    signins.note("signin.accepted", account="ada", how="password")
    assert not signins.must_wait("ada")


def test_who_was_revoked_is_nobody(site_at: At) -> None:
    site = site_at(CheckpointKind.PLAN)
    place, accounts, sessions = site.workplace, Accounts(site.home), Sessions(site.home)
    accounts.set_password("ada", PASSWORD)
    token = sessions.begin("ada")
    assert person_of(place.registry, accounts, sessions, token).roles == tuple(Role)
    with pytest.raises(NotAllowed, match="session has ended"):
        person_of(place.registry, accounts, sessions, "made up")
    place.registry.revoke("ada", by="test")
    with pytest.raises(NotAllowed, match="reviewer ada was revoked"):
        person_of(place.registry, accounts, sessions, token)


_READING: list[Callable[[Desk, Site], object]] = [
    lambda desk, _: inbox_view(desk),
    lambda desk, _: study_list(desk),
    lambda desk, site: study_view(desk, site.study),
    lambda desk, site: timeline(desk, site.study),
    lambda desk, site: decision_view(desk, site.checkpoint(CheckpointKind.PLAN)),
    lambda desk, site: plan_versions(desk, site.study),
    lambda desk, site: program_versions(desk, site.study),
    lambda desk, site: checks_listing(desk, site.study),
    lambda desk, site: results_view(desk, site.study),
    lambda desk, site: costs_view(desk, site.study),
    lambda desk, site: trace_view(desk, site.study),
    lambda desk, site: seen_view(desk, site.study),
    lambda desk, _: reviewers_view(desk),
    lambda desk, _: models_view(desk),
    lambda desk, _: system_view(desk),
    lambda desk, _: new_study_view(desk),
    lambda desk, _: sets_view(desk),
    lambda desk, _: campaigns_view(desk),
]


@pytest.mark.parametrize("read", _READING)
def test_nothing_is_read_by_nobody(stages: dict[str, Site], read: Callable[[Desk, Site], object]) -> None:
    site = stages[DONE]
    assert read(_desk(site, *Role), site) is not None

    def nobody() -> Person:
        raise NotAllowed("Nobody is signed in here.")

    with pytest.raises(NotAllowed, match="Nobody is signed in"):
        read(Desk(workplace=site.workplace, who=nobody), site)


_WRITING: dict[Command, Callable[[Desk, Site], object]] = {
    "make a study": lambda desk, _: make_study(desk, Wish(question="Is it so?")),
    "go on with a study": lambda desk, site: ask_run(desk, site.study),
    "say what a column is": lambda desk, site: say_meaning(
        desk, site.study, file="lung.csv", column="age", meaning="not one", why="it is not"
    ),
    "export": lambda desk, site: write_bundle(desk, site.study),
    "rate": lambda desk, _: rate_item(desk, "x", rater="ada", item="x", guess="real", realism=1, plausibility=1),
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("command", list(_WRITING))
def test_a_command_is_for_its_roles(stages: dict[str, Site], command: Command, role: Role) -> None:
    site = stages[CheckpointKind.PLAN]
    desk = _desk(site, role)
    if role in COMMANDS[command]:
        assert desk.require(command) is not None
        return
    with pytest.raises(NotAllowed, match=rf"is {role} and may not {command}. It needs the role"):
        _WRITING[command](desk, site)


def test_every_writing_command_is_tested() -> None:
    assert {*_WRITING, "read", "sign"} == set(COMMANDS)


@pytest.mark.attack
def test_who_signed_in_signs_as_nobody_else(site_at: At) -> None:
    site = site_at(CheckpointKind.PLAN)
    add_reviewer(site.workplace, "stan", roles=(Role.STATISTICIAN,))
    view = decision_view(_desk(site, *Role), site.checkpoint(CheckpointKind.PLAN))
    assert [signer.id for signer in view.signers] == ["ada"]
    draft = draft_decision(view, signer=view.signers[0], decision="approve", comment="I read it.")
    stan = _desk(site, Role.STATISTICIAN, reviewer="stan")
    with pytest.raises(NotAllowed, match="Stan Example is signed in, and the decision is to be signed by Ada Example"):
        sign_draft(stan, draft, key=str(view.signers[0].key), passphrase=PASSPHRASE)
    assert open_study(site.workplace, site.study).checkpoints.waiting() is not None


@pytest.mark.attack
def test_the_key_of_who_signed_in_is_not_chosen_on_the_page(site_at: At) -> None:
    site = site_at(CheckpointKind.PLAN)
    add_reviewer(site.workplace, "carl")
    view = decision_view(_desk(site, *Role), site.checkpoint(CheckpointKind.PLAN))
    signer = replace(view.signers[0])
    draft = draft_decision(view, signer=signer, decision="approve", comment="I read it.")
    signed = sign_draft(_desk(site, *Role), draft, key=str(site.home / "keys" / "carl"), passphrase=PASSPHRASE)
    assert signed.decision.reviewer == "ada"


def test_the_inbox_is_that_of_ones_roles(stages: dict[str, Site]) -> None:
    site = stages[CheckpointKind.RELEASE]
    assert inbox_view(_desk(site, Role.STATISTICIAN)).total == 0
    mine = inbox_view(_desk(site, Role.CUSTODIAN))
    assert (mine.total, [row.kind for row in mine.rows]) == (1, [CheckpointKind.RELEASE])


def test_a_study_that_somebody_makes_has_them_as_author(tmp_path: Path) -> None:
    workplace = open_workplace(tmp_path / "home")
    add_reviewer(workplace, "ivy", roles=(Role.INVESTIGATOR,))
    site = Site(home=tmp_path / "home", study="")
    wish = Wish(
        question="Do women live longer?",
        uploads=(Upload(name="d.csv", content=b"age,sex\n" + b"1,2\n3,1\n" * 20),),
        endpoint=("m", "http://127.0.0.1:9/v1", ""),
    )
    study = make_study(_desk(site, Role.INVESTIGATOR, reviewer="ivy"), wish)
    made = open_study(workplace, study)
    assert (made.settings.author, made.settings.data[0].name) == ("ivy", "d.csv")
    assert not made.checkpoints.policy().policy.single_user
    assert workplace.store.study(study)["status"] == Status.READY
    assert workplace.store.study(study)["run_asked"]


def test_the_provider_is_named_by_a_file(tmp_path: Path) -> None:
    assert provider_settings(tmp_path) is None
    file = tmp_path / "oidc.toml"
    file.write_text('address = "https://idp.example.org/"\nclient_id = "c"\nclient_secret_env = "S"\n')
    found = provider_settings(tmp_path)
    assert found is not None
    assert (found.address, found.client_secret_env) == ("https://idp.example.org", "S")
    file.write_text('address = "https://idp.example.org"\n')
    with pytest.raises(UsageError, match=r"it has address. It has address, client_id, client_secret_env"):
        provider_settings(tmp_path)
