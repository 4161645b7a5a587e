"""A step that asks for something else than is recorded stops the study with the difference; nobody is asked anew."""

from __future__ import annotations

import pytest

from counterproof.agents.nodes import plan
from counterproof.agents.prompts import fill
from counterproof.provenance.journal import Drift
from counterproof.provenance.store import Status

from ..endpoint import Endpoint
from ..lab import Lab, script


def _wordier(name: str, **parts: str) -> str:
    """Fill a prompt in as another version would, that says more."""
    return fill(name, **parts) + ("\nBe brief." if name == "planner" else "")


def test_another_prompt_under_a_recorded_key_is_an_error_with_a_diff(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        (lab.study(study).folder / "graph.sqlite").unlink()  # so that the step is done again
        with pytest.MonkeyPatch.context() as other_version:
            other_version.setitem(plan.__globals__, "fill", _wordier)
            with pytest.raises(Drift, match=r"step 'plan/1/1' asks for something else(?s:.*)\n\+.*Be brief\."):
                lab.run(study, endpoint.base_url)
        assert endpoint.roles == ["planner"]
        assert lab.workplace.store.study(study)["status"] == Status.STOPPED
        assert "Be brief." in lab.events(study, "study.stopped")[0].data["error"]
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        assert endpoint.roles == ["planner"]
    assert [event.data["key"] for event in lab.events(study, "effect.started")] == ["plan/1/1"]
