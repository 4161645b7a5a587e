"""No row of the real data gets into a request: the ways in which programs print rows, and the whole way there."""

from __future__ import annotations

import io
import json
import sys
from types import FrameType
from typing import Any

import pandas as pd
import pytest

from counterproof.provenance.store import Status
from counterproof.tools.data import read_table
from counterproof.tools.identifiers import find_identifiers
from counterproof.tools.rowguard import RowGuard, RowInRequest
from counterproof.tools.twin import make_twin

from ..endpoint import Endpoint
from ..lab import Lab, script, trial_csv

pytestmark = pytest.mark.canary
FRAME = pd.read_csv(io.BytesIO(trial_csv()))
LINE = trial_csv().decode().splitlines()[5]
ROW = FRAME.iloc[4:5]
FORMS = {
    "csv": LINE,
    "csv with decimals": LINE.replace(",43,", ",43.0,"),
    "csv with signs": LINE.replace(",43,", ",+4.3e1,"),
    "tabs": LINE.replace(",", "\t"),
    "a table in Markdown": "| " + LINE.replace(",", " | ") + " |",
    "printed": repr(ROW),
    "printed among others": FRAME.head(20).to_string(),
    "printed alone": FRAME.astype(str).iloc[4].to_string(),
    "records": ROW.to_json(orient="records"),
    "records, indented": ROW.to_json(orient="records", indent=2),
    "split": ROW.to_json(orient="split"),
    "values": ROW.to_json(orient="values"),
    "lines": FRAME.head(9).to_json(orient="records", lines=True),
    "a dictionary": repr(ROW.iloc[0].to_dict()),
    "a list": repr(ROW.iloc[0].tolist()),
    "names and values": ", ".join(f"{name}={value}" for name, value in ROW.iloc[0].items()),
    "HTML": ROW.to_html(),
    "a sentence": f"The first was ({LINE}), and so on.",
}


def _guard() -> RowGuard:
    return RowGuard([read_table("trial.csv", trial_csv())])


def _body(text: str) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_a_row_is_found_however_it_is_printed(text: str) -> None:
    with pytest.raises(RowInRequest, match=r"holds a row of the real data; it was not sent\."):
        _guard().check(_body(text))
    with pytest.raises(RowInRequest, match="not sent"):
        _guard().check(_body(json.dumps({"output": text})))


@pytest.mark.parametrize(
    "text",
    [
        ",".join(LINE.split(",")[:5]),
        ",".join(LINE.split(",")[1:]),
        LINE.replace(",43,", ",44,"),
        ",".join(reversed(LINE.split(","))),
        ",".join(FRAME.columns),
        FRAME.describe().to_string(),
        FRAME.to_json(orient="columns")[:2000],
    ],
    ids=["without the last", "without the first", "one changed", "backwards", "header", "summary", "columns"],
)
def test_parts_of_rows_pass(text: str) -> None:
    _guard().check(_body(text))


def test_rows_of_the_twin_pass() -> None:
    table = read_table("trial.csv", trial_csv())
    twin = make_twin(table, find_identifiers(table)).decode()
    _guard().check(_body(twin))
    _guard().check(_body(pd.read_csv(io.StringIO(twin)).to_json(orient="records")))


def test_a_column_that_is_named_like_a_value_hides_no_value() -> None:
    guard = RowGuard([read_table("d.csv", b"a,1,c,d,e,x\n5,1,2,3,4,f\n5,0,2,3,0,g\n")])
    with pytest.raises(RowInRequest, match="not sent"):
        guard.check(_body("5,1,2,3,4,f"))
    guard.check(_body("5,2,3,4,f"))


def _hashes(guard: RowGuard, body: bytes) -> int:
    """Return how many hashes a check computes."""
    count = 0

    def look(_frame: FrameType, event: str, function: Any) -> None:
        nonlocal count
        count += event == "c_call" and function is hash

    sys.setprofile(look)
    try:
        guard.check(body)
    finally:
        sys.setprofile(None)
    return count


def _wide(rows: int) -> RowGuard:
    """Return a guard over rows that all begin alike and are of several lengths."""
    lines = [f"site,7,7,7,7,{at}.5,{at % 7 or ''},{at}" for at in range(rows)]
    return RowGuard([read_table("d.csv", "\n".join(["place,b,c,d,e,f,g,h", *lines]).encode())])


def test_the_work_grows_with_the_request_and_not_with_the_data() -> None:
    text = "site,7,7,7,7,0.25,3 and other words " * 570
    assert 19_000 < len(text) < 21_000
    small, large = _wide(100), _wide(100_000)
    assert _hashes(large, _body(text)) == _hashes(small, _body(text))
    assert _hashes(large, _body(text * 2)) < 2.01 * _hashes(large, _body(text))


def test_a_row_in_the_codebook_stops_the_study_before_anything_is_sent(lab: Lab) -> None:
    study = lab.new(codebook=f"For example: {LINE}")
    with Endpoint(script()) as endpoint, pytest.raises(RowInRequest, match="it was not sent"):
        lab.run(study, endpoint.base_url)
    assert endpoint.bodies == []
    assert lab.workplace.store.study(study)["status"] == Status.STOPPED
    assert lab.events(study, "effect.started") == []
    assert LINE not in lab.workplace.store.study(study)["detail"]
