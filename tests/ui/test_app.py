"""The app around the pages: what it refuses, how it is started and how it ends."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest

from counterproof.agents.study import open_workplace
from counterproof.provenance.errors import UsageError
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import Status
from counterproof.ui import environment, web
from counterproof.ui.desk import Desk
from counterproof.ui.example import begin_example
from counterproof.ui.history import only_example, study_view
from tests.ui.sites import DONE, Site, add_scenario

APP = Path(web.__file__).with_name("app.py")
TITLES = {
    "inbox": "Inbox",
    "decide": "Decide",
    "new": "New study",
    "study": "Studies",
    "verify": "Verify a bundle",
    "synthetic": "Synthetic data",
    "compare": "Comparisons of models",
    "reviewers": "Reviewers and policy",
    "models": "Models and budgets",
    "system": "System",
}
"""What each page is headed with."""


@pytest.fixture
def loopback() -> Iterator[None]:
    before = config.get_option("server.address")
    config.set_option("server.address", "127.0.0.1")
    yield
    config.set_option("server.address", before)


def _app(monkeypatch: pytest.MonkeyPatch, *arguments: str, page: str = "") -> AppTest:
    monkeypatch.setattr(sys, "argv", [str(APP), *arguments])
    app = AppTest.from_file(APP, default_timeout=30)
    if page:
        app.query_params["page"] = page
    return app.run()


@pytest.mark.usefixtures("loopback")
def test_every_page_says_that_it_is_single_user(monkeypatch: pytest.MonkeyPatch, stages: dict[str, Site]) -> None:
    app = _app(monkeypatch, "--home", str(stages[CheckpointKind.PLAN].home))
    assert not app.exception
    assert app.caption[0].value.startswith("Single-user mode")
    assert app.title[0].value == "Inbox"


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("page", sorted(TITLES))
def test_every_page_is_shown_in_an_empty_store_and_in_a_full_one(
    monkeypatch: pytest.MonkeyPatch, stages: dict[str, Site], tmp_path: Path, page: str
) -> None:
    for home in (tmp_path / "home", stages[DONE].home):
        app = _app(monkeypatch, "--home", str(home), page=page)
        assert not app.exception
        assert app.title[0].value == TITLES[page]


@pytest.mark.usefixtures("loopback")
def test_there_is_a_way_to_every_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    app = _app(monkeypatch, "--home", str(tmp_path / "home"))
    ways = {str(button.key).removeprefix("go-") for button in app.button if str(button.key).startswith("go-")}
    assert ways == set(TITLES)


@pytest.mark.usefixtures("loopback")
def test_the_app_without_a_store_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No store is named" in _app(monkeypatch).error[0].value


def test_the_app_shows_nothing_to_the_network(monkeypatch: pytest.MonkeyPatch, stages: dict[str, Site]) -> None:
    app = _app(monkeypatch, "--home", str(stages[CheckpointKind.PLAN].home))
    assert "reachable from other machines" in app.error[0].value
    assert not app.title


def test_options_are_those_that_streamlit_knows() -> None:
    known = config.get_config_options()
    assert set(web.OPTIONS) <= set(known)
    assert "--server.enableAgentApi=false" in web.command(Path("/h"), 1)
    assert [known[name].type for name in ("server.allowedHosts",)]


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    app = web.launch(tmp_path / "home", 0)
    try:
        port = int(app.url.rpartition(":")[2])
        with pytest.raises(UsageError, match=rf"Port {port} on 127.0.0.1 can't be used.*another with --port"):
            web.launch(tmp_path / "home", port)
    finally:
        app.stop()
    assert app.process.returncode is not None


def test_the_pages_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    code = "import sys, pathlib; from counterproof.ui.web import start; sys.exit(start(pathlib.Path(sys.argv[1]), 0))"
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "home")], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = next(line for line in process.stderr if line.startswith("Counterproof is at"))
    port = int(said.split()[3].rpartition(":")[2])
    process.terminate()
    assert process.wait(20) == 0
    process.stderr.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_the_pages_of_a_new_store_open_on_an_example_and_stay_silent_when_there_is_a_study(tmp_path: Path) -> None:
    home = tmp_path / "home"
    begin_example(home, env=environment.for_subprocess()).wait(120)
    desk = Desk(workplace=open_workplace(home))
    study = only_example(desk)
    view = study_view(desk, study)
    assert (view.status, view.is_scenario, view.bundle) == (Status.DONE, True, home / "studies" / study / "bundle.zip")
    begin_example(home, env=environment.for_subprocess()).wait(120)
    assert only_example(desk) == study
    add_scenario(desk.workplace)
    assert only_example(desk) == ""


@pytest.mark.usefixtures("loopback")
def test_an_address_without_a_page_is_the_example_until_there_is_another_study(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    study = add_scenario(open_workplace(home))
    app = _app(monkeypatch, "--home", str(home))
    assert app.query_params["study"] == study
    assert "no person reviewed it" in app.warning[-1].value
    assert _app(monkeypatch, "--home", str(home), page="inbox").title[0].value == "Inbox"
