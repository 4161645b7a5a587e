"""What the commands share that run whole studies: the runner.

Apart from `common`, because importing the study graph and the model client takes more than a second.
"""

from __future__ import annotations

from collections.abc import Callable

from counterproof.agents.notices import Notifier, read_notices
from counterproof.agents.runner import Runner
from counterproof.agents.study import Workplace
from counterproof.provenance.instrumentation import instrument_models
from counterproof.sandbox.gate_client import GateClient
from counterproof.ui import environment
from counterproof.ui.gates import open_gate
from counterproof.ui.isolation import analysis_environment


def runner(
    place: Workplace, *, say: Callable[[str], None], gate: GateClient | None = None, exports: bool = True
) -> Runner:
    """Return what runs studies on this machine, through its gate; its model calls are traced."""
    instrument_models()
    return Runner(
        workplace=place,
        sandbox=None,
        gate=gate or open_gate(place.store.home),
        environment=analysis_environment(),
        api_key=environment.api_key,
        progress=say,
        exports=exports,
        notify=Notifier(settings=read_notices(place.store.home), secret=environment.secret, say=say).tell,
    )
