"""The check program: reads the data, runs the analysis program under observation, and writes what the checks found.

It writes `results.json` in a form of its own (`counterproof/checks/1`): verdict and evidence of each check, the results
that the observed program wrote, and the warnings of the libraries. Its output is on the secure side, as everything is
that real data gave.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from counterproof.tools.checks.observed._seen import Finding, Seen
from counterproof.tools.checks.observed._watch import outputs, watch

_READERS = {".csv": ",", ".tsv": "\t", ".txt": None}


def run(spec: dict[str, Any], program: str, checks: Sequence[Callable[[Seen], Finding]]) -> None:
    """Run every check on the program and the data in the sandbox's folders."""
    data, out = os.environ["COUNTERPROOF_DATA"], os.environ["COUNTERPROOF_OUT"]
    seen = Seen(
        plan=spec["plan"], language=spec["language"], calls=spec["calls"], numbers=spec["numbers"], text=program
    )
    error = ""
    with tempfile.TemporaryDirectory() as scratch:
        seen.frames = _frames(data)
        if spec["language"] == "python":
            error = watch(seen, program, data=data, out=f"{scratch}/out")
            written = _digest(f"{scratch}/out/results.json")
            seen.results = _rows(f"{scratch}/out")
            seen.flow = outputs(f"{scratch}/out", "flow.json")
            if not error and _predicts(seen):
                seen.permuted = _permuted(seen, program, data, scratch)
        else:
            written = ""
        os.environ["COUNTERPROOF_DATA"], os.environ["COUNTERPROOF_OUT"] = data, out
    found = [_checked(check, seen) for check in checks]
    answer = {
        "schema": "counterproof/checks/1",
        "checks": found,
        "error": error,
        "results_sha256": written,
        "warnings": [list(row) for row in seen.warned[:50]],
    }
    Path(out, "results.json").write_text(json.dumps(answer, allow_nan=False))


def _checked(check: Callable[[Seen], Finding], seen: Seen) -> Finding:
    """Run one check; one that breaks says so, and fails: nothing that was not looked at passes."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return check(seen)
        except Exception as error:
            name = check.__name__.removeprefix("check_")
            title = (check.__doc__ or name).splitlines()[0]
            return {
                "id": name,
                "title": title,
                "verdict": "fail",
                "evidence": [f"the check broke: {type(error).__name__}: {error}"[:300]],
            }


def _frames(data: str) -> dict[str, pd.DataFrame]:
    frames = {}
    for path in sorted(Path(data).iterdir()):
        name = path.name.removesuffix(".gz")
        suffix = Path(name).suffix.lower()
        try:
            if suffix in _READERS:
                frames[path.name] = pd.read_csv(
                    path, sep=_READERS[suffix], engine=None if _READERS[suffix] else "python"
                )
            elif suffix == ".parquet":
                frames[path.name] = pd.read_parquet(path)
            elif suffix in (".dta",):
                frames[path.name] = pd.read_stata(path)
            elif suffix in (".jsonl", ".ndjson"):
                frames[path.name] = pd.read_json(path, lines=True)
        except (OSError, ValueError, pd.errors.ParserError):
            continue
    for name, frame in frames.items():
        frames[name] = frame.drop(columns=[c for c in frame.columns if str(c) == "synthetic_twin"])
    return frames


def _rows(out: str) -> list[dict[str, Any]]:
    rows = outputs(out, "results.json").get("results", [])
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if Path(path).is_file() else ""


def _predicts(seen: Seen) -> bool:
    return bool(seen.learned) or seen.plan.get("design") == "prediction"


def _permuted(seen: Seen, program: str, data: str, scratch: str) -> list[dict[str, Any]] | None:
    """Run the program once on data whose outcome was permuted, and return its results."""
    outcome = seen.plan.get("outcome", "")
    files = [
        name
        for name, frame in seen.frames.items()
        if outcome in map(str, frame.columns) and name.endswith((".csv", ".csv.gz"))
    ]
    if len(files) != 1:
        return None
    shutil.copytree(data, f"{scratch}/data")
    for path in Path(scratch, "data").iterdir():
        path.chmod(0o600)
    frame = pd.read_csv(Path(data, files[0]))
    order = np.random.default_rng(int(os.environ.get("COUNTERPROOF_SEED", "0"))).permutation(len(frame))
    frame[outcome] = frame[outcome].to_numpy()[order]
    frame.to_csv(Path(scratch, "data", files[0]), index=False)
    again = Seen(plan=seen.plan, language=seen.language, calls=[], numbers=[], text="")
    if watch(again, program, data=f"{scratch}/data", out=f"{scratch}/permuted"):
        return None
    return _rows(f"{scratch}/permuted")
