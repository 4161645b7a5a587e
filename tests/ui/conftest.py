"""A study on the lung data, stopped at each of its checkpoints and when it was done."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st

from counterproof.agents.study import open_workplace
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import Status
from counterproof.scenarios.catalogue import load_scenario
from counterproof.scenarios.recorder import authored_answer
from counterproof.scenarios.server import TurnServer
from tests.ui.sites import DONE, Site, add_reviewer, add_study, make_runner


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Address of a model server that gives the authored answers."""
    scenario = load_scenario("lung-survival")
    with TurnServer([], source=lambda request: authored_answer(scenario, request)) as server:
        yield server.base_url


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory, endpoint: str) -> dict[str, Site]:
    """One study as it stood at each checkpoint, and when it was done. Don't write there: take `site_at`."""
    home = tmp_path_factory.mktemp("stages") / "home"
    workplace = open_workplace(home)
    add_reviewer(workplace)
    site = Site(home=home, study=add_study(workplace, endpoint))
    found: dict[str, Site] = {}
    runner = make_runner(workplace)
    for stage in (*CheckpointKind, DONE):
        status = runner.run(site.study)
        assert status is (Status.DONE if stage == DONE else Status.WAITING), workplace.store.study(site.study)
        found[stage] = Site(home=home.with_name(str(stage)), study=site.study)
        shutil.copytree(home, found[stage].home)
        if stage != DONE:
            site.decide()
    return found


@pytest.fixture
def site_at(stages: dict[str, Site], tmp_path: Path) -> Callable[[str], Site]:
    """A function that gives a site of one's own at a stage."""

    def copy(stage: str) -> Site:
        home = tmp_path / f"home-{stage}"
        shutil.copytree(stages[stage].home, home)
        return Site(home=home, study=stages[stage].study)

    return copy


@pytest.fixture(autouse=True)
def _nothing_cached() -> None:
    st.cache_resource.clear()
