"""Outputs that are carried to where the data are come out as they went in, and what is not of their form is refused."""

from __future__ import annotations

import pytest

from counterproof.tools import Flow, OutputFile, Outputs, Result, review_outputs
from counterproof.tools.disclosure.carrying import pack_items, pack_outputs, unpack_items, unpack_outputs
from counterproof.tools.library_warnings import LibraryWarning

RESULT = Result(
    id="mean", label="mean", value=1.5, unit="points", n=30, method="mean", population="all", ci_low=1.0, ci_high=2.0,
    ci_level=0.95,
)  # fmt: skip
FLOW = Flow.model_validate(
    {"schema": "counterproof/flow/1", "assessed": 31, "excluded": [{"reason": "missing", "n": 1}], "analysed": 30}
)
OUTPUTS = Outputs(
    results=[RESULT],
    flow=FLOW,
    files=[OutputFile(name="figures/a.png", data=b"\x89PNG\x00\xff", sha256="1" * 64)],
    results_sha256="2" * 64,
    flow_sha256="3" * 64,
    warnings={"warning:1": LibraryWarning(program="primary", kind="RuntimeWarning", text="overflow", times=2)},
    streams={"primary": "4" * 64},
)


def test_outputs_come_out_as_they_went_in() -> None:
    assert unpack_outputs(pack_outputs(OUTPUTS, {"s.release.1": OUTPUTS})) == (OUTPUTS, {"s.release.1": OUTPUTS})


def test_items_come_out_as_they_went_in() -> None:
    items = review_outputs(OUTPUTS, [])
    assert items
    assert unpack_items(pack_items(items)) == items


@pytest.mark.parametrize("packed", [b"", b"\xc0", pack_outputs(OUTPUTS, {})[:-1]], ids=["empty", "nothing", "cut"])
def test_what_is_not_of_the_form_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"truncated|Expected|trailing"):
        unpack_outputs(packed)
