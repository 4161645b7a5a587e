"""A small made-up study that no scenario knows, and a laboratory to run it in.

Eighty patients in two arms with a score; one patient has a score that stands nowhere else (`OUTLIER`), by which a test
recognises real data. The programs use the standard library alone, so that an execution takes about fifty milliseconds.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.agents.models import ModelConfig
from counterproof.agents.runner import Runner
from counterproof.agents.study import OpenStudy, Workplace, new_study, open_study, open_workplace
from counterproof.agents.subjects.again import check_shown
from counterproof.provenance.decisions import Checkpoint, DecisionKind, SignedDecision
from counterproof.provenance.events import Event
from counterproof.provenance.reviewers import Reviewer, Role
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.signing import public_line
from counterproof.provenance.store import Status
from counterproof.sandbox import Environment, Sandbox

NOWHERE = "http://127.0.0.1:9/v1"
OUTLIER = "987.654321"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
AUTHOR_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ADA = "ada"
LIN = "lin"
INSTITUTE, ROR = "Institute of Made-up Trials", "0zzzzzz02"

PLAN: dict[str, Any] = {
    "title": "Scores by arm",
    "question": "Do scores differ between the arms?",
    "design": "randomised_trial",
    "estimand": {
        "population": "all randomised",
        "treatment": "arm 1 against arm 0",
        "variable": "score in points",
        "intercurrent_events": [],
        "summary_measure": "difference in means",
    },
    "outcomes": [{"id": "score", "definition": "score in points", "kind": "continuous", "columns": ["score"]}],
    "methods": [
        {
            "id": "means",
            "model": "descriptive",
            "description": "means",
            "assumptions": [{"assumption": "independence", "check": "by design", "if_violated": "say so"}],
        }
    ],
    "results": [
        {"id": "difference", "label": "difference", "unit": "points", "method": "means", "primary": True},
        {"id": "mean_control", "label": "mean of arm 0", "unit": "points", "method": "means"},
    ],
    "missing_data": {"method": "none_expected", "details": "every score is there"},
    "multiplicity": {"method": "single_test", "reason": "one comparison"},
}
REPORT = {
    "methods": "Means were compared between the arms.",
    "results": "The difference was {{difference.value}}; the mean of the control arm was {{mean_control.value}}.",
    "limitations": "The data are made up.",
}
_PROGRAM = '''"""{about}"""
import csv, json, os
from pathlib import Path
with Path(os.environ["COUNTERPROOF_DATA"], "trial.csv").open() as file:
    rows = list(csv.DictReader(file))
scores = {{arm: [float(row["score"]) for row in rows if row["arm"] == arm] for arm in "01"}}
{middle}
mean = {{arm: {formula} for arm, of in scores.items()}}
def result(name, value):
    return {{"id": name, "label": name, "value": value, "unit": "points", "n": len(rows), "method": "means",
            "population": "all"}}
results = [result("difference", mean["1"] - mean["0"]), result("mean_control", mean["0"])]
out = Path(os.environ["COUNTERPROOF_OUT"])
(out / "results.json").write_text(json.dumps({{"schema": "counterproof/results/1", "results": results}}))
flow = {{"schema": "counterproof/flow/1", "assessed": len(rows), "excluded": [], "analysed": len(rows)}}
(out / "flow.json").write_text(json.dumps(flow))
'''


def program(about: str, middle: str = "", formula: str = "sum(of) / len(of)") -> str:
    """Return a program; `middle` stands where the scores are known."""
    return _PROGRAM.format(about=about, middle=middle, formula=formula)


PRIMARY = program("The primary program.")
REPLICATION = program("The replication.", middle="import statistics", formula="statistics.fmean(of)")


def planned(**changed: Any) -> str:
    """Return the planner's answer."""
    return json.dumps({**PLAN, **changed})


def written(code: str) -> str:
    """Return a programmer's answer."""
    return json.dumps({"language": "python", "code": code, "notes": "Look at the means."})


def reported(**changed: str) -> str:
    """Return the reporter's answer."""
    return json.dumps({**REPORT, **changed})


def script(**changed: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """Return good answers for a whole study, with those of some roles changed."""
    good = {
        "planner": [planned()],
        "primary": [written(PRIMARY)],
        "replication": [written(REPLICATION)],
        "reporter": [reported()],
    }
    return {**good, **changed}


def trial_csv() -> bytes:
    """Return the data: the same bytes each time."""
    chance = random.Random(5)
    rows = ["arm,score,age,weight,site,visits"]
    for at in range(80):
        score = OUTLIER if at == 41 else f"{chance.gauss(50 + 5 * (at % 2), 9):.3f}"
        age, weight, site, visits = chance.randint(30, 79), chance.gauss(70, 9), "NSWE"[at % 4], chance.randint(1, 6)
        rows.append(f"{at % 2},{score},{age},{weight:.1f},{site},{visits}")
    return ("\n".join(rows) + "\n").encode()


def real_mean(arm: int) -> float:
    """Return the mean score of an arm of the real data."""
    rows = [line.split(",") for line in trial_csv().decode().splitlines()[1:]]
    scores = [float(row[1]) for row in rows if row[0] == str(arm)]
    return sum(scores) / len(scores)


@dataclass(kw_only=True)
class Lab:
    """One installation with a reviewer, Ada, who may decide everything, and with Lin, who made the studies.

    Attributes:
        home: its folder.
        sandbox: where programs run.
        environment: what they run in.
        database: the address of a PostgreSQL database; "" for SQLite.
        slept: how long model calls waited between attempts; nobody really sleeps.
    """

    home: Path
    sandbox: Sandbox
    environment: Environment
    database: str = ""
    slept: list[float] = field(default_factory=list)
    _opened: list[Workplace] = field(default_factory=list)

    @property
    def workplace(self) -> Workplace:
        """The installation, opened anew; on a server it is opened once, because each opening takes a connection."""
        if not self.database:
            return open_workplace(self.home)
        if not self._opened:
            self._opened.append(open_workplace(self.home, database=self.database))
        return self._opened[0]

    def add(self, reviewer: str, key: Ed25519PrivateKey, *roles: Role, replay: bool = False) -> Reviewer:
        """Register a reviewer."""
        person = Reviewer(
            id=reviewer,
            name=reviewer.title(),
            affiliation=INSTITUTE,
            ror=ROR,
            roles=roles or tuple(Role),
            public_key=public_line(key.public_key()),
            replay=replay,
        )
        return self.workplace.registry.add(person, by="the test")

    def new(self, **options: Any) -> str:
        """Make the study of the made-up trial, with Lin as its author and Ada as reviewer."""
        data = self.home.parent / "trial.csv"
        data.write_bytes(options.pop("content", None) or trial_csv())
        if not any(person.id == ADA for person in self.workplace.registry.active()):
            self.add(ADA, KEY)
            self.add(LIN, AUTHOR_KEY, Role.INVESTIGATOR)
        options.setdefault("author", LIN)
        model = ModelConfig(**{"model": "made-up", "base_url": NOWHERE, "api_key_env": "", **options.pop("model", {})})
        question = "Do scores differ between the arms?"
        options.setdefault("checks_on_data", False)  # one execution less, where a test is about something else
        return new_study(self.workplace, question=question, data=[data], model=model, **options)

    def runner(self, endpoint: str = NOWHERE, **changed: Any) -> Runner:
        """Return a runner that asks this endpoint."""
        given: dict[str, Any] = {
            "workplace": self.workplace,
            "sandbox": self.sandbox,
            "environment": self.environment,
            "api_key": lambda _name: "key-of-the-test",
            "endpoint": endpoint,
            "sleep": self.slept.append,
        }
        return Runner(**{**given, **changed})

    def study(self, study: str) -> OpenStudy:
        """Open a study anew."""
        return open_study(self.workplace, study)

    def waiting(self, study: str) -> Checkpoint:
        """Return the checkpoint that waits."""
        found = self.study(study).checkpoints.waiting()
        assert found is not None
        return found

    def decide(
        self, study: str, decision: DecisionKind = "approve", *, looks: bool = True, **options: Any
    ) -> SignedDecision:
        """Let Ada decide the checkpoint that waits, as the terminal does: what she approves is made again before.

        Without `looks` she signs whatever is there, as somebody could with a program of their own.
        """
        waiting = self.waiting(study)
        given: dict[str, Any] = {"comment": f"Ada says {decision}.", "seen": waiting.subject, **options}
        if decision == "approve" and looks:
            check_shown(self.study(study), waiting, reviewer=ADA)
        return self.study(study).checkpoints.decide(
            waiting.id, KeySigner(key=KEY), reviewer=ADA, decision=decision, **given
        )

    def run(self, study: str, endpoint: str = NOWHERE, *decisions: DecisionKind) -> Status:
        """Run a study; at each checkpoint Ada decides the next of these."""
        left = list(decisions)
        runner = self.runner(endpoint)
        status = runner.run(study)
        while status is Status.WAITING and left:
            self.decide(study, left.pop(0))
            status = runner.run(study)
        return status

    def events(self, study: str, *types: str) -> list[Event]:
        """Return the events of these types."""
        return self.study(study).record.of_type(*types)

    def text(self, digest: str, study: str) -> str:
        """Return a blob of a study as text."""
        return self.study(study).record.blobs.get(digest).decode()


MakeLab = Callable[[], Lab]
