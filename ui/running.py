"""What the commands share that run programs or whole studies: sandbox, analysis environment, runner.

Apart from `common`, because importing the study graph and the model client takes more than a second.
"""

from __future__ import annotations

from collections.abc import Callable

from counterproof.agents.runner import Runner
from counterproof.agents.study import Workplace
from counterproof.sandbox import Environment, LocalSandbox, find_environment
from counterproof.ui import environment


def analysis_environment() -> Environment:
    """Return the analysis environment of this machine."""
    return find_environment()


def sandbox() -> LocalSandbox:
    """Return the sandbox of this machine."""
    return LocalSandbox(search_path=environment.search_path())


def runner(place: Workplace, *, say: Callable[[str], None]) -> Runner:
    """Return what runs studies on this machine."""
    return Runner(
        workplace=place,
        sandbox=sandbox(),
        environment=analysis_environment(),
        api_key=environment.api_key,
        progress=say,
    )
