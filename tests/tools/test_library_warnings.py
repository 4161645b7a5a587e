"""Warnings are read from what Python and R print, each as what it is and how often it came."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterproof.sandbox import Language
from counterproof.tools.library_warnings import TEXT_MAX, WARNINGS_MAX, LibraryWarning, warnings_of

PROGRAM = """
import sys, warnings
import numpy as np
np.array([1.0]) / np.array([0.0])
class Own(UserWarning):
    pass
warnings.warn("two\\nlines", Own)
print("not a warning: RuntimeWarning: no", file=sys.stderr)
warnings.simplefilter("always")
for _ in range(3):
    warnings.warn("thrice", RuntimeWarning)
exec("import warnings; warnings.warn('from nowhere')")
warnings.simplefilter("ignore")
warnings.warn("silenced")
"""
# What R 4.2.2 prints with `options(warn = 1)`, in which the sandbox runs it.
R = """\
Loading required package: survival
Warning: NAs introduced by coercion
Warning in f(1) : the mean is 5
Warning in f(2) : the mean is 5
Warning in coxph.fit(X, Y, istrat, offset, init, control, weights = weights,  :
  Loglik converged before variable  1 ; coefficient may be infinite. \n\
Warning in eval(quote({ : many
"""
# The same program with `options(warn = 0)`.
R_LATER = """\
Warning message:
NAs introduced by coercion \n\
Warning message:
In f(1) : the mean is 5
Warning messages:
1: In as.integer("b") : NAs introduced by coercion
2: In as.integer("c") : NAs introduced by coercion
"""


def _read(stderr: str, language: Language) -> list[tuple[str, str, int]]:
    return [(one.kind, one.text, one.times) for one in warnings_of("primary", stderr, language)]


def test_what_python_prints_is_read(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True)
    assert _read(done.stderr, "python") == [
        ("RuntimeWarning", "divide by zero encountered in divide", 1),
        ("Own", "two", 1),
        ("RuntimeWarning", "thrice", 3),
        ("UserWarning", "from nowhere", 1),
    ]


def test_what_r_prints_at_once_is_read() -> None:
    assert _read(R, "r") == [
        ("", "NAs introduced by coercion", 1),
        ("f", "the mean is 5", 2),
        ("coxph.fit", "Loglik converged before variable  1 ; coefficient may be infinite.", 1),
        ("eval", "many", 1),
    ]


def test_what_r_prints_later_is_read() -> None:
    assert _read(R_LATER, "r") == [
        ("", "NAs introduced by coercion", 1),
        ("f", "the mean is 5", 1),
        ("as.integer", "NAs introduced by coercion", 2),
    ]


@pytest.mark.parametrize("language", ["python", "r"])
@pytest.mark.parametrize(
    "stderr",
    [
        "",
        "Warnings are good.\n",
        'Traceback (most recent call last):\n  File "/program/program.py", line 3, in <module>',
    ],
    ids=["nothing", "words", "traceback"],
)
def test_what_is_no_warning_is_none(stderr: str, language: Language) -> None:
    assert warnings_of("primary", stderr, language) == []


def test_what_the_check_program_saw_is_added_once() -> None:
    stderr = "/program/program.py:3: RuntimeWarning: overflow\n"
    noted = [("RuntimeWarning", "overflow"), ("ConvergenceWarning", "x" * 500)]
    found = warnings_of("primary", stderr, "python", noted=noted)
    assert [(one.kind, len(one.text), one.times) for one in found] == [
        ("RuntimeWarning", 8, 1),
        ("ConvergenceWarning", TEXT_MAX, 0),
    ]
    assert found[1].in_words().endswith("(not printed)")


def test_so_many_are_kept() -> None:
    stderr = "".join(f"/a.py:1: UserWarning: number {at}\n" for at in range(200))
    *kept, others = warnings_of("replication", stderr, "python")
    assert [one.text for one in kept] == [f"number {at}" for at in range(WARNINGS_MAX)]
    assert (others.text, others.times) == ("more different warnings than are listed", 200 - WARNINGS_MAX)


@given(st.text(), st.sampled_from(["python", "r"]))
def test_any_text_is_read(stderr: str, language: Language) -> None:
    assert all(isinstance(one, LibraryWarning) for one in warnings_of("primary", stderr, language))
