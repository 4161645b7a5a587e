"""An installation with a study on the lung data, authored model answers and real reviewers with keys."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterproof.agents.models import ModelConfig
from counterproof.agents.runner import Runner
from counterproof.agents.study import Workplace, new_study, open_study, open_workplace
from counterproof.provenance.permissions import KINDS_OF
from counterproof.provenance.policy import SINGLE_USER
from counterproof.provenance.reviewers import CheckpointKind, Reviewer, Role
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.signing import load_key, make_key
from counterproof.provenance.store import Status
from counterproof.sandbox import LocalSandbox, find_environment
from counterproof.scenarios.catalogue import load_scenario
from counterproof.scenarios.recorder import authored_answer
from counterproof.scenarios.replayer import start_scenario
from counterproof.scenarios.server import TurnServer
from counterproof.ui.desk import Desk

PASSPHRASE = "a kidney in a jar"
DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Site:
    """One installation with one study and one reviewer, `ada`, in all three roles."""

    home: Path
    study: str

    @property
    def workplace(self) -> Workplace:
        """The installation, opened anew."""
        return open_workplace(self.home)

    def checkpoint(self, kind: CheckpointKind) -> str:
        """The id of the first checkpoint of a kind."""
        return f"{self.study}.{kind}.1"

    def decide(self, *, reviewer: str = "ada") -> None:
        """Approve what waits, as the reviewer."""
        study = open_study(self.workplace, self.study)
        waiting = study.checkpoints.waiting()
        assert waiting is not None
        signer = KeySigner(key=load_key(self.home / "keys" / reviewer, passphrase=PASSPHRASE))
        study.checkpoints.decide(
            waiting.id, signer, reviewer=reviewer, decision="approve", comment="looked at it", seen=waiting.subject
        )


def desk(site: Site) -> Desk:
    """The desk of a site in single-user mode."""
    return Desk(workplace=site.workplace)


def make_runner(workplace: Workplace, **other: Any) -> Runner:
    """A runner whose endpoints need no key."""
    parts: dict[str, Any] = {
        "sandbox": LocalSandbox(),
        "environment": find_environment(),
        "api_key": lambda _name: "none",
        **other,
    }
    return Runner(workplace=workplace, **parts)


def add_reviewer(workplace: Workplace, reviewer: str = "ada", *, roles: tuple[Role, ...] = tuple(Role)) -> None:
    """Make a key with a passphrase and enter its owner."""
    line = make_key(workplace.store.home / "keys" / reviewer, passphrase=PASSPHRASE, comment=reviewer)
    person = Reviewer(id=reviewer, name=f"{reviewer.capitalize()} Example", roles=roles, public_key=line)
    workplace.registry.add(person, by="test")


def add_study(workplace: Workplace, base_url: str, *, title: str = "Survival by sex") -> str:
    """Make a study on the lung data; it is no scenario."""
    scenario = load_scenario("lung-survival")
    return new_study(
        workplace,
        question=scenario.question,
        data=scenario.data_paths,
        model=ModelConfig(model="authored", base_url=base_url, api_key_env=""),
        title=title,
        codebook=scenario.codebook,
        policy=SINGLE_USER,
    )


def add_scenario(workplace: Workplace) -> str:
    """Make a study that is a scenario; its replay reviewer is entered too."""
    return start_scenario(workplace, load_scenario("lung-survival"))


WORKER = """
import sys
from pathlib import Path
from counterproof.agents.runner import Runner
from counterproof.agents.study import open_workplace
from counterproof.agents.worker import stop_on_signals, work
from counterproof.sandbox import LocalSandbox, find_environment

stop = stop_on_signals()
runner = Runner(
    workplace=open_workplace(Path(sys.argv[1])),
    sandbox=LocalSandbox(),
    environment=find_environment(),
    api_key=lambda name: "none",
    progress=lambda line: print(line, file=sys.stderr, flush=True),
)
work(runner, poll_s=0.05, stop=stop)
"""
"""A worker process of the store named as its argument."""


@contextmanager
def authored_endpoint() -> Iterator[str]:
    """Give the address of a model server that answers as the lung scenario was authored."""
    scenario = load_scenario("lung-survival")
    with TurnServer([], source=lambda request: authored_answer(scenario, request)) as server:
        yield server.base_url


def make_stages(folder: Path, endpoint: str) -> dict[str, Site]:
    """Make one study as it stood at each checkpoint, and when it was done, each in a store of its own."""
    home = folder / "home"
    workplace = open_workplace(home)
    add_reviewer(workplace)
    site = Site(home=home, study=add_study(workplace, endpoint))
    found: dict[str, Site] = {}
    runner = make_runner(workplace)
    for stage in (*KINDS_OF["analysis"], DONE):
        status = runner.run(site.study)
        assert status is (Status.DONE if stage == DONE else Status.WAITING), workplace.store.study(site.study)
        found[stage] = Site(home=home.with_name(str(stage)), study=site.study)
        shutil.copytree(home, found[stage].home)
        if stage != DONE:
            site.decide()
    return found
