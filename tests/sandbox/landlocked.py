"""The Landlock sandbox for tests: programs written for the usual places run in those of this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from counterproof.sandbox import Environment, Execution, ExecutionSpec, Limits, Mount, Sandbox, run_all
from counterproof.sandbox.landlock import NEVER_HELD

_PLACES = {"/tmp/": "TMP", "/data/": "DATA"}


def moved(source: str) -> str:
    """Return a program with its paths below /out, /tmp, /data and /program where they are here."""
    source = dedent(source).replace("'/out/", "'./").replace("'/program/program.py'", "__import__('sys').argv[0]")
    for place, name in _PLACES.items():
        source = re.sub(rf"(f?)'{place}", rf"{name} + \1'/", source)
    return f"import os\nTMP, DATA = (os.environ[name] for name in ('TMPDIR', 'COUNTERPROOF_DATA'))\n{source}"


def run_in(
    sandbox: Sandbox,
    environment: Environment,
    source: str,
    inputs: Mapping[str, Path] | None = None,
    *,
    seed: int = 0,
    **limits: int,
) -> Execution:
    """Run one program as it is, with small limits where none are given."""
    mounts = tuple(Mount(host=path, target=name) for name, path in (inputs or {}).items())
    spec = ExecutionSpec(
        program=source.encode(),
        environment=environment,
        inputs=mounts,
        seed=seed,
        limits=Limits(**{"wall_s": 30, "cpu_s": 30, "work_mib": 8, "scratch_mib": 8, "shm_mib": 8, **limits}),
        allow_degraded=NEVER_HELD,
    )
    return run_all(sandbox, [spec])[0]
