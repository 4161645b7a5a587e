"""Exporting: however a study ended, whole or not at all, twice the same, and nothing that must stay leaves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.bundling import make_bundle
from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.store import Status
from counterproof.provenance.verify import verify_bundle

from ..endpoint import Endpoint
from ..lab import OUTLIER, Lab, planned, program, reported, script, trial_csv, written
from .forging import Bag

PRINTS = program(
    "Prints what it sees.",
    middle='import sys\nprint("seen", rows[41])\nprint("seen", rows[40], file=sys.stderr)\n'
    'tables = Path(os.environ["COUNTERPROOF_OUT"]) / "tables"\ntables.mkdir()\n'
    '(tables / "arms.csv").write_text("arm,n\\n0,40\\n1,40\\n" + str(max(scores["1"])))',
)

_TIME = re.compile(rb"\d\d:\d\d:\d\d\.\d+")


def _export(lab: Lab, study: str, target: Path) -> Path:
    make_bundle(lab.workplace, lab.study(study), target)
    return target


def _run(lab: Lab, *decisions: DecisionKind, answers: Any = None, **options: Any) -> str:
    study = lab.new(**options)
    with Endpoint(answers or script()) as endpoint:
        lab.run(study, endpoint.base_url, *decisions)
    return study


@pytest.mark.parametrize(
    ("decisions", "answers", "ended"),
    [
        (["withdraw"], {}, Status.WITHDRAWN),
        (["approve", "withdraw"], {}, Status.WITHDRAWN),
        (["approve", "approve", "withdraw"], {}, Status.WITHDRAWN),
        (["approve", "approve", "approve", "withdraw"], {}, Status.WITHDRAWN),
        (["approve", "approve", "reject"], {}, Status.REJECTED),
        (["reject"] * 5, {"planner": [planned(title=f"Draft {at}") for at in range(5)]}, Status.REJECTED),
        (
            ["approve", "approve", "approve", *["reject"] * 5],
            {"reporter": [reported(methods=f"Words {'x' * at}.") for at in range(5)]},
            Status.REJECTED,
        ),
        (
            ["approve"],
            {"primary": [written(program(f"Fails, {at}.", middle="raise ValueError")) for at in range(4)]},
            Status.CANNOT_CONCLUDE,
        ),
        (
            ["approve", "approve"],
            {"replication": [written(program("Off.", formula="sum(of) / (len(of) - 1)"))]},
            Status.CANNOT_CONCLUDE,
        ),
    ],
    ids=[
        "withdrawn at plan",
        "withdrawn at code",
        "withdrawn at release",
        "withdrawn at sign-off",
        "release rejected",
        "plan rejected",
        "report rejected",
        "programs never worked",
        "programs disagree",
    ],
)
def test_a_study_that_ended_in_any_way_is_exported_and_verifies(
    lab: Lab, tmp_path: Path, decisions: list[DecisionKind], answers: Any, ended: Status
) -> None:
    study = _run(lab, *decisions, answers=script(**answers))
    found = verify_bundle(_export(lab, study, tmp_path / "ended.zip"))
    assert [step for step in found.steps if step.outcome == "failed"] == []
    assert (found.ended, found.label) == (ended, "not reviewed to the end")


@pytest.mark.parametrize("decisions", [[], ["approve"], ["approve", "approve", "approve"]], ids=len)
def test_a_study_that_goes_on_is_not_exported(lab: Lab, tmp_path: Path, decisions: list[DecisionKind]) -> None:
    study = _run(lab, *decisions)
    with pytest.raises(UsageError, match=rf"Study {study} has not ended\. Run it to its end \(or withdraw it\)"):
        _export(lab, study, tmp_path / "early.zip")
    assert not (tmp_path / "early.zip").exists()


def _ended(lab: Lab, **options: Any) -> str:
    suppress: dict[str, str]
    study = lab.new(**options)
    with Endpoint(script(primary=[written(PRINTS)])) as endpoint:
        lab.run(study, endpoint.base_url, "approve", "approve")
        suppress = {**lab.study(study).checkpoints.subject(lab.waiting(study).id)["editable"]}
        suppress["tables/arms.csv"] = "suppress"
        lab.decide(study, "edit", edited=suppress)
        assert lab.run(study, endpoint.base_url, "approve", "approve") is Status.DONE
    return study


@pytest.mark.canary
def test_no_row_and_no_unreleased_output_is_in_the_bundle(lab: Lab, tmp_path: Path) -> None:
    """The data hold scores with three digits after the point; no file of the bag holds one, but as part of a time."""
    study = _ended(lab)
    bag = Bag(_export(lab, study, tmp_path / "done.zip"))
    rows = trial_csv().decode().splitlines()[1:]
    secret = set(rows) | {row.split(",")[1] for row in rows if len(row.split(",")[1]) >= 6} | {OUTLIER}
    whole = _TIME.sub(b"", b"\n".join(bag.files.values()))
    assert [value for value in secret if value.encode() in whole] == []
    assert (tmp_path / "done.zip").read_bytes().find(OUTLIER.encode()) == -1
    assert not any(name.startswith(("data/inputs/", "data/results/tables/")) for name in bag.files)
    outputs = {
        event.data["key"]: event for event in lab.events(study, "effect.finished") if not event.data.get("synthetic")
    }
    real = next(event for key, event in outputs.items() if key.startswith("execute/primary"))
    for role in ("stdout", "stderr", "output:tables/arms.csv", "output:results.json"):
        body = lab.study(study).record.blobs.get(real.ref(role).sha256)
        assert body
        assert body not in whole
        assert any(row["sha256"] == real.ref(role).sha256 for row in _withheld(bag)), role
    assert b"seen" in lab.study(study).record.blobs.get(real.ref("stdout").sha256)


@pytest.mark.canary
def test_shared_data_are_in_the_bundle_and_the_rest_is_not(lab: Lab, tmp_path: Path) -> None:
    study = _ended(lab, share_data=True)
    bag = Bag(_export(lab, study, tmp_path / "done.zip"))
    assert bag.files["data/inputs/trial.csv"] == trial_csv()
    whole = b"\n".join(data for name, data in bag.files.items() if name != "data/inputs/trial.csv")
    assert OUTLIER.encode() not in whole


def test_exporting_twice_gives_the_same_bytes(lab: Lab, tmp_path: Path) -> None:
    study = _run(lab, "approve", "approve", "approve", "approve", share_data=True)
    one, two = (_export(lab, study, tmp_path / name).read_bytes() for name in ("a.zip", "b.zip"))
    assert one == two == (lab.study(study).folder / "bundle.zip").read_bytes()


def test_an_export_replaces_the_file_and_leaves_nothing_beside_it(lab: Lab, tmp_path: Path) -> None:
    study, out = _run(lab, "withdraw"), tmp_path / "out"
    out.mkdir()
    (out / "a.zip").write_bytes(b"old")
    _export(lab, study, out / "a.zip")
    assert [path.name for path in out.iterdir()] == ["a.zip"]
    assert verify_bundle(out / "a.zip").ok


def test_a_place_that_can_not_be_written_is_machine_trouble(lab: Lab, tmp_path: Path) -> None:
    study = _run(lab, "withdraw")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MachineTrouble, match=r"can't be written: .*Nothing is lost; make room and export again"):
        _export(lab, study, tmp_path / "file" / "a.zip")


_FULL = """
import resource, sys
from pathlib import Path
from counterproof.agents.bundling import make_bundle
from counterproof.agents.study import open_study, open_workplace
from counterproof.provenance.errors import MachineTrouble
home, study, target, *limits = sys.argv[1:]
place = open_workplace(Path(home))
opened = open_study(place, study)
for limit in limits:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    try:
        make_bundle(place, opened, Path(target))
    except MachineTrouble as error:
        print("MachineTrouble:", error)
"""


def test_a_full_disk_leaves_no_half_file(lab: Lab, tmp_path: Path) -> None:
    """No file may grow past a limit: of a small body, of a manifest or a larger body, of the zip alone."""
    study, out = _run(lab, "withdraw"), tmp_path / "out"
    out.mkdir()
    size = _export(lab, study, out / "a.zip").stat().st_size
    (out / "a.zip").write_bytes(b"old")
    limits = ["100", "3000", str(size - 100)]
    command = [sys.executable, "-c", _FULL, str(lab.home), study, str(out / "a.zip"), *limits]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert [line.startswith("MachineTrouble: The bundle") for line in told.stdout.splitlines()] == [True] * 3
    assert [(path.name, path.read_bytes()) for path in out.iterdir()] == [("a.zip", b"old")]
    assert verify_bundle(_export(lab, study, out / "a.zip")).ok


def _withheld(bag: Bag) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    bag.json("data/record/withheld.json", rows.extend)
    return rows
