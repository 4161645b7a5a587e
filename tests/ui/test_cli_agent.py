"""Deciding with a key that ssh-agent holds: the real agent, and a simulated hardware key behind a small one."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..endpoint import Endpoint
from ..lab import script
from ..tokens import SoftwareToken, ssh_add, ssh_agent, token_agent
from .terminal import ROLES, Terminal

TOKEN = SoftwareToken()


def _key(folder: Path, name: str) -> Path:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with keys and a store in which a plan waits; Ada has a key of ssh-keygen, Hana a hardware key."""
    terminal = Terminal(folder=tmp_path_factory.mktemp("waits"), env={})
    for name in ("ada", "other"):
        _key(terminal.folder, name)
    for name, key in (("ada", str(terminal.folder / "ada.pub")), ("hana", f"{TOKEN.public_line} hana@token")):
        terminal.ok("reviewers", "add", name, "--name", name.title(), "--public-key", key, *ROLES)
    with Endpoint(script()) as endpoint:
        _, checkpoint = terminal.waiting(endpoint.base_url)
    return terminal.folder, checkpoint


@pytest.fixture
def terminal(tmp_path: Path, waits: tuple[Path, str]) -> Terminal:
    """A terminal with a copy of that store and no agent."""
    shutil.copytree(waits[0], tmp_path, dirs_exist_ok=True)
    return Terminal(folder=tmp_path, env={})


@pytest.fixture
def agent(terminal: Terminal) -> Iterator[str]:
    """The machine's own agent, named in that terminal's environment; it holds no key."""
    with ssh_agent() as path:
        terminal.env["SSH_AUTH_SOCK"] = path
        yield path


def _refused(terminal: Terminal, checkpoint: str, code: int, *, by: str = "ada") -> str:
    ended = terminal.decide(checkpoint, "approve", "--agent", by=by)
    assert (ended.code, ended.out) == (code, ""), ended.err
    assert [row["checkpoint"] for row in terminal.ok("inbox", "--json").json] == [checkpoint]
    return ended.err


def test_the_agent_signs_without_a_key_file(terminal: Terminal, waits: tuple[Path, str], agent: str) -> None:
    ssh_add(agent, str(terminal.folder / "other"), str(terminal.folder / "ada"))
    (terminal.folder / "ada").unlink()
    ended = terminal.decide(waits[1], "approve", "--agent")
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"{waits[1]}: approve over ")
    assert terminal.ok("inbox", "--json").json == []


def test_another_key_in_the_agent_is_not_used(terminal: Terminal, waits: tuple[Path, str], agent: str) -> None:
    ssh_add(agent, str(terminal.folder / "other"))
    said = _refused(terminal, waits[1], 2)
    assert "The ssh-agent does not hold SHA256:" in said
    assert "it shows 1 other keys" in said
    assert "Add it with `ssh-add KEYFILE`" in said


def test_a_locked_agent_shows_no_key(terminal: Terminal, waits: tuple[Path, str], agent: str) -> None:
    ssh_add(agent, str(terminal.folder / "ada"))
    ask = terminal.folder / "ask"
    ask.write_text("#!/bin/sh\necho secret\n")
    ask.chmod(0o700)
    prompt = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
    ssh_add(agent, "-x", env=prompt)
    assert "if the agent is locked, unlock it with `ssh-add -X`" in _refused(terminal, waits[1], 2)
    ssh_add(agent, "-X", env=prompt)
    assert terminal.decide(waits[1], "approve", "--agent").code == 0


def test_an_agent_that_is_told_no_signs_nothing(terminal: Terminal, waits: tuple[Path, str], agent: str) -> None:
    ssh_add(agent, "-c", str(terminal.folder / "ada"))
    said = _refused(terminal, waits[1], 2)
    assert "The agent did not sign with SHA256:" in said
    assert "agent refused operation" in said
    assert "confirm when the agent asks" in said


def test_without_an_agent(terminal: Terminal, waits: tuple[Path, str]) -> None:
    assert "There is no ssh-agent: SSH_AUTH_SOCK is not set. Start one" in _refused(terminal, waits[1], 2)
    terminal.env["SSH_AUTH_SOCK"] = str(terminal.folder / "gone")
    said = _refused(terminal, waits[1], 4)
    assert "No ssh-agent answers at SSH_AUTH_SOCK=" in said
    assert "/gone" in said
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(terminal.env["SSH_AUTH_SOCK"])
    assert "No ssh-agent answers" in _refused(terminal, waits[1], 4)


@pytest.mark.parametrize(
    ("keygen", "says"),
    [
        (None, "The program ssh-keygen is not on the PATH"),
        ("echo 'unknown option -- Y' >&2; exit 1", "can't sign: unknown option -- Y. Needed is OpenSSH 8.1 or newer"),
    ],
    ids=["missing", "old"],
)
def test_without_a_new_enough_openssh(
    terminal: Terminal, waits: tuple[Path, str], agent: str, keygen: str | None, says: str
) -> None:
    ssh_add(agent, str(terminal.folder / "ada"))
    tools = terminal.folder / "bin"
    tools.mkdir()
    (tools / "ssh-add").symlink_to(str(shutil.which("ssh-add")))
    if keygen is not None:
        (tools / "ssh-keygen").write_text(f"#!/bin/sh\n{keygen}\n")
        (tools / "ssh-keygen").chmod(0o700)
    terminal.env["PATH"] = str(tools)
    assert says in _refused(terminal, waits[1], 4)


def test_what_is_no_signature_of_the_key_is_not_recorded(
    terminal: Terminal, waits: tuple[Path, str], agent: str
) -> None:
    ssh_add(agent, str(terminal.folder / "ada"))
    tools = terminal.folder / "bin"
    tools.mkdir()
    (tools / "ssh-add").symlink_to(str(shutil.which("ssh-add")))
    forger = f'exec {shutil.which("ssh-keygen")} -q -Y sign -n "$4" -f {terminal.folder / "other"}'
    (tools / "ssh-keygen").write_text(f"#!/bin/sh\n{forger}\n")
    (tools / "ssh-keygen").chmod(0o700)
    terminal.env["PATH"] = str(tools)
    assert "signed with another key" in _refused(terminal, waits[1], 1)


def test_an_agent_and_a_key_file_are_one_too_many(terminal: Terminal, waits: tuple[Path, str]) -> None:
    ended = terminal.decide(waits[1], "approve", "--agent", "--key", "FILE")
    assert ended.code == 2
    assert "--agent and --key FILE were both given. A decision is signed once" in ended.err


def test_a_hardware_key_that_nobody_touches_signs_nothing(terminal: Terminal, waits: tuple[Path, str]) -> None:
    with token_agent(TOKEN, refuses=True) as path:
        terminal.env["SSH_AUTH_SOCK"] = path
        said = _refused(terminal, waits[1], 2, by="hana")
    assert "Type the PIN of the hardware key if the agent asks for it, and touch the key when it blinks." in said
    assert "agent refused operation" in said
    with token_agent(SoftwareToken(key=TOKEN.key, flags=0)) as path:
        terminal.env["SSH_AUTH_SOCK"] = path
        assert "nobody touched the hardware key" in _refused(terminal, waits[1], 1, by="hana")


def test_a_bundle_with_decisions_of_an_agent_and_of_a_hardware_key_verifies(
    terminal: Terminal, agent: str, tmp_path: Path
) -> None:
    ssh_add(agent, str(terminal.folder / "ada"))
    bundle = tmp_path / "x.zip"
    with Endpoint(script()) as endpoint, token_agent(TOKEN) as token:
        study = terminal.new(endpoint.base_url)
        for kind, by in (("plan", "ada"), ("code", "hana"), ("release", "hana"), ("signoff", "ada")):
            terminal.env["SSH_AUTH_SOCK"] = agent if by == "ada" else token
            assert terminal.run("run", study).code == 3
            decided = terminal.decide(f"{study}.{kind}.1", "approve", "--agent", by=by)
            assert decided.code == 0, decided.err
        terminal.ok("run", study)
    terminal.ok("export", study, "-o", str(bundle))
    assert "failed" not in json.dumps(
        [step.get("outcome") for step in terminal.ok("verify", str(bundle), "--json").json["steps"]]
    )
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "bag")
    (top,) = (tmp_path / "bag").iterdir()
    python = [sys.executable, "-I", str(top / "data/verify/verify.py")]
    alone = subprocess.run(python, capture_output=True, text=True)
    assert alone.returncode == 0, alone.stdout
    assert " 6 decisions  ok: 4 decisions" in alone.stdout
    shell = subprocess.run(["sh", str(top / "data/verify/verify.sh")], capture_output=True, text=True)
    assert shell.returncode == 0, shell.stdout
    assert " 6 decisions  cannot be checked here: signatures hold" in shell.stdout


@pytest.mark.parametrize("as_file", [False, True], ids=["line", "file"])
def test_a_hardware_key_is_registered(terminal: Terminal, as_file: bool) -> None:
    token = SoftwareToken()
    line = f"{token.public_line} eva@token"
    given = terminal.file("eva.pub", f"{line}\n".encode()) if as_file else line
    added = terminal.ok("reviewers", "add", "eva", "--name", "Eva", "--public-key", given, *ROLES, "--json").json
    assert added["public_key"] == token.public_line
    assert not (terminal.home / "keys" / "eva").exists()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (SoftwareToken(application=b"https://a.org").public_line, "begins with 'ssh:'"),
        ("ssh-rsa AAAAB3NzaC1yc2E", "must begin with 'ssh-ed25519 AAAA' or 'sk-ssh-ed25519@openssh.com AAAA'"),
        (TOKEN.public_line, "belongs to another reviewer already"),
    ],
    ids=["web site", "rsa", "taken"],
)
def test_another_key_is_not_registered(terminal: Terminal, line: str, says: str) -> None:
    ended = terminal.run("reviewers", "add", "eva", "--name", "Eva", "--public-key", line, *ROLES)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
