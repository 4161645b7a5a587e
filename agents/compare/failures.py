"""What kind of failure it was, as far as an answer or a run shows it; `scoring` knows the rest."""

from __future__ import annotations

import re

from counterproof.agents.compare.cell import Category
from counterproof.agents.compare.trials import Trial
from counterproof.agents.compare.workbench import Attempt
from counterproof.provenance.blobs import Blobs

_DATA = re.compile(
    r"FileNotFoundError|PermissionError|IsADirectoryError|No such file or directory|cannot open (the connection|file)"
    r"|socket\.gaierror|URLError|ConnectionError|ConnectionRefusedError|Network is unreachable"
    r"|Could not resolve host|Temporary failure in name resolution|cannot open URL"
)
"""What Python and R say when a program reaches for a file or a host that is not there."""
_CUT = "cut off"
_LAST = 300


def unusable(fault: str) -> Attempt:
    """Return what came of an answer that can't be used as it is."""
    return Attempt(fault="over_limit" if _CUT in fault else "no_code", detail=fault)


def attempt_of(program: str, trial: Trial, blobs: Blobs) -> Attempt:
    """Return what came of the run that gives the answer."""
    if trial.status != "ok":
        return classified(program, trial, blobs)
    return Attempt(program=program, outputs={output.name: blobs.get(output.sha256) for output in trial.outputs})


def classified(program: str, trial: Trial, blobs: Blobs, *, where: str = "") -> Attempt:
    """Return what came of a run that failed."""
    stderr = blobs.get(trial.stderr).decode("utf-8", errors="replace").strip()
    at = f" {where}" if where else ""
    if trial.status == "timeout":
        return Attempt(program=program, fault="timeout", detail=f"it was ended at its time limit{at}")
    if trial.status == "ok":
        return Attempt(program=program, fault="bad_output", detail=f"it wrote no answer{at}")
    last = stderr.splitlines()[-1][:_LAST] if stderr else f"status {trial.status}"
    category: Category = "data_access" if trial.status == "error" and _DATA.search(stderr) else "does_not_run"
    return Attempt(program=program, fault=category, detail=f"{last}{at}")
