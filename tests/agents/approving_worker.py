"""A worker of a shared store for whose studies Ada approves whatever waits: `python -m tests.agents.approving_worker`.

Its arguments are the store's folder, its database, and the endpoint of the model.
"""

from __future__ import annotations

import sys
from pathlib import Path

from counterproof.agents.runner import Decide, Runner
from counterproof.agents.shared_worker import Pace, work_shared
from counterproof.agents.study import open_workplace
from counterproof.agents.worker import stop_on_signals
from counterproof.provenance.store import Status
from counterproof.sandbox import LocalSandbox, find_environment

from .forge import approve

PACE = Pace(poll_s=0.1, sweep_s=1, heartbeat_s=1, dead_after_s=4)


class ApprovingRunner(Runner):
    """Runs a study to its end."""

    def run(self, study_id: str, *, decide: Decide = approve) -> Status:
        """Run it; Ada decides."""
        return super().run(study_id, decide=decide)


def main(home: str, database: str, endpoint: str) -> None:
    """Work until a signal ends it; its lines go to standard output."""
    stop = stop_on_signals()
    runner = ApprovingRunner(
        workplace=open_workplace(Path(home), database=database),
        sandbox=LocalSandbox(),
        environment=find_environment(),
        api_key=lambda _name: "none",
        endpoint=endpoint,
        progress=lambda line: print(line, flush=True),
    )
    work_shared(runner, stop=stop, pace=PACE)


if __name__ == "__main__":
    main(*sys.argv[1:])
