"""x"""
from __future__ import annotations
from ..endpoint import Endpoint
from ..lab import Lab, script
from counterproof.provenance.store import Status


def test_a_study(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve", "approve", "approve", "approve") is Status.DONE
