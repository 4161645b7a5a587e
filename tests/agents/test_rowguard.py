"""No row of the real data gets into a request: the ways in which programs print rows, and the whole way there."""

from __future__ import annotations

import io
import json

import pandas as pd
import pytest

from counterproof.provenance.store import Status
from counterproof.tools.data import read_table
from counterproof.tools.identifiers import find_identifiers
from counterproof.tools.rowguard import Guarded, RowGuard, RowInRequest
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
    with pytest.raises(RowInRequest, match=r"of the real data; it was not sent\."):
        _guard().check(_body(text))
    with pytest.raises(RowInRequest, match="not sent"):
        _guard().check(_body(json.dumps({"output": text})))


@pytest.mark.parametrize(
    "text",
    [
        ",".join(LINE.split(",")[:2]),
        ",".join(LINE.split(",")[4:]),
        ",".join(reversed(LINE.split(","))),
        ",".join(FRAME.columns),
        FRAME.describe().to_string(),
        FRAME["site"].value_counts().to_string(),
    ],
    ids=["two values", "common values", "backwards", "header", "summary", "counts"],
)
def test_what_is_nobodys_passes(text: str) -> None:
    _guard().check(_body(text))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (",".join(LINE.split(",")[:5]), "row"),
        (",".join(LINE.split(",")[1:]), "row"),
        (LINE.replace(f",{LINE.split(',')[4]},", ",X,"), "row"),
        (FRAME.to_json(orient="columns")[:2000], "column"),
        (repr(FRAME["score"].head(12).tolist()), "column"),
        (FRAME["age"].head(20).to_string(), "column"),
        (repr(FRAME["weight"].to_numpy()), "column"),
    ],
    ids=["without the last", "without the first", "one changed", "columns", "a list", "a series", "an array"],
)
def test_a_part_that_tells_enough_is_found(text: str, what: str) -> None:
    with pytest.raises(RowInRequest, match="it was not sent") as caught:
        _guard().check(_body(text))
    assert what in {hit.what for hit in caught.value.hits}


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


def test_fingerprints_take_at_most_a_twentieth_of_a_large_file() -> None:
    rows = "".join(f"{at * 7919 % 100_003}.25,{at % 89},{at % 13 / 4},P{at:08d}\n" for at in range(200_000))
    table = read_table("d.csv", f"a,b,c,code\n{rows}".encode())
    guard = RowGuard([Guarded(table=table, hidden=("code",))])
    assert guard.nbytes <= max(0.05 * table.size, 2**20)
    with pytest.raises(RowInRequest, match="of the real data"):
        guard.check(_body("\n".join(rows.splitlines()[123_456:123_476])))  # each is sampled, one alone may pass


def test_a_row_in_the_codebook_stops_the_study_before_anything_is_sent(lab: Lab) -> None:
    study = lab.new(codebook=f"For example: {LINE}")
    with Endpoint(script()) as endpoint, pytest.raises(RowInRequest, match="it was not sent"):
        lab.run(study, endpoint.base_url)
    assert endpoint.bodies == []
    assert lab.workplace.store.study(study)["status"] == Status.STOPPED
    assert lab.events(study, "effect.started") == []
    assert LINE not in lab.workplace.store.study(study)["detail"]
