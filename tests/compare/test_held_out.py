"""What is held out can't be read from a sandbox or a prompt, and leaks of every kind are caught."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from counterproof.agents.compare.failures import attempt_of
from counterproof.agents.compare.guard import HeldOutGuard
from counterproof.agents.compare.scoring import read_truth, score_cell
from counterproof.agents.compare.trials import TrialRoom
from counterproof.agents.compare.workbench import Attempt
from counterproof.provenance.journal import Journal
from counterproof.sandbox import Limits, LocalSandbox, Sandbox, WarmSandbox, find_environment
from counterproof.tools.rowguard import RowInRequest
from counterproof.tools.tasks import read_labels

from .escapes import escape_program
from .tiny import CANARY, Small, make_campaign, make_task, plan_small

pytestmark = [pytest.mark.campaign, pytest.mark.abuse]

NOWHERE = "http://127.0.0.1:9/v1"
_HEAD = """
import csv, os, random
from pathlib import Path
def read(name):
    with Path(os.environ["COUNTERPROOF_DATA"], name).open() as file:
        return list(csv.DictReader(file))
train, test = read("train.csv"), read("test.csv")
def write(score):
    out = Path(os.environ["COUNTERPROOF_OUT"], "tables")
    out.mkdir()
    rows = [f"{row['sample']},{'case' if one > 0.5 else 'control'},{one}" for row, one in zip(test, score)]
    (out / "predictions.csv").write_text("\\n".join(["sample,prediction,score", *rows]) + "\\n")
def mean(of, name):
    return sum(float(row[name]) for row in of) / len(of)
cases = [row for row in train if row["state"] == "case"]
controls = [row for row in train if row["state"] != "case"]
def honest(row):
    return sum(float(row[n]) * (mean(cases, n) - mean(controls, n)) for n in ("v0", "v1", "v2"))
"""
LEAKS = {
    "centred on the test samples": """
middle = sum(map(honest, test)) / len(test)
write([honest(row) - middle for row in test])
""",
    "ranked among the test samples": """
scores = [honest(row) for row in test]
write([sum(other < one for other in scores) / len(scores) for one in scores])
""",
    "known by name": """
known = {KNOWN}
write([float(known.get(row["sample"]) == "case") for row in test])
""",
    "known by value": """
known = {VALUES}
write([float(known.get(row["v0"], "case") == "case") + float(row["v1"]) / 1e3 for row in test])
""",
    "next to the sample before": """
scores = [honest(row) for row in test]
write([one + 0.5 * before for one, before in zip(scores, [0.0, *scores])])
""",
}
HONEST = {
    "by the training samples": "write([honest(row) for row in test])",
    "with a seed": """
random.seed(int(os.environ["COUNTERPROOF_SEED"]))
noise = random.random()
write([honest(row) + noise for row in test])
""",
    "a constant": "write([0.25 for row in test])",
}
UNPROBED = {
    "another each time": "write([honest(row) + random.SystemRandom().random() for row in test])",
    "fails on extremes": """
assert max(float(row["v0"]) for row in test[1::2]) != min(float(row["v0"]) for row in test[1::2])
write([honest(row) for row in test])
""",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, warm: WarmSandbox) -> Small:
    folder = tmp_path_factory.mktemp("held-out")
    return plan_small(make_campaign(folder, ["good"]), folder / "home", sandbox=warm, endpoint=NOWHERE)


def _room(small: Small, folder: Path, sandbox: Sandbox) -> TrialRoom:
    cell = small.planned.cells[0]
    record = type(small.place)(folder).cell(cell.key).record
    return TrialRoom(
        record=record,
        journal=Journal(record),
        sandbox=sandbox,
        environment=find_environment("python"),
        files=small.place.files,
        limits=Limits(wall_s=20, memory_mib=1024),
        seed=7,
    )


def _scored(small: Small, folder: Path, body: str) -> tuple[str, str]:
    placed = small.planned.loaded.tasks["tiny"]
    labels = read_labels(placed)
    rows = [line.split(",") for line in placed.data["test.csv"].read_text().splitlines()[1:]]
    known = dict(zip(labels.ids, labels.values, strict=True))
    values = {row[1]: known[row[0]] for row in rows}
    code = _HEAD + body.replace("{KNOWN}", repr(known)).replace("{VALUES}", repr(values))
    cell, room = small.planned.cells[0], _room(small, folder, small.bench.sandbox)
    trial = room.run("answer/1", code, cell.task.data, "answer")
    attempt: Attempt = attempt_of(code, trial, room.record.blobs)
    result = score_cell(cell, attempt, room, placed, read_truth(placed))
    assert result.value is not None, result.detail
    return result.category, result.probed


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_caught(small: Small, tmp_path: Path, leak: str) -> None:
    assert _scored(small, tmp_path, LEAKS[leak]) == ("leaked", "leak")


@pytest.mark.parametrize("way", HONEST)
def test_an_honest_program_is_clean(small: Small, tmp_path: Path, way: str) -> None:
    assert _scored(small, tmp_path, HONEST[way]) == ("completed", "clean")


@pytest.mark.parametrize("way", UNPROBED)
def test_what_cannot_be_probed_is_said_and_not_ranked(small: Small, tmp_path: Path, way: str) -> None:
    assert _scored(small, tmp_path, UNPROBED[way]) == ("completed", "inconclusive")


@pytest.mark.parametrize("sandbox", ["cold", "warm"])
def test_no_program_finds_a_held_out_label(small: Small, tmp_path: Path, warm: WarmSandbox, sandbox: str) -> None:
    placed = small.planned.loaded.tasks["tiny"]
    assert CANARY in placed.held_out.read_text()
    room = _room(small, tmp_path, warm if sandbox == "warm" else LocalSandbox())
    code = escape_program("python", [placed.held_out])
    trial = room.run("escape", code, placed.task.data, "answer")
    assert trial.status == "ok", room.record.blobs.get(trial.stderr).decode()


def _request(*said: tuple[str, str]) -> bytes:
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in said]}).encode()


@pytest.mark.parametrize("between", [",", ": ", '": "', "\t", " = "])
def test_a_request_with_labels_is_refused(tmp_path: Path, between: str) -> None:
    make_task(tmp_path / "tiny")
    placed = plan_small(
        make_campaign(tmp_path, ["good"]), tmp_path / "home", sandbox=LocalSandbox(), endpoint=NOWHERE
    ).planned.loaded.tasks["tiny"]
    labels = read_labels(placed)
    pairs = list(zip(labels.ids, labels.values, strict=True))
    told = "\n".join(f"{name}{between}{value}" for name, value in pairs[:3])
    guard = HeldOutGuard(placed)
    with pytest.raises(RowInRequest, match="held-out answers"):
        guard.check(_request(("user", told)))
    guard.check(_request(("user", "Predict Q30, Q31 and Q32."), ("assistant", told)))
