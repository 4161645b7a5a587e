"""A study on the lung data, stopped at each of its checkpoints and when it was done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from playwright.sync_api import Browser, Page, sync_playwright

from counterproof.agents.study import open_workplace
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import Status
from counterproof.scenarios.catalogue import load_scenario
from counterproof.scenarios.recorder import authored_answer
from counterproof.scenarios.server import TurnServer
from counterproof.ui.web import WebApp, launch
from tests.ui.sites import DONE, WORKER, Site, add_reviewer, add_study, make_runner

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_INSTALL = "no chromium on PATH; install it: apt-get update && apt-get install -y chromium"
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
_QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
_WAIT_MS = 60_000


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if _CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail(_INSTALL)
        pytest.skip(_INSTALL)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=_CHROMIUM, args=_ARGUMENTS + _QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(_WAIT_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Path], WebApp]]:
    """A function that starts the pages of a store."""
    started: list[WebApp] = []

    def start(home: Path) -> WebApp:
        started.append(launch(home, 0))
        return started[-1]

    yield start
    for app in started:
        app.stop()


@pytest.fixture
def worker() -> Iterator[Callable[[Path], None]]:
    """A function that starts a worker of a store."""
    started: list[subprocess.Popen[bytes]] = []
    yield lambda home: started.append(subprocess.Popen([sys.executable, "-c", WORKER, str(home)]))
    for process in started:
        process.terminate()
        process.wait(20)
