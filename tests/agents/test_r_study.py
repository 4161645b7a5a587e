"""A whole study whose replication, or primary program, is in R."""

from __future__ import annotations

import json
import zipfile

import pytest

from counterproof.agents.edits import check_edit
from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.errors import UsageError
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import Status
from counterproof.provenance.verify import verify_bundle
from counterproof.sandbox import Environment

from ..endpoint import Endpoint
from ..lab import OUTLIER, Lab, script
from ..r import r_or_skip

APPROVED: tuple[DecisionKind, ...] = ("approve", "approve", "approve", "approve")
_PROGRAM = """\
# {about}
rows <- read.csv(file.path(Sys.getenv("COUNTERPROOF_DATA"), "trial.csv"))
{middle}
means <- tapply(rows$score, rows$arm, mean)
result <- function(id, value) {{
  list(
    id = id, label = id, value = unname(value), unit = "points", n = nrow(rows), method = "means", population = "all"
  )
}}
results <- list(result("difference", means["1"] - means["0"]), result("mean_control", means["0"]))
write <- function(value, name) {{
  jsonlite::write_json(value, file.path(Sys.getenv("COUNTERPROOF_OUT"), name), auto_unbox = TRUE, digits = NA)
}}
write(list(schema = "counterproof/results/1", results = results), "results.json")
flow <- list(schema = "counterproof/flow/1", assessed = nrow(rows), excluded = list(), analysed = nrow(rows))
write(flow, "flow.json")
"""


def _written(about: str, middle: str = "") -> str:
    code = _PROGRAM.format(about=about, middle=middle)
    return json.dumps({"language": "r", "code": code, "notes": "Look at the means."})


GOOD = _written("The program in R.")
FAILS_ON_TWIN = _written("Fails on the twin.", "stop('no column ', names(rows)[1])")
FAILS_ON_REAL = _written("Fails on real data.", "if (max(rows$score) > 500) stop('the score ', max(rows$score))")


@pytest.fixture
def r_environment() -> Environment:
    """The R environment of this machine."""
    return r_or_skip()


def test_replication_in_r_agrees_and_ends_in_a_bundle(lab: Lab, r_environment: Environment) -> None:
    study = lab.new(replication_language="r")
    with Endpoint(script(replication=[GOOD])) as endpoint:
        assert lab.run(study, endpoint.base_url, *APPROVED) is Status.DONE
    bundle = lab.study(study).folder / "bundle.zip"
    assert verify_bundle(bundle).ok
    with zipfile.ZipFile(bundle) as archive:
        programs = sorted(name.rpartition("/")[2] for name in archive.namelist() if "/programs/" in name)
    assert programs == ["primary.py", "replication.R"]
    orders = [event.data for event in lab.events(study, "effect.finished") if event.data["kind"] == "execution"]
    assert len(orders) == 4


def test_primary_in_r_and_replication_in_python(lab: Lab, r_environment: Environment) -> None:
    study = lab.new(language="r")
    with Endpoint(script(primary=[GOOD])) as endpoint:
        assert lab.run(study, endpoint.base_url, *APPROVED) is Status.DONE


def test_programmer_in_r_is_told_the_packages_and_not_those_of_python(lab: Lab, r_environment: Environment) -> None:
    study = lab.new(replication_language="r")
    with Endpoint(script(replication=[GOOD])) as endpoint:
        lab.run(study, endpoint.base_url, "approve")
        said = endpoint.prompt("replication")
    assert "survival" in said
    assert "jsonlite::write_json(x, path, auto_unbox = TRUE, digits = NA)" in said
    assert "lifelines" not in said
    assert "independent replication" in said
    assert '"const":"r"' in said.replace(" ", "") or "RProgramText" in endpoint.everything()


def test_reviewer_is_shown_both_environments(lab: Lab, r_environment: Environment) -> None:
    study = lab.new(replication_language="r")
    with Endpoint(script(replication=[GOOD])) as endpoint:
        lab.run(study, endpoint.base_url, "approve")
    subject = lab.study(study).checkpoints.subject(lab.waiting(study).id)
    assert [program["language"] for program in subject["programs"]] == ["python", "r"]
    assert subject["environments"]["replication"]["digest"] == r_environment.digest
    assert [order["language"] for order in subject["orders"]] == ["python", "r"]
    edited = {**subject["editable"], "replication": "x <- c(1"}
    with pytest.raises(UsageError, match=r"replication program, line 1: it does not parse: '\)' is missing"):
        check_edit(CheckpointKind.CODE, subject, edited)


def test_error_on_the_twin_is_shown_to_the_model_in_full(lab: Lab, r_environment: Environment) -> None:
    study = lab.new(replication_language="r")
    with Endpoint(script(replication=[FAILS_ON_TWIN, GOOD])) as endpoint:
        assert lab.run(study, endpoint.base_url, *APPROVED) is Status.DONE
        assert "/program/program.R#3" in endpoint.prompt("replication")
        assert "no column arm" in endpoint.prompt("replication")


def test_error_on_real_data_tells_line_and_class_and_no_value(lab: Lab, r_environment: Environment) -> None:
    study = lab.new(replication_language="r")
    with Endpoint(script(replication=[FAILS_ON_REAL, GOOD])) as endpoint:
        decisions: tuple[DecisionKind, ...] = ("approve", "approve", "approve", "approve", "approve")
        assert lab.run(study, endpoint.base_url, *decisions) is Status.DONE
        told = endpoint.prompt("replication").split("The program failed on the real data")[1]
        assert "at line 3 of the program, with simpleError. Its message is held back" in told
        assert OUTLIER[:5] not in endpoint.everything()


def test_answer_in_the_wrong_language_is_asked_for_again(lab: Lab, r_environment: Environment) -> None:
    study = lab.new(replication_language="r")
    python = json.dumps({"language": "python", "code": "print(1)", "notes": ""})
    with Endpoint(script(replication=[python, GOOD])) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve") is Status.WAITING
        assert "language: Input should be 'r'" in endpoint.prompt("replication")


def test_environment_for_another_language_stops_the_study(lab: Lab, r_environment: Environment) -> None:
    study = lab.new(replication_language="r", replication_environment="python")
    with pytest.raises(UsageError, match="replication program is in r, and its environment 'python' is for python"):
        lab.run(study)
