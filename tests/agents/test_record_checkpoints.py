"""A study that runs signs its record checkpoints, and one whose record no longer fits them does not go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.record_checkpoints import FILE
from counterproof.provenance.store import Status

from ..endpoint import Endpoint
from ..lab import Lab, script


def _signed(record: Path) -> list[int]:
    lines = record.with_name(FILE).read_bytes().splitlines()
    return [json.loads(line)["statement"]["events"] for line in lines]


def _due(lab: Lab, study: str) -> list[int]:
    return [event.seq + 1 for event in lab.events(study, "study.created", "decision.recorded", "study.ended")]


def test_who_decides_signs_none_and_the_next_run_makes_up_for_it(lab: Lab) -> None:
    study = lab.new()
    record = lab.study(study).record.path
    with Endpoint(script()) as endpoint:
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        assert _signed(record) == _due(lab, study) == [1]
        lab.decide(study)
        assert len(_due(lab, study)) == 2
        assert _signed(record) == [1]
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        assert _signed(record) == _due(lab, study)
        record.with_name(FILE).unlink()
        assert lab.run(study, endpoint.base_url, "approve", "approve", "approve") is Status.DONE
    assert _signed(record) == _due(lab, study)
    assert len(_signed(record)) == 6


def test_a_decision_that_is_cut_out_of_the_record_stops_the_study(lab: Lab) -> None:
    study = lab.new()
    record = lab.study(study).record.path
    with Endpoint(script()) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve") is Status.WAITING
        lines = record.read_bytes().splitlines(keepends=True)
        decided = lab.events(study, "decision.recorded")[0].seq
        record.write_bytes(b"".join(lines[:decided]))
        asked = len(endpoint.bodies)
        with pytest.raises(
            VerificationFailed, match=rf"signed over {decided + 1} events, and the record has {decided}"
        ):
            lab.run(study, endpoint.base_url)
        assert len(endpoint.bodies) == asked
    assert lab.workplace.store.study(study)["status"] == Status.STOPPED
