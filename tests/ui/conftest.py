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
from playwright.sync_api import Browser, Page

from counterproof.ui.web import WebApp, launch
from tests.ui.browsing import CHROMIUM, INSTALL, chromium
from tests.ui.sites import WORKER, Site, authored_endpoint, make_stages

_WAIT_MS = 60_000


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Address of a model server that gives the authored answers."""
    with authored_endpoint() as address:
        yield address


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory, endpoint: str) -> dict[str, Site]:
    """One study as it stood at each checkpoint, and when it was done. Don't write there: take `site_at`."""
    return make_stages(tmp_path_factory.mktemp("stages"), endpoint)


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
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail(INSTALL)
        pytest.skip(INSTALL)
    with chromium() as started:
        yield started


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
