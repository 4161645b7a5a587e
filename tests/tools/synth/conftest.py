"""Real tables with a planned model each, and what the cards of one test session share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from counterproof.tools.data import Table, read_file, read_table
from counterproof.tools.identifiers import Finding, find_identifiers
from counterproof.tools.synth.evaluation.card import Measure
from counterproof.tools.synth.evaluation.controls import CONTROLS
from counterproof.tools.synth.evaluation.definitions import BY_ID
from counterproof.tools.synth.evaluation.tables import Battery, Question, Sides
from counterproof.tools.synth.makers import MAKERS, Order
from counterproof.tools.synth.marks import write_content
from counterproof.tools.synth.splitting import Split, split

SCENARIOS = Path(__file__).parents[3] / "scenarios"


@dataclass(frozen=True, kw_only=True)
class Real:
    """A published table, and what it was published for."""

    path: str
    model: str
    subgroups: str
    harmless: tuple[str, ...] = ()


TABLES = {
    "lbw": Real(
        path="low-birth-weight/data/lbw.csv", model="low ~ age + lwt + smoke + race + ht + ui", subgroups="smoke"
    ),
    "asah": Real(path="sah-biomarkers/data/asah.csv", model="outcome ~ age + gender + s100b", subgroups="gender"),
    "lung": Real(path="lung-survival/data/lung.csv", model="Surv(time, status=2) ~ age + sex", subgroups="sex"),
    "babies": Real(
        path="coded-missing/data/babies_coded.csv",
        model="bwt ~ gestation + parity + age + height + weight",
        subgroups="parity",
        harmless=("age",),
    ),
    "indo": Real(
        path="indomethacin-trial/data/indo_rct.csv",
        model="outcome ~ rx + risk + gender",
        subgroups="gender",
        harmless=("age",),
    ),
    "nhefs": Real(
        path="smoking-cessation/data/nhefs_complete.csv",
        model="wt82_71 ~ qsmk + sex + age + wt71",
        subgroups="sex",
        harmless=("birthplace",),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A table that is ready to be imitated."""

    real: Real
    table: Table
    findings: tuple[Finding, ...]
    split: Split

    @property
    def question(self) -> Question:
        """What its card is asked for."""
        hidden = {finding.column for finding in self.findings}
        return Question(model=self.real.model, subgroups=self.real.subgroups, hidden=hidden)


@cache
def prepared(name: str) -> Prepared:
    """Read and split a table."""
    real = TABLES[name]
    _, table = read_file(SCENARIOS / real.path)
    findings = tuple(found for found in find_identifiers(table) if found.column not in real.harmless)
    both = split(table, share=0.4, seed=1, hidden={found.column for found in findings})
    return Prepared(real=real, table=table, findings=findings, split=both)


@cache
def made_by(maker: str, name: str, seed: int = 1) -> Table:
    """Return what a sound maker, or one that is bad on purpose, makes of a table."""
    of = prepared(name)
    if maker in CONTROLS:
        return CONTROLS[maker].make(of.split.train, made_by("trees", name), np.random.default_rng(1))
    order = Order(findings=of.findings, rows=of.split.train.rows, seed=seed)
    return read_table("made.csv", write_content(MAKERS[maker](of.split.train, order).cells))


@cache
def measure(id_: str, maker: str, name: str, seed: int = 1) -> Measure:
    """Return one number of a card."""
    return _battery(maker, name, seed).measure(BY_ID[id_])


@cache
def _battery(maker: str, name: str, seed: int) -> Battery:
    of = prepared(name)
    sides = Sides(train=of.split.train, holdout=of.split.holdout, said="a test")
    return Battery(sides, made_by(maker, name, seed), of.question)


@pytest.fixture(params=list(TABLES))
def name(request: pytest.FixtureRequest) -> str:
    """Each real table."""
    return str(request.param)
