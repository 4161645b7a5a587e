"""The command: a set is made, checked and judged from the shell, by a model too."""

from __future__ import annotations

import io
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from counterproof.scenarios.recorder import chat_completion
from counterproof.scenarios.server import TurnServer
from counterproof.ui import cli

pytestmark = pytest.mark.synthetic
LBW = Path(__file__).parents[2] / "scenarios" / "low-birth-weight" / "data" / "lbw.csv"


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run the command line and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["counterproof", "synth", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_set_is_made_checked_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert _run(monkeypatch, "make", LBW, "--maker", "copula", "--formula", "low ~ age + lwt", "-o", out, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["files"] == ["card.json", "lbw.synthetic.csv", "report.html", "summary.md"]
    assert sorted(path.name for path in out.iterdir()) == said["files"]
    made, card = out / "lbw.synthetic.csv", out / "card.json"
    assert _run(monkeypatch, "check", made, "--card", card) == 0
    made.write_bytes(made.read_bytes().replace(b'"2","', b'"3","', 1))
    assert _run(monkeypatch, "check", made, "--card", card) == 1
    assert "The card is over other rows" in capsys.readouterr().err


def test_a_copy_is_flagged_and_the_command_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = LBW.read_text(encoding="utf-8").splitlines()
    seen, others = tmp_path / "seen.csv", tmp_path / "others.csv"
    seen.write_text("\n".join(lines[:120]) + "\n", encoding="utf-8")
    others.write_text("\n".join([lines[0], *lines[120:]]) + "\n", encoding="utf-8")
    given = ["evaluate", seen, seen, "--holdout", others, "-o", tmp_path / "out"]
    assert _run(monkeypatch, *given, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert {"privacy.exact_rows", "privacy.nearer_to_training"} <= set(said["flagged"])


def test_a_model_makes_rows_that_come_again_from_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        chance = random.Random(json.dumps(request["messages"]))
        text = request["messages"][1]["content"]
        columns = json.JSONDecoder().raw_decode(text[text.index("{") :])[0]["columns"]
        rows = [[_cell(one, chance) for one in columns] for _ in range(25)]
        return chat_completion(json.dumps({"rows": rows}), request)

    out = tmp_path / "out"
    with TurnServer([], source=answer) as server:
        given = ["make", LBW, "--maker", "model", "--model", "made-up", "--base-url", server.base_url]
        given += ["--api-key-env", "", "--rows", "50", "-o", out, "--json"]
        assert _run(monkeypatch, *given) == 0
        first, asked = json.loads(capsys.readouterr().out), len(server.turns)
        assert _run(monkeypatch, *given) == 0
        assert len(server.turns) == asked
    assert json.loads(capsys.readouterr().out) == first
    assert json.loads((out / "card.json").read_bytes())["provenance"]["maker"]["maker"] == "model"


def test_three_people_rate_at_the_terminal_and_the_card_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, session = tmp_path / "out", tmp_path / "session"
    made, card = out / "lbw.synthetic.csv", out / "card.json"
    assert _run(monkeypatch, "make", LBW, "--maker", "marginals", "-o", out) == 0
    assert _run(monkeypatch, "review", "start", LBW, made, "--items", 40, "-o", session) == 0
    for rater in ("ada", "ben", "cyd"):
        monkeypatch.setattr(sys, "stdin", io.StringIO("r\n4\n9\n4\n" + "q\n"))
        assert _run(monkeypatch, "review", "rate", session, "--as", rater) == 0
        monkeypatch.setattr(sys, "stdin", io.StringIO("s\n2\n3\n" * 39))
        assert _run(monkeypatch, "review", "rate", session, "--as", rater) == 0
    capsys.readouterr()
    given = ["review", "close", session, "--synthetic", made, "--card", card, "-o", tmp_path / "anew"]
    assert _run(monkeypatch, *given) == 0
    human = json.loads((tmp_path / "anew" / "card.json").read_bytes())["human"]
    assert human["status"] == "assessed"
    assert human["facts"]["ratings"] == 120
    assert _run(monkeypatch, "check", tmp_path / "anew" / made.name, "--card", tmp_path / "anew" / "card.json") == 0


def test_a_model_judges_only_what_may_be_shown_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    made, card = out / "lbw.synthetic.csv", out / "card.json"
    assert _run(monkeypatch, "make", LBW, "--maker", "marginals", "-o", out) == 0
    answer = json.dumps({"more_real": "A", "realism": [3, 3], "plausibility": [3, 3], "coherence": [3, 3]})
    with TurnServer([], source=lambda request: chat_completion(answer, request)) as server:
        given = ["judge", LBW, made, "--card", card, "--pairs", 20, "--model", "made-up", "--base-url", server.base_url]
        given += ["--api-key-env", "", "-o", tmp_path / "anew"]
        assert _run(monkeypatch, *given) == 2
        assert not server.turns
        assert _run(monkeypatch, *given, "--show-real-to-model") == 0
        assert len(server.turns) == 40
    judge = json.loads((tmp_path / "anew" / "card.json").read_bytes())["judge"]
    assert "the judge chooses by place" in judge["reason"]


def test_texts_are_judged_from_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "letters.jsonl"
    said = [f"Patient {at} walks {at} steps and sleeps {at * 7} hours in ward {at % 3}." for at in range(8)]
    lines = [{"id": str(at), "text": text} for at, text in enumerate(said)]
    lines[3]["text"] = "Please call Dr. Anna Miller at 212-555-0142."
    texts.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert _run(monkeypatch, "evaluate-texts", texts, "-o", tmp_path / "out", "--json") == 1
    assert json.loads(capsys.readouterr().out)["flagged"] == ["privacy.identifiers"]
    texts.write_text('{"id": "1"}\n', encoding="utf-8")
    assert _run(monkeypatch, "evaluate-texts", texts, "-o", tmp_path / "out") == 2
    assert "letters.jsonl, line 1, is no document" in capsys.readouterr().err


def test_the_maker_model_needs_an_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "make", LBW, "--maker", "model", "-o", tmp_path / "out") == 2
    assert "needs --model and --base-url" in capsys.readouterr().err


def test_a_set_with_differential_privacy_says_its_epsilon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = LBW.read_text(encoding="utf-8").partition("\n")[0].split(",")
    public = "".join(f"{name} = {{bounds = [0, 6000], missing = false}}\n" for name in header)
    policy, out = tmp_path / "policy.toml", tmp_path / "out"
    policy.write_text(f'[data."lbw.csv".columns]\n{public}', encoding="utf-8")
    given = ["make", LBW, "--maker", "dp", "--policy", policy, "-o", out]
    assert _run(monkeypatch, *given) == 2
    assert _run(monkeypatch, *given, "--epsilon", "2") == 0
    assert _run(monkeypatch, "check", out / "lbw.synthetic.csv", "--card", out / "card.json") == 0
    assert json.loads((out / "card.json").read_bytes())["provenance"]["maker"]["epsilon"] == 2.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--maker", "dp", "--epsilon", "1"], "needs --policy"),
        (["--maker", "trees", "--epsilon", "1"], "are for the maker `dp`; this is `trees`"),
    ],
)
def test_epsilon_belongs_to_its_maker(
    given: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "make", LBW, *given, "-o", tmp_path / "out") == 2
    assert said in capsys.readouterr().err


def test_rules_that_name_no_column_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules.txt"
    rules.write_text("# weights\nheight < 3\n", encoding="utf-8")
    assert _run(monkeypatch, "make", LBW, "--rules", rules, "-o", tmp_path / "out") == 2
    assert "rules.txt, line 2: 'height < 3' is no rule" in capsys.readouterr().err


def _cell(one: dict[str, Any], chance: random.Random) -> Any:
    return chance.choice(one["levels"]) if "levels" in one else round(chance.uniform(one["from"], one["to"]))


def test_a_training_set_is_written_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, chat = tmp_path / "out", tmp_path / "chat"
    assert _run(monkeypatch, "make", LBW, "--maker", "marginals", "-o", out) == 0
    made, card = out / "lbw.synthetic.csv", out / "card.json"
    capsys.readouterr()
    given = ["training-set", made, "--card", card, "--predict", "low", "-o", chat, "--json"]
    assert _run(monkeypatch, *given) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["examples"] == {"train.jsonl": 119, "validation.jsonl": 13}
    assert _run(monkeypatch, "check", chat / "train.jsonl", "--card", card) == 0
    assert _run(monkeypatch, "training-set", LBW, "--card", card, "-o", chat) == 1
    assert "carries the mark" in capsys.readouterr().err


def test_a_corpus_and_a_ready_made_kind_lead_to_texts_with_self_critique(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    letters = tmp_path / "letters.jsonl"
    words = [f"History\n{'pain ' * (40 + at)}\nPlan\nrest" for at in range(60)]
    letters.write_text("".join(json.dumps({"id": str(at), "text": text}) + "\n" for at, text in enumerate(words)))
    form = tmp_path / "guided.json"
    assert _run(monkeypatch, "corpus", letters, "--kind", "note", "-o", form, "--json") == 0
    said = json.loads(form.read_text())
    assert said["sections"] == ["History", "Plan"]
    assert "pain" not in form.read_text()
    form.write_text(json.dumps({**said, "lengths": [], "says": [{"attribute": "pulse"}]}))
    table = tmp_path / "made.csv"
    table.write_text("pulse,synthetic_twin\n" + "".join(f"{60 + at},1\n" for at in range(6)))

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        facts = request["messages"][1]["content"].partition("Facts of the patient:")[2]
        pulse = json.JSONDecoder().raw_decode(facts[facts.index("{") :])[0]["pulse"]
        value: dict[str, Any] = {"text": f"History\nSeen today, pulse {pulse}.\nPlan\nCome again."}
        if "critical colleague" in request["messages"][-1]["content"]:
            value["faults"] = []
        return chat_completion(json.dumps(value), request)

    capsys.readouterr()
    with TurnServer([], source=answer) as server:
        given = ["notes", table, "--specification", form, "--self-critique", "--model", "made-up"]
        given += ["--base-url", server.base_url, "--api-key-env", "", "-o", tmp_path / "out", "--json"]
        assert _run(monkeypatch, *given) == 0
        assert len(server.turns) == 12
    maker = json.loads((tmp_path / "out" / "card.json").read_text())["provenance"]["maker"]
    assert maker["self_critique"] is True
    assert maker["corpus"] == {"documents": 60.0, "vocabulary": said["corpus"]["vocabulary"]}
    assert sum(maker["personas"].values()) == 6
    assert _run(monkeypatch, *given, "--kind", "note") == 2
    assert "Give a specification, or a kind" in capsys.readouterr().err
