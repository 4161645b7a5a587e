"""What the record says of a twin: at the plan checkpoint, in `show`, on the record page and in the bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.reviews import say
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.provenance.page import make_page
from counterproof.provenance.policy import ColumnPolicy, DataPolicy, Policy, write_policy
from counterproof.provenance.schemas import schema_files
from counterproof.provenance.store import Status
from counterproof.provenance.verify import verify_bundle
from counterproof.scenarios.bundles import replay_bundle
from counterproof.tools.data import read_table
from counterproof.tools.looking import Said
from counterproof.tools.reading.writing import WRITABLE, media_of
from counterproof.ui.rendering import checkpoint_text, study_text

from ..endpoint import Endpoint
from ..lab import Lab, script, trial_csv

PRIVATE = write_policy(
    Policy(
        data={
            "trial.csv": DataPolicy(
                epsilon=12,
                columns={
                    "arm": ColumnPolicy(levels=("0", "1"), missing=False),
                    "score": ColumnPolicy(bounds=(0, 100), missing=False),
                    "age": ColumnPolicy(bounds=(18, 100), missing=False),
                    "weight": ColumnPolicy(bounds=(30, 150), missing=False),
                    "visits": ColumnPolicy(bounds=(0, 10), missing=False),
                },
            )
        }
    )
)


def _planned(lab: Lab, **options: Any) -> str:
    study = lab.new(**options)
    with Endpoint(script()) as endpoint:
        assert lab.run(study, endpoint.base_url) is Status.WAITING
    return study


def _decided(lab: Lab, study: str) -> None:
    """Let Ada say that the record number identifies persons."""
    say(lab.study(study), Said(file="trial.csv", column="patient_id", said="identifier", why="A number.", by="ada"))


def _page(lab: Lab, study: str) -> str:
    record = lab.study(study).record
    return make_page(record.events(), record.blobs).decode()


def test_the_record_says_how_the_twin_was_made(lab: Lab) -> None:
    study = _planned(lab)
    (made,) = lab.events(study, "intake.finished")
    (row,) = made.data["twins"]
    assert (row["file"], row["engine"], row["k"], row["epsilon"]) == (
        "trial.csv", "sequential CART, smoothed", 10, None,
    )  # fmt: skip
    columns = [name for part in row["made"] for name in part["columns"]]
    assert sorted(columns) == ["age", "arm", "score", "site", "visits", "weight"]
    twin = lab.study(study).record.blobs.get(made.ref("twin:trial.csv").sha256)
    shown = [
        checkpoint_text(
            lab.study(study).checkpoints.subject(lab.waiting(study).id), checkpoint="c", digest="d", salt="", state="s"
        ),
        study_text(
            {"id": study, "title": "t", "status": "waiting", "detail": ""}, lab.study(study).record.events(), []
        ),
    ]
    for text in shown:
        assert "trial.csv: sequential CART, smoothed (version 2), k = 10 persons behind anything that shows" in text
        assert f"sha256 {sha256_bytes(twin)}" in text
    assert "k = 10 persons behind anything that shows; not differentially private" in _page(lab, study)


def test_k_of_the_policy_is_the_twins(lab: Lab) -> None:
    """Twenty persons of each place are enough for ten, and not for twenty-five."""
    policy = write_policy(Policy(data={"*": DataPolicy(k=25)}))
    sites = {}
    for given in (b"", policy):
        study = _planned(lab, policy=given)
        (made,) = lab.events(study, "intake.finished")
        assert made.data["twins"][0]["k"] == (25 if given else 10)
        twin = read_table("t.csv", lab.study(study).record.blobs.get(made.ref("twin:trial.csv").sha256))
        sites[bool(given)] = set(next(column for column in twin.columns if column.name == "site").values)
    assert sites[False] == {"N", "S", "W", "E"}
    assert not sites[True] & sites[False]


def test_epsilon_of_the_policy_is_in_record_statement_and_bundle_and_the_bundle_replays(
    lab: Lab, tmp_path: Path
) -> None:
    """A replay can't draw the same noise: it works on the recorded twin, and every digest is the same."""
    study = lab.new(policy=PRIVATE, share_data=True)
    with Endpoint(script()) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve", "approve", "approve", "approve") is Status.DONE
    (made,) = lab.events(study, "intake.finished")
    (row,) = made.data["twins"]
    assert (row["epsilon"], row["k"]) == (12.0, None)
    (file,) = lab.study(study).settings.data
    assert lab.workplace.vault.ledger.taken(file.sha256) == 12.0
    assert {"how": "made up", "columns": ["site"]} in row["made"]
    said = "differentially private, epsilon = 12, for any one row, put in the place of any other"
    assert said in _page(lab, study)
    statement = lab.text(lab.events(study, "statement.made")[-1].ref("statement.json").sha256, study)
    assert said in statement
    bundle = lab.study(study).folder / "bundle.zip"
    assert verify_bundle(bundle).ok
    replayed = replay_bundle(bundle, tmp_path / "again", sandbox=lab.sandbox, environment=lab.environment)
    assert (replayed.stopped, replayed.verdict) == ("", "identical")
    assert any(one.what == "intake.finished, twin:trial.csv" and one.same for one in replayed.comparisons)


def test_a_twin_with_epsilon_is_made_once(lab: Lab) -> None:
    """A kill between the record and the graph runs the intake again: its second twin is dropped."""
    study = _planned(lab, policy=PRIVATE)
    before = lab.events(study, "intake.finished")
    (lab.study(study).folder / "graph.sqlite").unlink()
    with Endpoint(script()) as endpoint:
        assert lab.run(study, endpoint.base_url) is Status.WAITING
    assert lab.events(study, "intake.finished") == before
    assert len(before) == 1


def test_epsilon_is_refused_where_persons_repeat(lab: Lab) -> None:
    rows = trial_csv().decode().splitlines()
    content = "\n".join([f"patient_id,{rows[0]}", *(f"P{at // 2},{row}" for at, row in enumerate(rows[1:]))]) + "\n"
    study = lab.new(policy=PRIVATE, content=content.encode())
    with Endpoint(script()) as endpoint:
        _decided(lab, study)
        with pytest.raises(UsageError, match=r"'patient_id', which identifies persons, repeat.*rows_per_person"):
            lab.run(study, endpoint.base_url)


@pytest.mark.parametrize(
    ("name", "media"),
    [
        ("a.csv", "text/csv"),
        ("a.tsv", "text/tab-separated-values"),
        ("a.parquet", "application/vnd.apache.parquet"),
        ("a.csv.gz", "application/gzip"),
        ("a.rds", "application/x-r-data"),
        ("a.txt", "text/plain"),
    ],
)
def test_the_media_type_of_a_twin_is_that_of_its_form(name: str, media: str) -> None:
    assert media_of(name) == media


def test_the_record_takes_a_twin_of_each_form_that_is_written() -> None:
    schema = json.loads(schema_files()["intake.finished.json"])
    allowed = schema["properties"]["refs"]["items"]["properties"]["media"]["enum"]
    endings = (".csv", ".tsv", ".txt", ".csv.gz", ".csv.zip", *WRITABLE)
    assert {media_of(f"a{ending}") for ending in endings} == set(allowed)
