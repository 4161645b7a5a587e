"""One planted flaw with its sound twin, and the short forms in which the suite is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from counterproof.sandbox import Language

Data = Callable[[], Mapping[str, bytes]]


def tasks_folder() -> Path:
    """Return the folder of the real tasks, which lies beside the checkout."""
    root = Path(__file__).resolve().parents[2]
    for folder in (root.parent / "shared" / "tasks", root.parent.parent / "shared" / "tasks"):
        if (folder / "tasks.yaml").is_file():
            return folder
    raise FileNotFoundError(f"The tasks are not beside the checkout: {root.parent}/shared/tasks has no tasks.yaml.")


def real(*names: str) -> Data:
    """Return the files of a real task."""
    return lambda: {name: (tasks_folder() / "data" / name).read_bytes() for name in names}


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """A flaw, planted in a program that is sound otherwise.

    Attributes:
        id: its name.
        check: id of the check that must find it.
        source: name of the data set, for the table.
        data: its files.
        plan: words of the plan: what is compared, by which methods.
        flawed: body of the careless program.
        sound: body of its twin.
        outcome: column of the outcome.
        exposure: column of the exposure.
        design: design of the study.
        language: of both programs.
        other_data: data of the twin, where the flaw is in the data alone.
    """

    id: str
    check: str
    source: str
    data: Data
    plan: str
    flawed: str
    sound: str
    outcome: str = ""
    exposure: str = ""
    design: str = "cohort"
    language: Language = "python"
    other_data: Data | None = None


_PYTHON = '''"""An analysis program of the suite."""
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

DATA, OUT = Path(os.environ["COUNTERPROOF_DATA"]), Path(os.environ["COUNTERPROOF_OUT"])
SEED = int(os.environ["COUNTERPROOF_SEED"])


def row(name, number, unit, count, p=None):
    made = {"id": name, "label": name, "value": float(number), "unit": unit, "n": int(count), "method": "as planned",
            "population": "all"}
    if p is not None:
        made["p_value"] = float(p)
    return made


def write(rows, first, last, left_out=()):
    (OUT / "results.json").write_text(json.dumps({"schema": "counterproof/results/1", "results": rows}))
    excluded = [{"reason": why, "n": int(count)} for why, count in left_out]
    flow = {"schema": "counterproof/flow/1", "assessed": int(first), "excluded": excluded, "analysed": int(last)}
    (OUT / "flow.json").write_text(json.dumps(flow))


'''
_R = """source_folder <- Sys.getenv("COUNTERPROOF_DATA")
target <- Sys.getenv("COUNTERPROOF_OUT")
row <- function(name, number, unit, count, p = NULL) {
  made <- list(id = name, label = name, value = as.numeric(number), unit = unit, n = as.integer(count),
               method = "as planned", population = "all")
  if (!is.null(p)) made$p_value <- as.numeric(p)
  made
}
write <- function(rows, first, last, left_out = list()) {
  put <- function(what, file) jsonlite::write_json(what, file.path(target, file), auto_unbox = TRUE, digits = NA)
  put(list(schema = "counterproof/results/1", results = rows), "results.json")
  put(list(schema = "counterproof/flow/1", assessed = first, excluded = left_out, analysed = last), "flow.json")
}
"""


def program(flaw: Flaw, *, sound: bool) -> str:
    """Return the whole program."""
    head = _PYTHON if flaw.language == "python" else _R
    return head + (flaw.sound if sound else flaw.flawed).strip() + "\n"
