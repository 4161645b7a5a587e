"""Other people's evaluations on the same rows as ours: each runs in an environment of its own, on written files."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from counterproof.tools.data import Table
from counterproof.tools.synth.evaluation.case import Case
from counterproof.tools.synth.evaluation.frames import matrix_of, schema_of

from .conftest import made_by, prepared


def run_in(environment: str, program: str, *arguments: str) -> dict[str, float]:
    """Run a program that prints numbers by name, in `.venv/ENVIRONMENT`."""
    python = Path(sys.prefix) / environment / "bin" / "python"
    assert python.is_file(), f"There is no {python}: run `make .venv/.{environment}`."
    done = subprocess.run([str(python), "-c", program, *arguments], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, float] = json.loads(done.stdout[done.stdout.rindex('{"') :])
    return found


def case_of(name: str, maker: str) -> Case:
    """Return a case without rare levels: others know no such class."""
    of = prepared(name)
    schema = schema_of(of.table, {found.column for found in of.findings})

    def matrix(table: Table) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return matrix_of(table, schema)

    train, holdout, made = (matrix(table) for table in (of.split.train, of.split.holdout, made_by(maker, name)))
    for at, variable in enumerate(schema.variables):
        for rows in (train, holdout, made):
            if variable.kind == "category":
                rows[rows[:, at] >= variable.common, at] = 0
    return Case(schema=schema, train=train, holdout=holdout, true_holdout=True, candidate=made, seed=1)


def complete(case: Case) -> Case:
    """Return the rows without missing values, equally many on each side, and the ranges that they have."""
    sides = [rows[~np.isnan(rows).any(axis=1)] for rows in (case.train, case.holdout, case.candidate)]
    count = min(len(rows) for rows in sides)
    train, holdout, made = (rows[:count] for rows in sides)
    every = np.vstack([train, holdout, made])
    ranges = zip(case.schema.variables, every.min(axis=0), every.max(axis=0), strict=True)
    variables = tuple(
        variable if variable.kind == "category" else replace(variable, low=float(low), high=float(high))
        for variable, low, high in ranges
    )
    return replace(case, schema=replace(case.schema, variables=variables), train=train, holdout=holdout, candidate=made)


def within(case: Case) -> Case:
    """Return a case whose hold-out is its training rows, so that metrics that cut sides to its size use all rows."""
    return replace(case, holdout=case.train)


def part(case: Case, columns: list[int]) -> Case:
    """Return some columns of a case."""
    schema = replace(case.schema, variables=tuple(case.schema.variables[at] for at in columns))
    train, holdout, made = (rows[:, columns] for rows in (case.train, case.holdout, case.candidate))
    return replace(case, schema=schema, train=train, holdout=holdout, candidate=made)


def categories(case: Case) -> list[str]:
    """Return the names of the columns of categories."""
    return [variable.name for variable in case.schema.variables if variable.kind == "category"]


def written(case: Case, folder: Path) -> list[str]:
    """Write training rows, synthetic rows and hold-out as CSV; return the paths."""
    names = [variable.name for variable in case.schema.variables]
    paths = []
    for name, rows in (("train", case.train), ("made", case.candidate), ("control", case.holdout)):
        pd.DataFrame(rows, columns=names).to_csv(folder / f"{name}.csv", index=False)
        paths.append(str(folder / f"{name}.csv"))
    return paths
