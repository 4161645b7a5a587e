"""Wrong input: each gets a text that says what, the value, what is allowed and what to do, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from ..endpoint import Endpoint
from ..lab import NOWHERE, planned, program, reported, script, trial_csv, written
from .terminal import Terminal

GOOD = trial_csv()
ENTRY = b'[models.a]\nmodel = "a"\nbase_url = "http://127.0.0.1:9/v1"\n'
ESCAPE = "\x1b[31m\x9b31m\u202e"


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A terminal with an empty store."""
    return Terminal(folder=tmp_path)


def _refused(terminal: Terminal, *arguments: str, says: tuple[str, ...], code: int = 2) -> None:
    """The command ends with an error text, without traceback and without a word on standard output."""
    ended = terminal.run(*arguments)
    assert (ended.code, ended.out) == (code, ""), ended
    assert "Traceback" not in ended.err
    missing = [text for text in says if text not in ended.err]
    assert missing == [], ended.err


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("zero.csv", b"", ("zero.csv is empty (0 bytes)", "Give a CSV file with a header")),
        ("blank.csv", b"\n\n", ("blank.csv is empty",)),
        ("head.csv", b"a,b\n", ("has a header and no row", "at least one row")),
        (
            "nohead.csv",
            b"1,2\n3,4\n",
            ("has no header", "its first line holds 2 values", "Put the names of the columns into the first line"),
        ),
        ("twice.csv", b"a,a\n1,2\n", ("the column name 'a' stands 2 times", "Rename one")),
        ("noname.csv", b"a,\n1,2\n", ("noname.csv",)),
        ("ragged.csv", b"a,b\n1,2\n1\n", ("line 3: 1 values", "2 columns")),
        ("binary.csv", bytes(range(256)), ("binary.csv is a binary file", "export the table as CSV")),
        ("excel.csv", "a,b\n1,2\n".encode("utf-16"), ("excel.csv is a binary file",)),
        ("latin.csv", "näme,b\n1,2\n".encode("latin-1"), ("not UTF-8", "0xe4 at offset 1", "iconv -f WINDOWS-1252")),
        ("sp ace.csv", GOOD, ("'sp ace.csv'", "Allowed are up to 120 letters", "Rename the file")),
        ("e\x1b[31m.csv", GOOD, (r"e\x1b[31m.csv", "Rename the file")),
    ],
    ids=lambda value: value if isinstance(value, str) and value.endswith(".csv") and value.isprintable() else "",
)
def test_a_wrong_data_file_is_refused(terminal: Terminal, name: str, content: bytes, says: tuple[str, ...]) -> None:
    path = terminal.file(name, content)
    _refused(terminal, "new", "--data", path, "--question", "Why?", "--model", "m", "--base-url", NOWHERE, says=says)
    assert terminal.ok("show", "--json").json == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("--data", "nowhere.csv", "--question", "Why?"),
            ("nowhere.csv does not exist", "Check the path"),
        ),
        (("--data", ".", "--question", "Why?"), (". is no file", "one data file")),
        (
            ("--data", "DATA", "--data", "DATA", "--question", "Why?"),
            ("Two data files are called 'trial.csv'",),
        ),
        (("--data", "DATA"), ("Missing option '--question'",)),
        (("--question", "Why?"), ("No data file was given", "--data")),
        (("--data", "DATA", "--question", ""), ("The question is empty", "--question")),
        (("--data", "DATA", "--question", "  \n "), ("The question is empty",)),
        (("--data", "DATA", "--question", "x" * 100_000), ("100,000 characters", "At most 20,000", "--codebook")),
        (("--data", "DATA", "--question", "a\x1b[31m"), ("control characters", "plain text")),
        (("--data", "DATA", "--question", "\udcff"), (r"'\udcff' is not UTF-8",)),
        (("--data", "DATA", "--question", "@nowhere.md"), ("The file nowhere.md does not exist",)),
        (("--data", "DATA", "--question", "Why?", "--codebook", "nowhere.md"), ("nowhere.md does not exist",)),
        (("--data", "DATA", "--question", "Why?", "--codebook", "."), (". can't be read",)),
    ],
    ids=lambda value: " ".join(value)[-40:] if isinstance(value, tuple) and value[0].startswith("--") else "",
)
def test_wrong_options_of_new_are_refused(
    terminal: Terminal, arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    data = terminal.file("trial.csv", GOOD)
    given = [data if argument == "DATA" else argument for argument in arguments]
    _refused(terminal, "new", *given, "--model", "m", "--base-url", NOWHERE, says=says)
    assert terminal.ok("show", "--json").json == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), ("There is no", "models.toml", "--model and --base-url")),
        (("--model", "m"), ("There is no", "models.toml")),
        (("--base-url", NOWHERE), ("--base-url was given without --model", "Name the model")),
        (("--model", "m", "--base-url", "127.0.0.1"), ("'127.0.0.1' is no http(s) address, like http://",)),
        (("--model", "m", "--base-url", "ftp://x/v1"), ("'ftp://x/v1' is no http(s) address",)),
        (("--model", "m", "--base-url", "http://x:99999/v1"), ("'http://x:99999/v1' is no http(s) address",)),
        (("--model", "m", "--base-url", "http://me:secret@x/v1"), ("more than host, port and path", "api_key_env")),
        (("--model", "m", "--base-url", "http://x/v1?key=secret"), ("more than host, port and path",)),
        (("--models", "MODELS", "--model", "z"), ("There is no model 'z'", "Models: a", "Choose one with --model")),
        (("--models", "."), (". can't be read",)),
    ],
)
def test_a_wrong_model_is_refused(terminal: Terminal, options: tuple[str, ...], says: tuple[str, ...]) -> None:
    data, models = terminal.file("trial.csv", GOOD), terminal.file("models.toml", ENTRY)
    given = [models if option == "MODELS" else option for option in options]
    _refused(terminal, "new", "--data", data, "--question", "Why?", *given, says=says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", ("names no model", "[models.NAME]")),
        (b"[models", ("can't be read: Expected ']'",)),
        (b"models = 3", ("names no model",)),
        (b"[models.a]\n", ("[models.a]", "model: Field required", "base_url: Field required")),
        (ENTRY + b'api_key = "sk-secret"\n', ("[models.a]: api_key: Extra inputs are not permitted",)),
        (ENTRY + b'timeout_s = "long"\n', ("timeout_s: Input should be a valid number",)),
        (ENTRY + b"timeout_s = 0\n", ("timeout_s: Input should be greater than 0",)),
        (b"\xff\xfe", ("can't be read",)),
    ],
)
def test_a_broken_models_file_is_refused(terminal: Terminal, text: bytes, says: tuple[str, ...]) -> None:
    _refused(terminal, "models", "--models", terminal.file("models.toml", text), says=("models.toml", *says))


def test_a_key_in_a_models_file_is_not_repeated_in_the_error(terminal: Terminal) -> None:
    path = terminal.file("models.toml", ENTRY + b'api_key = "sk-secret"\n')
    assert "sk-secret" not in terminal.run("models", "--models", path).err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "nowhere"), ("There is no study 'nowhere'", "`counterproof show` lists the studies", "--home")),
        (("run", "../../etc"), ("There is no study '../../etc'",)),
        (("run", ""), ("There is no study ''",)),
        (("run", "%s.plan.1"), ("There is no study",)),
        (("show", "nowhere"), ("There is no study 'nowhere'",)),
        (("show", "nowhere.plan.1"), ("There is no study 'nowhere'",)),
        (("show", "%s.plan.9"), ("There is no checkpoint", "counterproof inbox")),
        (("show", "."), ("'.' is no checkpoint", "study-1a2b3c4d.plan.1")),
        (("show", "\x1b[31m"), ("There is no study '\\x1b[31m'",)),
        (("export", "nowhere", "-o", "x.zip"), ("There is no study 'nowhere'",)),
        (("decide", "x", "approve", "--as", "ada", "--comment", "c"), ("'x' is no checkpoint",)),
        (("nowhere",), ("No such command 'nowhere'",)),
        (("run", "a", "b"), ("unexpected extra argument",)),
        (("run",), ("Missing argument 'STUDY'",)),
    ],
)
def test_what_does_not_exist_is_named(terminal: Terminal, arguments: tuple[str, ...], says: tuple[str, ...]) -> None:
    study = terminal.new(NOWHERE)
    _refused(terminal, *[argument.replace("%s", study) for argument in arguments], says=says)


@contextmanager
def _serving(endpoint: Endpoint, address: str) -> Iterator[None]:
    """Answer at an address that nobody serves now."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reply = endpoint.reply(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(reply.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", urlsplit(address).port or 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is tried twice only, which saves seven seconds of waiting."""
    monkeypatch.setattr("counterproof.agents.chat.TRIES", 2)


def test_an_unreachable_endpoint_stops_the_study_and_loses_nothing(terminal: Terminal, impatient: None) -> None:
    with Endpoint(script()) as endpoint:
        address = endpoint.base_url
        terminal.reviewer("ada")
        study = terminal.new(address)
    _refused(terminal, "run", study, says=("can't be reached", endpoint.host, "Nothing is lost"), code=4)
    _refused(terminal, "run", study, says=("can't be reached",), code=4)
    assert "Status: stopped" in terminal.ok("show", study).out
    with _serving(Endpoint(script()), address):
        assert terminal.run("run", study).code == 3
    assert len([e for e in terminal.ok("show", study, "--json").json["events"] if e["type"] == "plan.drafted"]) == 1


def test_a_missing_key_stops_before_the_call_and_is_said_at_once(terminal: Terminal) -> None:
    with Endpoint(script()) as endpoint:
        data = terminal.file("trial.csv", GOOD)
        options = ("--data", data, "--question", "Why?", "--model", "m", "--base-url", endpoint.base_url)
        made = terminal.ok("new", "--single-user", *options, "--api-key-env", "NOWHERE_KEY")
        assert "NOWHERE_KEY, which holds the endpoint's key, is not set now" in made.err
        study = made.out.strip()
        _refused(terminal, "run", study, says=("NOWHERE_KEY is not set", "run again", "--api-key-env ''"))
        for wrong in ("sk-1\n", "sk 1", "schlüssel"):
            terminal.env["NOWHERE_KEY"] = wrong
            _refused(terminal, "run", study, says=("NOWHERE_KEY holds space or characters that no key has",))
        assert endpoint.bodies == []
        terminal.env["NOWHERE_KEY"] = "sk-1"
        assert terminal.run("run", study).code == 3


def test_two_studies_do_not_disturb_each_other(terminal: Terminal) -> None:
    with Endpoint(script(planner=[planned(title="One"), planned(title="Two")])) as endpoint:
        terminal.reviewer("ada")
        (one, first), (_, second) = terminal.waiting(endpoint.base_url), terminal.waiting(endpoint.base_url)
        assert [row["checkpoint"] for row in terminal.ok("inbox", "--json").json] == [first, second]
        terminal.decide(first, "withdraw")
        assert terminal.run("run", one).code == 0
    assert [row["checkpoint"] for row in terminal.ok("inbox", "--json").json] == [second]
    assert [row["status"] for row in terminal.ok("show", "--json").json] == ["withdrawn", "waiting"]


def test_escape_codes_never_reach_the_terminal(terminal: Terminal) -> None:
    code = program(f"The primary. {ESCAPE[0]}", middle=f"print({ESCAPE!r})")
    answers = script(
        planner=[planned(title=f"Title {ESCAPE}")],
        primary=[written(code.replace(ESCAPE[0], ""))],
        reporter=[reported(methods=f"Means {ESCAPE} were compared.")],
    )
    with Endpoint(answers) as endpoint:
        terminal.reviewer("ada")
        study = terminal.new(endpoint.base_url, "--title", f"T{ESCAPE}\n# x", question="Why\u202e \x9b31m?")
        shown = [terminal.run("show"), terminal.run("show", "--json")]
        for kind in ("plan", "code", "release", "signoff"):
            shown += [terminal.run("run", study), terminal.run("inbox"), terminal.run("inbox", "--json")]
            shown += [
                terminal.run("show", f"{study}.{kind}.1"),
                terminal.run("show", f"{study}.{kind}.1", "--editable"),
            ]
            shown += [terminal.run("show", study), terminal.run("show", study, "--json"), terminal.run("show")]
            shown += [terminal.decide(f"{study}.{kind}.1"), terminal.run("show", f"{study}.{kind}.1")]
        terminal.run("run", study)
        bundle = str(terminal.folder / "x.zip")
        shown += [terminal.run("export", study, "-o", bundle), terminal.run("verify", bundle)]
    raw = [ended for ended in shown if set(ended.out + ended.err) & set(ESCAPE[0] + ESCAPE[5] + "\u202e")]
    assert raw == []
    assert "\ufffd" in shown[0].out
