"""A process that has imported everything, and forks one for each run of a study: a start costs no second that way.

A line on standard input says what to run; the answer is the number of the process, then how it ended. The process leads
a group of its own, so that it can be killed with all that belongs to it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from counterproof.agents.study import OpenStudy
from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.leases import Busy
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.store import Status
from counterproof.sandbox import LocalSandbox, find_environment

from ..lab import ADA, KEY, Lab

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to run: a study of a laboratory, to its end; Ada approves whatever waits."""

    home: str
    database: str
    study: str
    endpoint: str


@dataclass(frozen=True, kw_only=True)
class Forge:
    """The process, seen from the tests."""

    process: subprocess.Popen[str]

    def start(self, task: Task) -> int:
        """Begin a run and return the number of its process."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asdict(task)) + "\n")
        self.process.stdin.flush()
        return int(self._line())

    def ended(self) -> int:
        """Wait for the run that was begun last and return how it ended: 0, or minus the signal that killed it."""
        return int(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@contextmanager
def forge() -> Iterator[Forge]:
    """Start the process; it ends with the block."""
    command = [sys.executable, "-m", "tests.agents.forge"]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Forge(process=process)
        finally:
            process.communicate(timeout=30)


def approve(study: OpenStudy, waiting: Checkpoint) -> bool:
    """Let Ada approve what waits."""
    signer = KeySigner(key=KEY)
    study.checkpoints.decide(
        waiting.id, signer, reviewer=ADA, decision="approve", comment="Looked at.", seen=waiting.subject
    )
    return True


def _run(lab: Lab, task: Task) -> Status:
    until = time.monotonic() + 10
    while True:
        try:
            return lab.runner(task.endpoint).run(task.study, decide=approve)
        except Busy:  # a server notices a moment later that the process before is dead
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def main() -> None:
    """Serve until standard input ends."""
    sandbox, environment = LocalSandbox(), find_environment()
    sandbox.prove()
    for line in sys.stdin:
        task = Task(**json.loads(line))
        child = os.fork()
        if child == 0:
            try:
                lab = Lab(home=Path(task.home), database=task.database, sandbox=sandbox, environment=environment)
                os._exit(0 if _run(lab, task) is Status.DONE else 3)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        os.setpgid(child, child)  # by the parent: it is so once somebody knows the number
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
