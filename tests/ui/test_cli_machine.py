"""The command line on odd machines: homes, narrow terminals, closed pipes, Ctrl-C, and no way out of the machine."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from counterproof.provenance.errors import UsageError
from counterproof.ui import environment

from ..endpoint import Endpoint
from ..lab import NOWHERE, program, script, written
from .terminal import SCRIPT, Terminal

HEAVY = {"langgraph", "langchain_core", "langchain_openai", "openai", "pandas", "numpy", "sqlalchemy", "streamlit"}


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A terminal with an empty store."""
    return Terminal(folder=tmp_path)


@pytest.mark.parametrize(
    ("home", "code", "says"),
    [
        ("FILE", 2, "is a file"),
        ("FILE/below", 4, "can't be opened"),
        ("/proc/counterproof", 4, "The store at /proc/counterproof can't be opened"),
    ],
)
@pytest.mark.parametrize("command", [("show",), ("inbox",), ("reviewers", "list"), ("run", "study-1")], ids=" ".join)
def test_a_home_that_cannot_be_used_is_said(
    terminal: Terminal, command: tuple[str, ...], home: str, code: int, says: str
) -> None:
    path = home.replace("FILE", terminal.file("file", b""))
    for refused in (terminal.run(*command, "--home", path), terminal.run(*command, env={"COUNTERPROOF_HOME": path})):
        assert (refused.code, refused.out) == (code, "")
        assert says in refused.err
        assert "--home" in refused.err


@pytest.mark.parametrize(
    ("variables", "below"),
    [
        ({"COUNTERPROOF_HOME": "/a"}, "/a"),
        ({"COUNTERPROOF_HOME": "", "XDG_DATA_HOME": "/b"}, "/b/counterproof"),
        ({"HOME": "/c"}, "/c/.local/share/counterproof"),
        ({"HOME": ""}, f"{pwd.getpwuid(os.getuid()).pw_dir}/.local/share/counterproof"),
        ({}, f"{pwd.getpwuid(os.getuid()).pw_dir}/.local/share/counterproof"),
    ],
    ids=["named", "XDG", "HOME", "HOME empty", "HOME unset"],
)
def test_the_home_is_found(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], below: str) -> None:
    for name in ("COUNTERPROOF_HOME", "XDG_DATA_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(environment.default_home()) == below


def test_a_user_without_any_home_is_told_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COUNTERPROOF_HOME", "XDG_DATA_HOME", "HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987_654)
    with pytest.raises(UsageError, match=r"User 987654 has no home folder\. Name a folder for the store with --home"):
        environment.default_home()
    assert environment.user_name() == "uid-987654"


@pytest.mark.parametrize("variables", [{"HOME": ""}, {}], ids=["HOME empty", "HOME unset"])
def test_a_study_runs_without_a_home_variable(terminal: Terminal, variables: dict[str, str]) -> None:
    terminal.env.update(variables)
    with Endpoint(script()) as endpoint:
        terminal.waiting(endpoint.base_url)


@pytest.mark.parametrize("columns", ["1", "20", "0", "x"])
def test_help_and_show_bear_any_width(terminal: Terminal, columns: str) -> None:
    terminal.env["COLUMNS"] = columns
    study = terminal.new(NOWHERE)
    for arguments in (("--help",), ("new", "--help"), ("show",), ("show", study)):
        assert terminal.ok(*arguments).out


def test_a_terminal_that_is_not_utf8_gets_escapes(terminal: Terminal) -> None:
    study = terminal.new(NOWHERE, question="Größe → Überleben?")
    shown = terminal.process("show", study, env={"PYTHONIOENCODING": "latin-1"})
    assert (shown.code, "Traceback" in shown.err) == (0, False)
    assert r"e \u2192 " in shown.out


def test_a_closed_pipe_ends_quietly_with_the_command_s_own_code(terminal: Terminal) -> None:
    terminal.new(NOWHERE)
    broken = terminal.file("broken.zip", b"no zip")
    for arguments, code in ((("show",), 0), (("verify", broken), 1)):
        reader, writer = os.pipe()
        os.close(reader)
        ended = subprocess.run(
            [SCRIPT, *arguments], env=terminal.environ(), stdout=writer, stderr=subprocess.PIPE, check=False
        )
        os.close(writer)
        assert (ended.returncode, ended.stderr) == (code, b"")


def test_a_full_disk_behind_standard_output_is_machine_trouble(terminal: Terminal) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [SCRIPT, "show"], env=terminal.environ(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 4
    assert ended.stderr.startswith("Error: The machine refused: ")


SLOW = program("Takes its time.", middle="import time; time.sleep(5)")


def _interrupted(terminal: Terminal, study: str, *, whole_group: bool) -> None:
    """Run a study and press Ctrl-C while its programs run."""
    with terminal.started("run", study) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "dry run on the twin" in line:
                break
        else:
            pytest.fail("the programs never ran")
        _wait_until_one_program_runs(terminal, study)
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "Stopped. Nothing is lost; the same command goes on." in err
    assert "Traceback" not in err


def _wait_until_one_program_runs(terminal: Terminal, study: str) -> None:
    """Wait until the quick program has ended, with which the isolation self-test is over too: the slow one runs."""
    record = terminal.home / "studies" / study / "record" / "events.jsonl"
    for _ in range(600):
        events = [json.loads(line) for line in record.read_text().rpartition("\n")[0].splitlines()]
        if any(event["type"] == "effect.finished" and event["data"]["kind"] == "execution" for event in events):
            return
        time.sleep(0.05)
    pytest.fail("no program ended")


@pytest.mark.parametrize("whole_group", [False, True], ids=["the process alone", "as a terminal does"])
def test_ctrl_c_ends_with_130_and_the_next_run_goes_on(terminal: Terminal, whole_group: bool) -> None:
    with Endpoint(script(primary=[written(SLOW)])) as endpoint:
        terminal.reviewer("ada")
        study, checkpoint = terminal.waiting(endpoint.base_url)
        terminal.decide(checkpoint)
        _interrupted(terminal, study, whole_group=whole_group)
        again = terminal.run("run", study)
    assert (again.code, again.out) == (3, f"{study}: waiting, {study}.code.1\n"), again.err
    assert sorted(endpoint.roles) == ["planner", "primary", "replication"]


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys, counterproof.ui.cli; print(sorted({HEAVY!r} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


WATCH = dedent(
    """
    import json, os, sys
    def _watch(event, arguments):
        if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
            where = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
            with open(os.environ["WATCHED"], "a") as file:
                file.write(json.dumps([event, str(where[0] if isinstance(where, tuple) else where)]) + "\\n")
    sys.addaudithook(_watch)
    """
)
TRACING = {
    "LANGSMITH_API_KEY": "lsv2_pt_test",
    "LANGSMITH_TRACING": "true",
    "LANGSMITH_ENDPOINT": "http://192.0.2.1:9",
    "LANGCHAIN_TRACING_V2": "true",
    "LANGCHAIN_API_KEY": "lsv2_pt_test",
    "OPENAI_BASE_URL": "http://192.0.2.2:9/v1",
    "OPENAI_API_KEY": "sk-test",
    "HTTP_PROXY": "http://192.0.2.3:9",
    "HTTPS_PROXY": "http://192.0.2.3:9",
    "ALL_PROXY": "http://192.0.2.3:9",
}


@pytest.fixture
def watched(terminal: Terminal) -> Path:
    """Where processes of this terminal write down whom they connect to, with everything set that sends data away."""
    site = terminal.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(WATCH)
    path = terminal.folder / "connections.jsonl"
    terminal.env.update({**TRACING, "PYTHONPATH": str(site), "WATCHED": str(path)})
    return path


@pytest.mark.canary
def test_the_demo_connects_to_its_loopback_server_alone(terminal: Terminal, watched: Path) -> None:
    demo = terminal.process("demo", "--json")
    assert demo.code == 0, demo.err
    answer = json.loads(demo.out)
    assert answer["review"] == "replayed, not reviewed"
    assert answer["results"]["hr_women_vs_men"]["value"] == pytest.approx(0.588, abs=0.0005)
    assert _addresses(watched) == {"127.0.0.1"}


@pytest.mark.canary
def test_a_study_connects_to_its_endpoint_alone(terminal: Terminal, watched: Path) -> None:
    with Endpoint(script()) as endpoint:
        study = terminal.new(endpoint.base_url)
        assert terminal.process("run", study).code == 3
    assert _addresses(watched) == {"127.0.0.1"}


def _addresses(watched: Path) -> set[str]:
    rows = [json.loads(line) for line in watched.read_text().splitlines()]
    return {where for _, where in rows if not where.startswith("/")}
