"""A whole study by hand in a terminal: the installed script, question and CSV in, four signed decisions, a bundle."""

from __future__ import annotations

import re
from typing import Any

import click
import pytest

from counterproof.provenance.policy import Policy, policy_digest, write_policy
from counterproof.scenarios.catalogue import load_scenario
from counterproof.scenarios.recorder import authored_answer
from counterproof.scenarios.server import TurnServer
from counterproof.ui.cli import cli

from ..endpoint import Endpoint
from ..lab import script, trial_csv
from .terminal import ROLES, Ended, Terminal

SCENARIO = load_scenario("lung-survival")
LUNG = SCENARIO.folder / "data" / "lung.csv"


def _source(request: dict[str, Any]) -> dict[str, Any]:
    return authored_answer(SCENARIO, request)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every command of a study by hand on the lung data, by name.

    Each kind of command is at least once a process of its own; the rounds after the first one are run in this process,
    because a start costs two seconds.
    """
    terminal = Terminal(folder=tmp_path_factory.mktemp("walk"))
    ended: dict[str, Ended] = {}
    with TurnServer([], source=_source) as server:
        ended["add"] = terminal.process("reviewers", "add", "ada", "--name", "Ada", *ROLES)
        ended["add another"] = terminal.run("reviewers", "add", "bea", "--name", "Bea", "--role", "custodian")
        model = ("--model", "by-hand", "--base-url", server.base_url, "--api-key-env", "")
        ended["new"] = terminal.process(
            "new", "--author", "ada", "--data", str(LUNG), "--question", SCENARIO.question, *model
        )
        study = ended["new"].out.strip()
        for kind in ("plan", "code", "release", "signoff"):
            checkpoint = f"{study}.{kind}.1"
            command = terminal.process if kind == "plan" else terminal.run
            ended[f"run to {kind}"] = command("run", study)
            ended[f"show {kind}"] = command("show", checkpoint)
            assert ended[f"show {kind}"].code == 0, ended[f"run to {kind}"].err
            seen = ended[f"show {kind}"].out.split("Subject")[1].split()[0]
            by = "bea" if kind == "release" else "ada"
            ended[f"decide {kind}"] = command(
                "decide", checkpoint, "approve", "--as", by, "--comment", "Looked at it.", "--seen", seen
            )
        ended["run to the end"] = terminal.run("run", study)
    for ending in ("html", "docx", "md"):
        ended[f"report {ending}"] = terminal.run("report", study, "-o", str(terminal.folder / f"report.{ending}"))
    ended["plan"] = terminal.run("report", study, "--plan", "-o", str(terminal.folder / "plan.md"))
    ended["export"] = terminal.process("export", study, "-o", "lung.zip")
    ended["verify"] = terminal.process("verify", "lung.zip")
    ended["replay"] = terminal.process("replay", "lung.zip", "--data", str(LUNG))
    return ended


def test_a_study_by_hand_ends_each_command_as_it_should(walk: dict[str, Ended]) -> None:
    codes = {name: ended.code for name, ended in walk.items()}
    assert codes == {name: 3 if name.startswith("run to ") and name != "run to the end" else 0 for name in walk}, walk


def test_a_study_by_hand_gives_the_published_answer(walk: dict[str, Ended]) -> None:
    shown = walk["show signoff"].out
    assert "hazard ratio 0.588 (95% interval 0.424 to 0.816" in shown
    assert "165 died" in shown
    assert "426 days in 90 women and 270 days in 138 men" in shown


def test_the_subject_of_a_release_alone_is_shown_with_a_salt(walk: dict[str, Ended]) -> None:
    salts = {
        name.removeprefix("show "): re.findall(r"^Salt +([0-9a-f]{64}) \(hexadecimal", ended.out, re.MULTILINE)
        for name, ended in walk.items()
        if name.startswith("show ")
    }
    assert {kind: len(found) for kind, found in salts.items()} == {"plan": 0, "code": 0, "release": 1, "signoff": 0}


def test_a_study_by_hand_is_reviewed_by_people_and_verifies(walk: dict[str, Ended]) -> None:
    assert walk["export"].out == "lung.zip (reviewed by people)\n"
    assert "The bundle holds." in walk["verify"].out
    assert re.findall(r"approve by (Ada|Bea)", walk["verify"].out) == ["Ada", "Ada", "Bea", "Ada"]


def test_a_study_by_hand_is_replayed_with_every_digest_the_same(walk: dict[str, Ended]) -> None:
    assert "31 of 31 digests are the same" in walk["replay"].out
    assert "DIFFERS" not in walk["replay"].out


def test_a_waiting_study_is_no_error_and_says_what_to_do(walk: dict[str, Ended]) -> None:
    said = walk["run to plan"].err.splitlines()[-1]
    assert "Error" not in said
    assert "counterproof decide study-" in said
    assert walk["run to plan"].out.startswith("study-")


def test_progress_goes_to_standard_error(walk: dict[str, Ended]) -> None:
    for name, ended in walk.items():
        assert not re.search(r"^\[ +[0-9.]+ s\]", ended.out, re.MULTILINE), name
    assert "execute: the approved programs on the real data" in walk["run to release"].err


_WITH_OTHERS = {
    "demo",
    "compare",
    "synth notes",
    "synth judge",
    "synth evaluate-texts",
    "synth review close",
    "synth corpus",
    "synth training-set",
}
"""These have tests of their own: `demo` with the network, others with a model that is asked, a person who rates, or a
set that has to be made first."""


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each command prints with --json, in the course of one study."""
    terminal = Terminal(folder=tmp_path_factory.mktemp("json"))
    models = terminal.file("models.toml", b'[models.a]\nmodel = "a"\nbase_url = "http://127.0.0.1:9/v1"\n')
    bundle = str(terminal.folder / "trial.zip")
    found: dict[str, Any] = {}
    names = sorted(_with_json(cli), key=len, reverse=True)
    with Endpoint(script()) as endpoint:

        def ask(*arguments: str, codes: tuple[int, ...] = (0,)) -> Any:
            ended = terminal.run(*arguments, "--json")
            assert ended.code in codes, ended.err
            name = next(name for name in names if list(arguments[: len(name.split())]) == name.split())
            found[name] = ended.json
            return ended.json

        ask("reviewers", "add", "ada", "--name", "Ada", *ROLES)
        ask("reviewers", "add", "bea", "--name", "Bea", "--role", "custodian")
        assert [row["id"] for row in ask("reviewers", "list")] == ["ada", "bea"]
        assert ask("accounts", "list") == {}
        assert ask("accounts", "log") == []
        ask("models", "--models", models)
        ask("scenarios", "list")
        ask("sandbox", "check")
        ask("sandbox", "build")
        assert ask("sandbox", "bench", "--rounds", "3")["warm_ms"] > 0
        assert [row["name"] for row in ask("env", "list")][:2] == ["python", "r"]
        assert ask("env", "show", "python")["packages"]
        assert ask("env", "build", "python")["language"] == "python"
        model = ("--model", "m", "--base-url", endpoint.base_url, "--api-key-env", "")
        data = terminal.file("trial.csv", trial_csv())
        ask("data", "add", data)
        assert [row["name"] for row in ask("data", "list")] == ["trial.csv"]
        ask("data", "rotate")
        made = str(terminal.folder / "made" / "trial.synthetic.csv")
        card = str(terminal.folder / "made" / "card.json")
        ask("synth", "make", data, "--maker", "marginals", "-o", str(terminal.folder / "made"))
        assert ask("synth", "check", made, "--card", card)["ok"]
        ask("synth", "evaluate", data, made, "--card", card, "-o", str(terminal.folder / "again"), codes=(0, 1))
        ask("synth", "review", "start", data, made, "--items", "4", "-o", str(terminal.folder / "rated"))
        assert ask("gate", "check")["files"] == 1
        rules = terminal.file("policy.toml", write_policy(Policy()))
        assert ask("policy", "check", rules)["single_user"] is False
        assert ask("policy", "set", rules) == {"policy": policy_digest(write_policy(Policy()))}
        assert ask("policy", "show")["single_user"] is False
        study = ask("new", "--author", "ada", "--data", data, "--question", "Do scores differ?", *model)["study"]
        assert ask("identifiers", study) == []
        more = ask("budget", "extend", study, "--as", "ada", "--add", "repairs=1", "--comment", "One more.")
        assert more["extra"]["repairs"] == 1
        assert {row["budget"]: row["added"] for row in ask("budget", "show", study)}["repairs"] == 1
        for _ in range(4):
            ask("run", study, codes=(3,))
            (waiting,) = ask("inbox")
            assert ask("show", waiting["checkpoint"])["study"] == study
            by = "bea" if ".release." in waiting["checkpoint"] else "ada"
            ask("decide", waiting["checkpoint"], "approve", "--as", by, "--comment", "Looked at it.")
        assert ask("run", study)["status"] == "done"
    assert [row["id"] for row in ask("show")] == [study]
    assert ask("show", study)["events"][0]["type"] == "study.created"
    assert ask("statement", study)["counts"]["present"] > 20
    report = str(terminal.folder / "report.md")
    assert ask("report", study, "-o", report) == {"file": report}
    assert ask("export", study, "-o", bundle)["review"] == "reviewed by people"
    assert ask("verify", bundle)["ok"]
    assert ask("replay", bundle, "--data", data)["ok"]
    assert ask("data", "forget", "trial.csv", "--reason", "The study has ended.")["name"] == "trial.csv"
    wanted = terminal.file("set.json", b'{"kind": "table", "may": "Teaching.", "may_not": "Findings."}')
    assert ask("synth", "study", wanted, "--data", data, "--author", "ada")["study"].startswith("study-")
    return found


def test_json_of_every_command_is_one_document(documents: dict[str, Any]) -> None:
    assert set(documents) | _WITH_OTHERS == set(_with_json(cli))


def _with_json(group: click.Group, prefix: str = "") -> list[str]:
    """Return the commands that have --json."""
    found = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found += _with_json(command, f"{prefix}{name} ")
        elif command is not None and any("--json" in option.opts for option in command.params):
            found.append(prefix + name)
    return found
