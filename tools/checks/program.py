"""The check program: the fixed checks of this package joined with one analysis program into one text.

The text is deterministic (no clock, no path) and complete: it runs in the analysis environment without this package. It
is put up at the code checkpoint and approved like the programs, because it reads the real data as they do.

Decision: `docs/decisions/006-checks-on-the-data.md`.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files

from counterproof.provenance.digests import sha256_bytes
from counterproof.sandbox import Language
from counterproof.tools.checks.planned import PlanView
from counterproof.tools.static_facts import read_facts

_FIRST = ("_seen",)
_LAST = ("_watch", "_main")
OBSERVED = (
    ("data_repeated_subjects", "check_repeated_subjects"),
    ("data_duplicates", "check_duplicates"),
    ("data_sentinels", "check_sentinels"),
    ("data_impossible", "check_impossible_values"),
    ("data_missingness", "check_missingness"),
    ("data_identifier", "check_identifier_predictors"),
    ("design_immortal_time", "check_immortal_time"),
    ("design_censoring", "check_informative_censoring"),
    ("design_simpson", "check_simpson"),
    ("design_paired", "check_paired"),
    ("design_baseline", "check_baseline"),
    ("model_proportional_hazards", "check_proportional_hazards"),
    ("model_separation", "check_separation"),
    ("model_convergence", "check_convergence"),
    ("model_sparse_cells", "check_sparse_cells"),
    ("model_overdispersion", "check_overdispersion"),
    ("model_heteroscedasticity", "check_heteroscedasticity"),
    ("model_normality", "check_normality"),
    ("model_influence", "check_influence"),
    ("model_collinearity", "check_collinearity"),
    ("model_integer_overflow", "check_integer_overflow"),
    ("model_events_per_variable", "check_events_per_variable"),
    ("prediction_overlap", "check_subject_overlap"),
    ("prediction_preprocessing", "check_preprocessing"),
    ("prediction_leakage", "check_target_leakage"),
    ("prediction_test_labels", "check_test_labels"),
    ("prediction_calibration", "check_calibration"),
    ("conduct_unplanned", "check_unplanned"),
    ("conduct_multiplicity", "check_multiplicity"),
    ("conduct_dropped_rows", "check_dropped_rows"),
)
"""File and function of each check that looks at a program while it runs, in the order in which they are reported."""

_HEAD = '''"""Counterproof's checks of one analysis program while it runs on the data.

It runs the program with sha256 {program} under observation, once more on permuted
outcomes where it predicts, and writes verdicts. Nothing of it is written by a model but the text of that program.
"""

import json
import os
import sys
import types

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

SPEC = json.loads({spec})
PROGRAM = (
{lines}
)
MODULES = {{}}
'''
_TAIL = """
_PARENTS = ("counterproof", "counterproof.tools", "counterproof.tools.checks", "counterproof.tools.checks.observed")
for _parent in _PARENTS:
    sys.modules.setdefault(_parent, types.ModuleType(_parent)).__path__ = []
for _name, _text in MODULES.items():
    _module = types.ModuleType(f"{_PARENTS[-1]}.{_name}")
    sys.modules[_module.__name__] = _module
    exec(compile(_text, f"<{_name}>", "exec"), _module.__dict__)
_CHECKS = [getattr(sys.modules[f"{_PARENTS[-1]}.{_file}"], _check) for _file, _check in SPEC["checks"]]
sys.modules[f"{_PARENTS[-1]}._main"].run(SPEC, PROGRAM, _CHECKS)
"""


def check_program_text(program: str, language: Language, plan: PlanView) -> str:
    """Return the text of the check program for one analysis program and its plan."""
    facts = read_facts(program, language)
    spec = {
        "plan": plan.as_dict(),
        "language": language,
        "calls": [
            {"name": c.name, "last": c.last, "line": c.line, "args": list(c.args), "named": c.named, "loop": c.loop}
            for c in facts.calls
        ],
        "numbers": sorted(set(facts.numbers)),
        "checks": [list(check) for check in OBSERVED],
    }
    head = _HEAD.format(
        program=sha256_bytes(program.encode()),
        spec=repr(json.dumps(spec, sort_keys=True)),
        lines="\n".join(f"    {line!r}" for line in program.splitlines(keepends=True)) or "    ''",
    )
    return head + _modules() + _TAIL


@lru_cache(maxsize=1)
def _modules() -> str:
    folder = files("counterproof.tools.checks.observed")
    names = [*_FIRST, *dict.fromkeys(file for file, _ in OBSERVED), *_LAST]
    parts = []
    for name in names:
        text = folder.joinpath(f"{name}.py").read_text(encoding="utf-8")
        lines = "\n".join(f"    {line!r}" for line in text.splitlines(keepends=True))
        parts.append(f"MODULES[{name!r}] = (\n{lines}\n)\n")
    return "".join(parts)
