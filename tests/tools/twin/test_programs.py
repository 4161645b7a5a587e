"""Programs that run on the twin run on the real data: nine published tables, twenty-nine programs."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from counterproof.sandbox import Environment
from counterproof.tools.data import read_file
from counterproof.tools.identifiers import find_identifiers
from counterproof.tools.twin import make_twin

from .programs import ABOUT, PROGRAMS

_RUN = """
import json, sys, traceback
sys.path.insert(0, sys.argv[1])
import pandas as pd
answers = {}
for name, code in json.load(sys.stdin).items():
    for side in sys.argv[2:]:
        try:
            exec(code, {"d": pd.read_csv(side)})
            answers.setdefault(name, []).append("")
        except Exception as error:
            answers.setdefault(name, []).append(traceback.format_exc()[-300:])
json.dump(answers, sys.stdout)
"""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How one program did; "" where it ran."""

    twin: str
    real: str


@pytest.fixture(scope="module")
def ran(environment: Environment, tables: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Each program, run on both."""
    folder, found = tmp_path_factory.mktemp("twins"), {}
    for name, programs in PROGRAMS.items():
        _, table = read_file(tables / name)
        (folder / name).write_bytes(make_twin(table, find_identifiers(table)))
        given = json.dumps({what: ABOUT + code for what, code in programs.items()})
        command = [str(environment.base_executable), "-c", _RUN, str(environment.site_packages)]
        both = [str(folder / name), str(tables / name)]
        done = subprocess.run([*command, *both], input=given, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        for what, (on_twin, on_real) in json.loads(done.stdout[done.stdout.index("{") :]).items():
            found[f"{name}: {what}"] = Ran(twin=on_twin, real=on_real)
    return found


def test_programs_that_run_on_the_twin_run_on_the_data(ran: dict[str, Ran]) -> None:
    on_twin = {name: program for name, program in ran.items() if not program.twin}
    failed = {name: program.real for name, program in on_twin.items() if program.real}
    assert len(failed) <= 0.05 * len(on_twin), failed


def test_sound_programs_run_on_the_twin(ran: dict[str, Ran]) -> None:
    """A twin on which nothing runs would pass the other test."""
    failed = {name: program.twin for name, program in ran.items() if program.twin and not program.real}
    assert len(ran) >= 28
    assert len(failed) <= 0.1 * len(ran), failed
