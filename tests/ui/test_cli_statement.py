"""The transparency statement in a terminal: shown, answered, written, and taken into the bundle."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from hashlib import sha256
from pathlib import Path

import docx
import pytest

from counterproof.provenance.transparency import load_checklist

from ..endpoint import Endpoint
from ..lab import script
from .terminal import Terminal

GOOD = b'[A4]\nanswer = "Ada is accountable."\n[B6]\nnot_applicable = "No model was trained."\n'


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store with a study whose plan waits for a decision. Don't write there."""
    terminal = Terminal(folder=tmp_path_factory.mktemp("begun"))
    terminal.reviewer("ada")
    with Endpoint(script()) as endpoint:
        study, _ = terminal.waiting(endpoint.base_url)
    return terminal.home, study


@pytest.fixture
def terminal(tmp_path: Path, begun: tuple[Path, str]) -> Terminal:
    """A terminal with that study."""
    made = Terminal(folder=tmp_path)
    shutil.copytree(begun[0], made.home)
    return made


@pytest.fixture
def study(begun: tuple[Path, str]) -> str:
    """Its id."""
    return begun[1]


def _withdraw(terminal: Terminal, study: str) -> None:
    terminal.ok("decide", f"{study}.plan.1", "withdraw", "--as", "ada", "--comment", "Not now.")
    terminal.ok("run", study)


def _kept(terminal: Terminal, study: str) -> Path:
    return terminal.home / "studies" / study / "answers.toml"


def test_statement_shows_each_item_and_how_many(terminal: Terminal, study: str) -> None:
    shown = terminal.ok("statement", study)
    assert all(any(line.startswith(f"{item.id} ") for line in shown.out.splitlines()) for item in load_checklist().item)
    assert "of 59 items present" in shown.out
    assert "Answers: none were given." in shown.out
    assert f"items wait for you: counterproof statement {study} --template answers.toml" in shown.err


def test_statement_as_json_counts_what_it_lists(terminal: Terminal, study: str) -> None:
    found = terminal.ok("statement", study, "--json").json
    statuses = [item["status"] for item in found["items"]]
    assert found["counts"] == {name: statuses.count(name) for name in ("present", "not_applicable", "missing")}
    assert sum(found["counts"].values()) == 59
    assert (found["study"], found["ended"], found["answers"]) == (study, "", "")


def test_template_filled_in_is_kept_and_shown(terminal: Terminal, study: str) -> None:
    template = terminal.folder / "answers.toml"
    assert f"--answers {template}" in terminal.ok("statement", study, "--template", str(template)).err
    text = template.read_text().replace('[A4]\nanswer = """"""', '[A4]\nanswer = """Ada is accountable."""')
    template.write_text(text)
    kept = terminal.ok("statement", study, "--answers", str(template), "--json").json
    assert kept["answered"] == ["A4"]
    assert "A4" not in kept["waiting"]
    assert kept["answers"] == sha256(text.encode()).hexdigest()
    assert _kept(terminal, study).read_text() == text
    after = terminal.ok("statement", study).out
    assert "A4   present" in after
    assert f"given by a person in answers.toml (sha256 {kept['answers']}), not by the record" in after


def test_answers_are_replaced_by_later_ones(terminal: Terminal, study: str) -> None:
    terminal.ok("statement", study, "--answers", terminal.file("one.toml", GOOD))
    terminal.ok("statement", study, "--answers", terminal.file("two.toml", b'[A5]\nanswer = "We do."\n'))
    found = {item["id"]: item["status"] for item in terminal.ok("statement", study, "--json").json["items"]}
    assert (found["A4"], found["A5"], found["B6"]) == ("missing", "present", "missing")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[A4", ("bad.toml: The answers are no TOML", "Start from the template")),
        (b"\xff\xfe[A4]", ("no UTF-8 text", "Save the file as UTF-8")),
        (b"A4 = " + b"[" * 50_000, ("The answers are no TOML",)),
        (b'[Z1]\nanswer = "x"', ("The answers name 'Z1'", "Items: A1")),
        (b'[B1]\nanswer = "x"', ("B1, which is filled from the record", "nobody can overrule it")),
        (b'[A4]\nanswer = "x"\nnot_applicable = "y"', ("A4 has an answer and a reason", "Keep one of them")),
        (b'[A4]\nanswer = " "', ("answers nothing", "Fill in `answer` or `not_applicable`")),
        (b"", ("answers nothing",)),
    ],
    ids=["no toml", "no utf-8", "deep", "unknown", "auto", "both", "blank", "empty"],
)
def test_bad_answers_are_refused_and_the_old_ones_stay(
    terminal: Terminal, study: str, content: bytes, says: tuple[str, ...]
) -> None:
    terminal.ok("statement", study, "--answers", terminal.file("good.toml", GOOD))
    ended = terminal.run("statement", study, "--answers", terminal.file("bad.toml", content))
    assert (ended.code, ended.out) == (2, "")
    assert [text for text in says if text not in ended.err] == []
    assert _kept(terminal, study).read_bytes() == GOOD


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--answers", "nowhere.toml"), ("nowhere.toml does not exist", "--template nowhere.toml")),
        (("--format", "html"), ("--format was given without -o", "Name the file")),
        (("-o", "statement.pdf"), ("The ending of statement.pdf", "Endings: .html, .docx, .json, .txt", "--format")),
        (("-o", "statement", "--format", "pdf"), ("'pdf' is not one of", "'html', 'docx', 'json', 'text'")),
        (("-o", "a.html", "--template", "b.toml"), ("given together", "one of them at a time")),
    ],
    ids=["no file", "no output", "ending", "format", "two"],
)
def test_wrong_options_are_refused(
    terminal: Terminal, study: str, arguments: tuple[str, ...], says: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(terminal.folder)
    ended = terminal.run("statement", study, *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert [text for text in says if text not in ended.err] == []
    assert [path.name for path in terminal.folder.iterdir()] == ["home"]


def test_template_never_overwrites(terminal: Terminal, study: str) -> None:
    path = terminal.file("answers.toml", GOOD)
    ended = terminal.run("statement", study, "--template", path)
    assert ended.code == 2
    assert "exists already, and may hold answers. Choose another name" in ended.err
    assert Path(path).read_bytes() == GOOD


def test_statement_of_no_study_is_refused(terminal: Terminal) -> None:
    ended = terminal.run("statement", "study-00000000")
    assert ended.code == 2
    assert "study-00000000" in ended.err


@pytest.mark.parametrize(
    ("name", "format_", "begins"),
    [
        ("s.html", (), b"<!"),
        ("s.docx", (), b"PK"),
        ("s.json", (), b"{"),
        ("s.txt", (), b"Transparency statement:"),
        ("noending", ("--format", "text"), b"Transparency statement:"),
        ("s.html", ("--format", "json"), b"{"),
    ],
    ids=["html", "docx", "json", "text", "named", "named otherwise"],
)
def test_statement_is_written_in_each_format(
    terminal: Terminal, study: str, name: str, format_: tuple[str, ...], begins: bytes
) -> None:
    terminal.ok("statement", study, "--answers", terminal.file("good.toml", GOOD))
    target = terminal.folder / name
    terminal.ok("statement", study, "-o", str(target), *format_)
    data = target.read_bytes()
    assert data.startswith(begins)
    words = "\n".join(line.text for line in docx.Document(io.BytesIO(data)).paragraphs) if begins == b"PK" else ""
    assert "Ada is accountable." in (words or data.decode())
    assert b"complian" not in data.lower()
    again = terminal.run("statement", study, "-o", str(target), *format_)
    assert again.code == 2
    assert "Choose another name, or replace it with --force" in again.err
    terminal.ok("statement", study, "-o", str(target), *format_, "--force")
    assert target.read_bytes() == data


def test_export_takes_the_answers_along_and_verifies(terminal: Terminal, study: str) -> None:
    kept = terminal.ok("statement", study, "--answers", terminal.file("good.toml", GOOD))
    assert "The sign-off signs them as they are when it is put up." in kept.err
    _withdraw(terminal, study)
    bundle = terminal.folder / "study.zip"
    exported = terminal.ok("export", study, "-o", str(bundle))
    assert f"items that nobody answered: counterproof statement {study}" in exported.err
    with zipfile.ZipFile(bundle) as archive:
        assert archive.read(f"{study}/data/transparency/answers.toml") == GOOD
        made = json.loads(archive.read(f"{study}/data/transparency/statement.json"))
    found = {item["id"]: item for item in made["items"]}
    assert made["answers"] == sha256(GOOD).hexdigest()
    assert found["A4"]["answer"] == "Ada is accountable."
    assert (found["B6"]["status"], found["B6"]["reason"]) == ("not_applicable", "No model was trained.")
    assert "with the answers of a person" in terminal.ok("verify", str(bundle)).out


def test_after_the_end_answers_are_closed(terminal: Terminal, study: str) -> None:
    terminal.ok("statement", study, "--answers", terminal.file("good.toml", GOOD))
    _withdraw(terminal, study)
    late = terminal.run("statement", study, "--answers", terminal.file("late.toml", b'[A5]\nanswer = "We do."\n'))
    assert (late.code, late.out) == (2, "")
    assert f"Study {study} has ended, and its answers are closed: {sha256(GOOD).hexdigest()}" in late.err
    assert "Answers can be given and changed until the report is signed off." in late.err
    _kept(terminal, study).write_bytes(b'[A5]\nanswer = "We do."\n')
    found = terminal.ok("statement", study, "--json").json
    assert (found["ended"], found["answers"]) == ("withdrawn", sha256(GOOD).hexdigest())


def test_spoilt_answers_stop_the_study_and_name_the_file(terminal: Terminal, study: str) -> None:
    _kept(terminal, study).write_bytes(b"[A4")
    terminal.ok("decide", f"{study}.plan.1", "withdraw", "--as", "ada", "--comment", "Not now.")
    ended = terminal.run("run", study)
    assert ended.code == 2
    assert "answers.toml: The answers are no TOML" in ended.err
    terminal.ok("statement", study, "--answers", terminal.file("good.toml", GOOD))
    terminal.ok("run", study)
    assert terminal.ok("statement", study, "--json").json["ended"] == "withdrawn"


def test_answers_that_change_at_the_sign_off_need_a_new_one(tmp_path: Path) -> None:
    terminal = Terminal(folder=tmp_path)
    terminal.reviewer("ada")
    with Endpoint(script()) as endpoint:
        study, _ = terminal.waiting(endpoint.base_url)
        for kind in ("plan", "code", "release"):
            terminal.decide(f"{study}.{kind}.1")
            terminal.run("run", study)
    first, second = f"{study}.signoff.1", f"{study}.signoff.2"
    shown = terminal.ok("show", first).out
    assert "== The transparency statement, which is signed with the report" in shown
    assert "Answers    none were given" in shown
    assert "Signature  approve: responsibility, edit: authorship, reject: review, withdraw: review" in shown
    assert "- A4 (person): " in shown
    kept = terminal.ok("statement", study, "--answers", terminal.file("good.toml", GOOD)).err
    assert f"{first} was put up before and does not sign them." in kept
    refused = terminal.decide(first)
    assert refused.code == 2
    assert f"{first} was put up with no answers to the transparency statement, and now there are the" in refused.err
    assert "Decide `edit`, the report changed or not" in refused.err
    same = terminal.file("edit.json", terminal.ok("show", first, "--editable").out.encode())
    assert "meaning: authorship" in terminal.decide(first, "edit", "--file", same).err
    assert terminal.run("run", study).code == 3
    shown = terminal.ok("show", second).out
    assert f"Answers    {sha256(GOOD).hexdigest()}" in shown
    assert "- A4 (person): " not in shown
    nothing = terminal.decide(second, "edit", "--file", same)
    assert "The edit changes nothing." in nothing.err
    assert terminal.decide(second).code == 0
    terminal.ok("run", study)
    late = terminal.run("statement", study, "--answers", terminal.file("late.toml", b'[A5]\nanswer = "We do."\n'))
    assert "has ended, and its answers were signed off" in late.err
    assert terminal.ok("verify", str(terminal.home / "studies" / study / "bundle.zip")).code == 0
