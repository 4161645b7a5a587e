"""The page on oversight is made from the tables that decide, and the tables are whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from counterproof.provenance.permissions import ALL, PERMISSIONS, ROLES_OF, CheckpointKind, Purpose, Role, is_permitted
from counterproof.provenance.states import ENDS, SYNTHESIS, TRANSITIONS, WAYS, State

PAGE = Path(__file__).parents[2] / "docs" / "oversight.md"


def test_the_page_is_up_to_date() -> None:
    command = [sys.executable, "-P", "-m", "counterproof.provenance.oversight_page"]
    made = subprocess.run(command, capture_output=True, check=True)
    assert PAGE.read_text(encoding="utf-8") == made.stdout.decode(), (
        "docs/oversight.md is stale. Write it anew: "
        ".venv/bin/python -P -m counterproof.provenance.oversight_page > docs/oversight.md"
    )


def test_every_checkpoint_role_and_decision_is_in_the_table_of_permissions() -> None:
    assert list(PERMISSIONS) == list(CheckpointKind)
    for kind, roles in PERMISSIONS.items():
        assert set(roles) == set(Role)
        assert ROLES_OF[kind]
        assert all(set(decisions) <= set(ALL) for decisions in roles.values())
        assert is_permitted(Role.INVESTIGATOR, kind, "withdraw")


def test_every_state_is_of_some_purpose() -> None:
    assert {state for _, table in WAYS.values() for state in table} == set(State)


@pytest.mark.parametrize("purpose", WAYS)
def test_every_state_of_a_purpose_can_be_reached_and_leads_to_an_end(purpose: Purpose) -> None:
    begin, table = WAYS[purpose]
    assert {state for state in table if not table[state]} == ENDS
    reached, left = {begin}, [begin]
    while left:
        for after in table[left.pop()].values():
            left += [] if after in reached else [after]
            reached.add(after)
    assert reached == set(table)
    ending: set[State] = set(ENDS)
    for _ in table:
        ending |= {state for state, ways in table.items() if ending & set(ways.values())}
    assert ending == set(table)


@pytest.mark.attack
def test_a_set_is_let_go_only_behind_three_approvals_and_never_signed_off() -> None:
    """Whichever way the table is walked, specification, sample and release were approved before a set is let go."""
    walks: list[tuple[State, tuple[str, ...]]] = [(State.SPECIFYING, ())]
    let_go = 0
    for _ in range(13):
        walks = [(after, (*way, cause)) for at, way in walks for cause, after in SYNTHESIS[at].items()]
        for _, way in walks:
            if way[-1:] == ("open data",):
                assert [cause for cause in way if cause in ALL][-1] == "approve"
            if way[-1:] == ("release set",):
                let_go += 1
                up = [cause for cause in way if cause.startswith("put up ") or cause == "approve"]
                assert up[-4:] == ["put up sample", "approve", "put up release", "approve"]
                assert "put up signoff" not in way
    assert let_go > 0


@pytest.mark.attack
def test_data_are_opened_only_behind_both_approvals() -> None:
    """Whichever way the table is walked, plan and code were approved before `open data`, after any way back."""
    walks: list[tuple[State, tuple[str, ...]]] = [(State.PLANNING, ())]
    opened = 0
    for _ in range(9):
        walks = [(after, (*way, cause)) for at, way in walks for cause, after in TRANSITIONS[at].items()]
        for _, way in walks:
            if way[-1:] == ("open data",):
                opened += 1
                decided = [cause for cause in way if cause in ALL]
                assert decided[-1] == "approve"
                assert decided.count("approve") >= 2
                after = way[max((at for at, cause in enumerate(way) if cause == "replan"), default=-1) + 1 :]
                assert after.count("approve") >= 2
                assert {"put up plan", "put up code"} <= set(after)
                assert "withdraw" not in way
    assert opened > 0
