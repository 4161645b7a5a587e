"""Deciding, exporting, verifying and replaying in a terminal, with mistakes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from counterproof.agents import releases
from counterproof.agents.study import open_study, open_workplace

from ..endpoint import Endpoint
from ..lab import planned, script, trial_csv
from .terminal import SCRIPT, Terminal

_DECISIONS = ("approve", "edit", "maybe")


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A terminal with an empty store."""
    return Terminal(folder=tmp_path)


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store in which a plan waits; Ada may decide all, Carl is the custodian. Don't write there."""
    terminal = Terminal(folder=tmp_path_factory.mktemp("waits"))
    terminal.reviewer("ada")
    terminal.reviewer("carl", "--role", "custodian")
    with Endpoint(script()) as endpoint:
        _, checkpoint = terminal.waiting(endpoint.base_url)
    return terminal.home, checkpoint


@pytest.fixture
def plan(terminal: Terminal, waits: tuple[Path, str]) -> str:
    """The checkpoint of the plan that waits in this terminal's store."""
    shutil.copytree(waits[0], terminal.home)
    return waits[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("approve", "--as", "zoe", "--comment", "c"), ("no active reviewer 'zoe'", "Reviewers: ada, carl")),
        (("approve", "--as", "carl", "--comment", "c"), ("carl (custodian) may not decide the plan", "right role")),
        (("approve", "--as", "ada", "--comment", ""), ("The comment has 0 characters", "1 to 10,000")),
        (("approve", "--as", "ada", "--comment", " \n"), ("The comment has 0 characters",)),
        (("approve", "--as", "ada", "--comment", "c" * 10_001), ("10,001 characters",)),
        (("approve", "--as", "ada"), ("Missing option '--comment'",)),
        (("approve", "--comment", "c"), ("Missing option '--as'",)),
        (("maybe", "--as", "ada", "--comment", "c"), ("'maybe' is not one of 'approve', 'edit', 'reject'",)),
        (("approve", "--as", "ada", "--comment", "c", "--seen", "0" * 64), ("--seen is '000", "counterproof show")),
        (("approve", "--as", "ada", "--comment", "c", "--seen", ""), ("--seen is ''", "first 12 characters")),
        (("approve", "--as", "ada", "--comment", "c", "--seen", "abc"), ("--seen is 'abc'", "first 12 characters")),
        (("edit", "--as", "ada", "--comment", "c"), ("new content is missing", "--file", "--editable")),
        (("edit", "--as", "ada", "--comment", "c", "--file", "nowhere"), ("The file nowhere does not exist",)),
        (("edit", "--as", "ada", "--comment", "c", "--file", "BAD"), ("is no JSON", "--editable")),
        (("edit", "--as", "ada", "--comment", "c", "--file", "OTHER"), ("title: Field required", "--editable")),
        (("edit", "--as", "ada", "--comment", "c", "--file", "SAME"), ("The edit changes nothing", "Approve")),
        (("approve", "--as", "ada", "--comment", "c", "--file", "SAME"), ("--file was given", "Only an edit")),
        (
            ("approve", "--as", "ada", "--comment", "c", "--key", "KEY"),
            ("This key is not ada's", "signs with SHA256"),
        ),
        (("approve", "--as", "ada", "--comment", "c", "--key", "nowhere"), ("key nowhere can't be read", "--key")),
        (("approve", "--as", "ada", "--comment", "c", "--key", "SAME"), ("SAME can't be opened", "private key")),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) and value[0] in _DECISIONS else "",
)
def test_a_wrong_decision_is_refused(
    terminal: Terminal, plan: str, arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    terminal.file("SAME", terminal.ok("show", plan, "--editable").out.encode())
    terminal.file("BAD", b'{"title":')
    terminal.file("OTHER", b'{"a": 1}')
    shutil.copy(terminal.home / "keys" / "carl", terminal.folder / "KEY")
    named = {name: str(terminal.folder / name) for name in ("SAME", "BAD", "OTHER", "KEY")}
    ended = terminal.run("decide", plan, *[named.get(argument, argument) for argument in arguments])
    assert (ended.code, ended.out) == (2, "")
    assert [text for text in says if text not in ended.err] == [], ended.err
    assert [row["checkpoint"] for row in terminal.ok("inbox", "--json").json] == [plan]


def test_a_wrong_or_missing_passphrase_is_said_as_such(terminal: Terminal, plan: str) -> None:
    terminal.env["COUNTERPROOF_PASSPHRASE"] = "wrong"
    assert "does not open with this passphrase" in terminal.decide(plan).err
    del terminal.env["COUNTERPROOF_PASSPHRASE"]
    ended = terminal.decide(plan)
    assert ended.code == 2
    assert "has a passphrase, and there is no terminal to ask for it. Set COUNTERPROOF_PASSPHRASE" in ended.err
    assert "there is no terminal to ask for it" in terminal.run(*_ADD, "--role", "custodian").err


def _refusals(terminal: Terminal, checkpoint: str) -> list[str]:
    study = open_study(open_workplace(terminal.home), checkpoint.partition(".")[0])
    return [event.data["why"] for event in study.record.of_type("decision.refused")]


@pytest.mark.attack
def test_without_a_terminal_nothing_is_decided_and_that_is_recorded(terminal: Terminal, plan: str) -> None:
    del terminal.env["COUNTERPROOF_PASSPHRASE"]
    assert terminal.decide(plan).code == 2
    (why,) = _refusals(terminal, plan)
    assert "there is no terminal to ask for it" in why


@pytest.mark.attack
def test_an_input_that_ends_at_the_passphrase_decides_nothing_and_is_recorded(terminal: Terminal, plan: str) -> None:
    del terminal.env["COUNTERPROOF_PASSPHRASE"]
    process, screen = pty.fork()
    if process == 0:
        command = [str(SCRIPT), "decide", plan, "approve", "--as", "ada", "--comment", "c"]
        os.execve(command[0], command, terminal.environ())
    shown = b""
    while b"Passphrase of ada" not in shown:
        shown += os.read(screen, 4096)
    os.write(screen, b"\x04")
    with contextlib.suppress(OSError):  # a terminal whose process has ended
        while os.read(screen, 4096):
            pass
    os.close(screen)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 2
    (why,) = _refusals(terminal, plan)
    assert "the input ended" in why


_ADD = ("reviewers", "add", "eva", "--name", "Eva")


def test_a_key_without_passphrase_is_used_though_one_is_set(terminal: Terminal) -> None:
    with Endpoint(script()) as endpoint:
        terminal.ok(*_ADD, "--role", "investigator", "--no-passphrase")
        _, checkpoint = terminal.waiting(endpoint.base_url)
    assert terminal.decide(checkpoint, by="eva").code == 0


def test_deciding_twice_says_who_decided_before(terminal: Terminal, plan: str) -> None:
    assert terminal.decide(plan).code == 0
    again = terminal.decide(plan, "reject")
    assert again.code == 2
    assert "was already decided by ada (approve). Nothing was changed." in again.err


def test_a_decision_names_the_seen_digest_and_how_to_go_on(terminal: Terminal, plan: str) -> None:
    exact = terminal.ok("show", plan, "--json").out.encode()
    digest = sha256(exact).hexdigest()
    decided = terminal.decide(plan, "approve", "--seen", digest[:12])
    assert decided.out == f"{plan}: approve over {digest}\n"
    assert f"counterproof run {plan.partition('.')[0]}" in decided.err
    assert "approve by Ada" in terminal.ok("show", plan).out


def test_a_revoked_reviewer_decides_nothing(terminal: Terminal, plan: str) -> None:
    terminal.ok("reviewers", "revoke", "ada")
    assert "no active reviewer 'ada': revoked from" in terminal.decide(plan).err


def test_a_release_of_something_else_than_is_shown_is_not_signed(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.reviewer("ada")
    with Endpoint(script()) as endpoint:
        study = terminal.new(endpoint.base_url)
        for kind in ("plan", "code"):
            assert terminal.run("run", study).code == 3
            assert terminal.decide(f"{study}.{kind}.1").code == 0
        assert terminal.run("run", study).code == 3
    release = f"{study}.release.1"
    with monkeypatch.context() as patched:
        patched.setattr(releases, "proposed_release", lambda *_args: ({"results": []}, ()))
        refused = terminal.decide(release)
    assert refused.code == 1
    (why,) = _refusals(terminal, release)
    assert why.endswith("was put up with another document than what it shows would let go.")
    assert why in refused.err
    assert terminal.decide(release).code == 0


def test_an_edited_plan_is_a_new_checkpoint(terminal: Terminal) -> None:
    with Endpoint(script()) as endpoint:
        terminal.reviewer("ada")
        study, checkpoint = terminal.waiting(endpoint.base_url)
        edited = {**terminal.ok("show", checkpoint, "--editable").json, "title": "Another title"}
        path = terminal.file("plan.json", json.dumps(edited).encode())
        assert terminal.decide(checkpoint, "edit", "--file", path).code == 0
        assert terminal.run("run", study).code == 3
        (waiting,) = terminal.ok("inbox", "--json").json
    assert waiting["checkpoint"] == f"{study}.plan.2"
    assert "# Another title" in terminal.ok("show", waiting["checkpoint"]).out


def test_a_rejected_plan_is_drafted_anew(terminal: Terminal) -> None:
    with Endpoint(script(planner=[planned(title="One"), planned(title="Two")])) as endpoint:
        terminal.reviewer("ada")
        study, checkpoint = terminal.waiting(endpoint.base_url)
        assert terminal.decide(checkpoint, "reject").code == 0
        assert terminal.run("run", study).code == 3
        assert "Looked at it." in endpoint.prompt("planner")
    assert "# Two" in terminal.ok("show", f"{study}.plan.2").out


@pytest.mark.parametrize(
    ("reviewer", "says"),
    [
        ("Bob X", "'Bob X' can't be a reviewer's id. Lower-case letters, digits"),
        ("../bob", "'../bob' can't be a reviewer's id"),
        ("a/b", "'a/b' can't be a reviewer's id"),
        ("", "'' can't be a reviewer's id"),
        (".", "'.' can't be a reviewer's id"),
        ("ünï", "'ünï' can't be a reviewer's id"),
        ("b\x1b[31m", r"'b\x1b[31m' can't be a reviewer's id"),
        ("b" * 41, "at most 40"),
    ],
)
def test_an_odd_reviewer_id_is_refused_and_leaves_no_file(terminal: Terminal, reviewer: str, says: str) -> None:
    terminal.ok("show")
    before = sorted(path for path in terminal.folder.rglob("*") if path.is_file())
    ended = terminal.run("reviewers", "add", reviewer, "--name", "B", "--role", "custodian")
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert sorted(path for path in terminal.folder.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--name", "", "--role", "custodian"), ("The reviewer has no name",)),
        (("--name", "E\x1b[31m", "--role", "custodian"), ("holds control characters",)),
        (("--name", "E\nF", "--role", "custodian"), ("holds control characters",)),
        (("--name", "Eva"), ("Missing option '--role'",)),
        (("--name", "Eva", "--role", "boss"), ("'boss' is not one of 'investigator', 'statistician', 'custodian'",)),
        (
            ("--name", "Eva", "--role", "custodian", "--affiliation", "X", "--ror", "1"),
            ("'1' is not a ROR id", "ror.org"),
        ),
        (("--name", "Eva", "--role", "custodian", "--orcid", "1"), ("'1' is not an ORCID iD", "0000-0002-1825-0097")),
        (("--name", "Eva", "--role", "custodian", "--public-key", "nowhere"), ("nowhere can't be read",)),
        (("--name", "Eva", "--role", "custodian", "--public-key", "DATA"), ("is not an Ed25519 SSH public key",)),
        (("--name", "Eva", "--role", "custodian", "--public-key", "PUB"), ("belongs to another reviewer already",)),
    ],
)
def test_a_wrong_reviewer_is_refused(terminal: Terminal, options: tuple[str, ...], says: tuple[str, ...]) -> None:
    terminal.reviewer("ada")
    named = {"DATA": terminal.file("trial.csv", trial_csv()), "PUB": str(terminal.home / "keys" / "ada.pub")}
    ended = terminal.run("reviewers", "add", "eva", *[named.get(option, option) for option in options])
    assert (ended.code, ended.out) == (2, "")
    assert [text for text in says if text not in ended.err] == [], ended.err
    assert [row["id"] for row in terminal.ok("reviewers", "list", "--json").json] == ["ada"]


def test_a_reviewer_that_exists_keeps_the_key(terminal: Terminal) -> None:
    terminal.reviewer("ada")
    before = (terminal.home / "keys" / "ada").read_bytes()
    assert "There is a key at" in terminal.run("reviewers", "add", "ada", "--name", "A", "--role", "custodian").err
    assert (terminal.home / "keys" / "ada").read_bytes() == before
    assert "no active reviewer 'bob'" in terminal.run("reviewers", "revoke", "bob").err


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Terminal, str, Path]:
    """A study of people that has ended: the terminal, its id, and its bundle."""
    terminal = Terminal(folder=tmp_path_factory.mktemp("ended"))
    with Endpoint(script()) as endpoint:
        study = terminal.to_the_end(endpoint.base_url)
    bundle = terminal.folder / "trial.zip"
    terminal.ok("export", study, "-o", str(bundle))
    return terminal, study, bundle


def test_export_of_an_unfinished_study_is_refused(terminal: Terminal, plan: str) -> None:
    target = terminal.folder / "x.zip"
    refused = terminal.run("export", plan.partition(".")[0], "-o", str(target))
    assert refused.code == 2
    assert "has not ended. Run it to its end" in refused.err
    assert not target.exists()


def test_export_replaces_a_file_only_when_forced(ended: tuple[Terminal, str, Path], tmp_path: Path) -> None:
    terminal, study, _ = ended
    target = tmp_path / "mine.zip"
    target.write_text("mine")
    refused = terminal.run("export", study, "-o", str(target))
    assert refused.code == 2
    assert "exists already. Choose another name, or replace it with --force." in refused.err
    assert target.read_text() == "mine"
    terminal.ok("export", study, "-o", str(target), "--force")
    terminal.ok("verify", str(target))


def test_export_makes_a_missing_folder(ended: tuple[Terminal, str, Path], tmp_path: Path) -> None:
    terminal, study, _ = ended
    terminal.ok("export", study, "-o", str(tmp_path / "new" / "folder" / "x.zip"))
    terminal.ok("verify", str(tmp_path / "new" / "folder" / "x.zip"))


@pytest.mark.parametrize("command", ["export", "demo"])
@pytest.mark.parametrize(("target", "code"), [("/proc/x.zip", 4), ("FILE/x.zip", 4), ("FOLDER", 2)])
def test_an_output_that_cannot_be_written_is_refused_at_once(
    ended: tuple[Terminal, str, Path], tmp_path: Path, command: str, target: str, code: int
) -> None:
    terminal, study, bundle = ended
    path = target.replace("FILE", str(bundle)).replace("FOLDER", str(tmp_path))
    refused = terminal.run(command, *([study] if command == "export" else []), "-o", path)
    assert (refused.code, refused.out) == (code, "")
    assert path in refused.err
    assert "[ " not in refused.err


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (None, 2, "There is no bundle"),
        (b"", 1, "is not a readable zip file"),
        (b"no zip", 1, "is not a readable zip file"),
    ],
    ids=["missing", "empty", "no zip"],
)
@pytest.mark.parametrize("command", ["verify", "replay"])
def test_what_is_no_bundle_is_refused(
    terminal: Terminal, command: str, content: bytes | None, code: int, says: str
) -> None:
    path = terminal.folder / "x.zip"
    if content is not None:
        path.write_bytes(content)
    refused = terminal.run(command, str(path))
    assert refused.code == code
    assert says in refused.out + refused.err
    assert not refused.out.startswith("\n")


@pytest.mark.parametrize("command", ["verify", "replay"])
def test_a_folder_is_no_bundle(terminal: Terminal, command: str) -> None:
    refused = terminal.run(command, str(terminal.folder))
    assert (refused.code, refused.out) == (2, "")
    assert "There is no bundle" in refused.err


@pytest.mark.tamper
def test_a_changed_bundle_is_neither_verified_nor_replayed(ended: tuple[Terminal, str, Path], tmp_path: Path) -> None:
    terminal, _, bundle = ended
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    changed = tmp_path / "changed.zip"
    changed.write_bytes(data)
    verified, replayed = terminal.run("verify", str(changed)), terminal.run("replay", str(changed))
    assert (verified.code, replayed.code) == (1, 1)
    assert "The bundle does NOT hold." in verified.out
    assert "A bundle that does not verify is not replayed." in replayed.err
    assert terminal.run("verify", str(changed), "--json").json["ok"] is False


def test_replay_asks_for_the_data_that_the_bundle_lacks(ended: tuple[Terminal, str, Path], tmp_path: Path) -> None:
    terminal, _, bundle = ended
    other = tmp_path / "trial.csv"
    other.write_bytes(trial_csv() + b"0,1,2,3,N,4\n")
    for options in ((), ("--data", str(other))):
        refused = terminal.run("replay", str(bundle), *options)
        assert refused.code == 2
        assert "does not hold the data file trial.csv" in refused.err
    other.write_bytes(trial_csv())
    assert "DIFFERS" not in terminal.ok("replay", str(bundle), "--data", str(other)).out
    assert "Path 'nowhere' does not exist" in terminal.run("replay", str(bundle), "--data", "nowhere").err


def test_a_study_that_has_ended_runs_no_further(ended: tuple[Terminal, str, Path]) -> None:
    terminal, study, _ = ended
    assert terminal.ok("run", study).out == f"{study}: done\n"
    assert f"Next: counterproof export {study}" in terminal.ok("show", study).err
    assert "already decided" in terminal.decide(f"{study}.signoff.1", "withdraw").err
