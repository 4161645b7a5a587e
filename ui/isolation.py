"""The sandbox and the analysis environment of this machine, for commands that run programs.

Apart from `running`, because it is imported at once; so a sandbox can warm up while the rest is imported.
"""

from __future__ import annotations

from counterproof.sandbox import Environment, WarmSandbox, find_environment
from counterproof.ui import environment


def analysis_environment() -> Environment:
    """Return the analysis environment of this machine."""
    return find_environment()


def sandbox() -> WarmSandbox:
    """Return the sandbox of this machine."""
    return WarmSandbox(search_path=environment.search_path())


def warming_sandbox() -> WarmSandbox:
    """Return the sandbox of this machine, which warms up meanwhile: for a command that surely runs programs."""
    warming = sandbox()
    warming.warm_up(analysis_environment())
    return warming
