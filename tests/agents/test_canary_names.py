"""Canaries in names and labels: of a file, of its columns, and of codes that an SPSS file brings along.

They are not in the cells, so the guard does not know them: they have to be kept out before. Whichever way a file came
into the vault, no byte of them is in a request, in the record's lines, or in the text of a refusal.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from counterproof.agents.models import ModelConfig
from counterproof.agents.reviews import say
from counterproof.agents.study import new_study
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import DecisionRequired, UsageError
from counterproof.provenance.ledger import Entry
from counterproof.provenance.policy import SINGLE_USER
from counterproof.provenance.store import Status
from counterproof.tools.looking import Said

from ..endpoint import Endpoint
from ..lab import ADA, KEY, NOWHERE, Lab, script, trial_csv

pytestmark = pytest.mark.canary
USABLE = ["born-1931-07-19.csv", "MRN_7710884.csv", "078-05-1120.csv"]
"""File names that programs could use."""
FILE_NAMES = [*USABLE, "zyx@quorrumbool.org.csv", "born 1931-07-19.csv", "call +49 431 880-1234.csv"]
HEADERS = ["arm,zyx@quorrumbool.org", "arm,born 1931-07-19", "arm,MRN 7710884"]
RARE, PERSON = "Vexillotransmogrosis", "Zyxquell Brandywickson"


def _new(lab: Lab, *data: Path, entered: tuple[Entry, ...] = ()) -> str:
    lab.add(ADA, KEY)
    model = ModelConfig(model="made-up", base_url=NOWHERE, api_key_env="")
    return new_study(
        lab.workplace,
        question="Why?",
        data=data,
        entered=entered,
        model=model,
        policy=SINGLE_USER,
        checks_on_data=False,
    )


@pytest.mark.parametrize("name", FILE_NAMES)
def test_a_file_name_that_tells_of_a_person_is_refused_and_not_repeated(lab: Lab, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(trial_csv())
    with pytest.raises(UsageError, match=r"The name of the data file holds what looks like an identifier") as caught:
        _new(lab, path)
    assert path.stem not in str(caught.value)
    assert lab.workplace.store.studies() == []


@pytest.mark.parametrize(
    ("name", "content"),
    [*((name, trial_csv()) for name in USABLE), *(("t.csv", f"{head}\n1,2\n0,3\n".encode()) for head in HEADERS)],
    ids=[*USABLE, *HEADERS],
)
def test_names_in_a_vault_are_looked_at_before_anything_is_sent(lab: Lab, name: str, content: bytes) -> None:
    """As if it had come into the vault in another way than `data add`, which refuses it too."""
    vault = lab.workplace.vault
    entry = vault.ledger.added(Entry(sha256=vault.put(content), name=name, size=len(content)), by="somebody")
    study = _new(lab, entered=(entry,))
    with Endpoint(script()) as endpoint, pytest.raises(UsageError, match="looks like an identifier of a person"):
        lab.run(study, endpoint.base_url)
    assert endpoint.bodies == []


def test_names_of_codes_in_a_file_of_spss_are_not_told(lab: Lab, tmp_path: Path) -> None:
    """The disease is one person's; the names of persons were given codes by a machine."""
    lines = [line.split(",") for line in trial_csv().decode().splitlines()]
    frame = pd.DataFrame(lines[1:], columns=lines[0]).drop(columns="site").astype(float)
    frame["disease"] = [2.0 if at == 41 else float(at % 2) for at in range(len(frame))]
    frame["doctor"] = [float(at) for at in range(len(frame))]
    labels: dict[str, dict[int | float, str]]
    labels = {"disease": {0: "cold", 1: "influenza", 2: RARE}, "doctor": {at: f"{PERSON} {at}" for at in range(80)}}
    pyreadstat.write_sav(frame, str(tmp_path / "trial.sav"), variable_value_labels=labels)
    study = _new(lab, tmp_path / "trial.sav")
    with pytest.raises(DecisionRequired, match="doctor"):
        lab.run(study)
    say(lab.study(study), Said(file="trial.csv", column="doctor", said="not one", why="a test", by=ADA))
    with Endpoint(script()) as endpoint:
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        asked = endpoint.everything()
    assert "influenza" in asked
    kept = lab.study(study).record.path.read_text("utf-8")
    for canary in (RARE, PERSON):
        assert canary not in asked
        assert canary not in kept
    assert sha256_bytes((tmp_path / "trial.sav").read_bytes()) in kept
