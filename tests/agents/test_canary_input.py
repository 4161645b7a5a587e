"""Canaries on the way in: unmistakable values in every type of column, and hostile programs that try to carry them out.

At exposure `metadata` no byte of them gets into a request to the model, a span, an error, the record's lines, or an
open body; whole studies run up to the second code checkpoint, after a failure on the real data.
"""

from __future__ import annotations

import random

import pytest

from counterproof.agents.reviews import say
from counterproof.provenance.errors import DecisionRequired, UsageError
from counterproof.provenance.store import Status
from counterproof.tools.looking import Meaning, Said

from ..endpoint import Endpoint
from ..lab import ADA, Lab, program, script, written

pytestmark = pytest.mark.canary
CANARIES = {
    "name": "Zyxquell Brandywickson",
    "note": "found wandering beside the Quorrumbool lighthouse at dawn by a fisherman",
    "diagnosis": "Vexillotransmogrosis",
    "seen": "1931-07-19",
    "score": "987.654321",
    "visits": "86013",
    "mail": "zyx.brandy@quorrumbool.example",
    "nr": "7710884421",
}
HOSTILE = {
    "raises with rows": "raise ValueError(repr(rows))",
    "raises a class that is named like a value": "raise type(rows[41]['name'].replace(' ', ''), (Exception,), {})()",
    "prints rows and leaves": "print(rows); import sys; print(rows, file=sys.stderr); sys.exit(3)",
    "fakes a traceback": "import sys; print('File \"/program/program.py\", line ' + rows[41]['visits'] + '\\n'"
    " + rows[41]['diagnosis'] + ': ' + rows[41]['note'], file=sys.stderr); sys.exit(1)",
    "names a file like a value": "Path(os.environ['COUNTERPROOF_OUT'], rows[41]['diagnosis'] + '.csv').write_text('x');"
    " 1 / 0",
    "writes rows in place of results": "Path(os.environ['COUNTERPROOF_OUT'], 'results.json').write_text(repr(rows));"
    " os._exit(0)",
}


def _content() -> bytes:
    chance = random.Random(8)
    lines = ["arm,score,age,visits,name,note,diagnosis,seen,mail,nr"]
    for at in range(80):
        row = {
            "score": f"{chance.gauss(50, 9):.3f}",
            "visits": str(chance.randint(1, 6)),
            "name": f"Person{at} Somebody",
            "note": f"came with complaint number {at} and went home after a while and was well",
            "diagnosis": ["flu", "cold"][at % 2],
            "seen": f"2020-01-{at % 28 + 1:02d}",
            "mail": f"p{at}@example.org",
            "nr": str(4000000000 + at),
        }
        row |= CANARIES if at == 41 else {}
        lines.append(
            f"{at % 2},{row['score']},{chance.randint(30, 79)},"
            + ",".join(row[name] for name in ("visits", "name", "note", "diagnosis", "seen", "mail", "nr"))
        )
    return ("\n".join(lines) + "\n").encode()


def _study(lab: Lab) -> str:
    study = lab.new(content=_content())
    with pytest.raises(DecisionRequired, match=r"nobody has said what they are: .*identifiers STUDY"):
        lab.run(study)
    for column in ("name", "note", "seen", "mail", "nr", "diagnosis"):
        meaning: Meaning = "not one" if column == "diagnosis" else "identifier"
        say(lab.study(study), Said(file="trial.csv", column=column, said=meaning, why="a test", by=ADA))
    return study


def _everything(lab: Lab, study: str, endpoint: Endpoint) -> str:
    """All that left the secure side: requests, spans, lines and open bodies of the record, the store's words."""
    opened = lab.study(study)
    parts = [endpoint.everything(), str(lab.workplace.store.study(study))]
    parts += [path.read_text() for path in opened.folder.rglob("*.jsonl")]
    for event in opened.record.events():
        parts += [
            opened.record.blobs.get(ref.sha256).decode("utf-8", errors="replace")
            for ref in event.refs
            if ref.side == "open"
        ]
    return "\n".join(parts)


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_canary_no_hostile_program_carries_a_value_out(lab: Lab, hostile: str) -> None:
    study = _study(lab)
    bad = program("It looks harmless.", middle=f"if 'synthetic' + '_twin' not in rows[0]:\n    {hostile}")
    good = program("It is repaired.")
    with Endpoint(script(primary=[written(bad), written(good)])) as endpoint:
        status = lab.run(study, endpoint.base_url, "approve", "approve")
        assert status is Status.WAITING
        assert len(endpoint.asked("primary")) == 2, "the model was told of the failure"
        left = _everything(lab, study, endpoint)
    for name, canary in CANARIES.items():
        assert canary not in left, name
        assert canary.replace(" ", "") not in left, name


def test_canary_of_a_file_name_or_a_column_name_is_refused_and_not_repeated(lab: Lab) -> None:
    for header in ("arm,zyx@quorrumbool.org", "arm,born 1931-07-19", "arm,MRN 7710884"):
        with pytest.raises(UsageError, match="identifier of a person") as caught:
            lab.new(content=f"{header}\n1,2\n0,3\n".encode())
        assert header.partition(",")[2] not in str(caught.value)


def test_study_stops_until_a_person_says_what_each_column_is(lab: Lab) -> None:
    study = lab.new(content=_content())
    for _ in range(2):
        with Endpoint(script()) as endpoint, pytest.raises(DecisionRequired, match="may identify a person"):
            lab.run(study, endpoint.base_url)
        assert endpoint.bodies == []
    assert lab.events(study, "intake.finished") == []
    assert lab.workplace.store.study(study)["status"] == Status.STOPPED
