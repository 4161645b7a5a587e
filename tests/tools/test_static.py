"""Static checks: each kind of finding with its line, and that no text of any kind makes the checker fail."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from counterproof.tools.static import StaticFinding, check_program
from counterproof.tools.twin import MARK

_USES = 'import os\nSOURCE = os.environ["COUNTERPROOF_DATA"]\nTARGET = os.environ["COUNTERPROOF_OUT"]\n'
LOOKS = {
    "network": ("import socket", "network: imports socket"),
    "network by alias": ("import urllib.request as u", "network: imports urllib.request"),
    "network from": ("from http.client import HTTPConnection", "network: imports http.client"),
    "network inside a function": ("def f():\n    import requests", "network: imports requests"),
    "second of two": ("import math, httpx", "network: imports httpx"),
    "processes": ("import subprocess", "other processes: imports subprocess"),
    "multiprocessing": ("from multiprocessing import Pool", "other processes: imports multiprocessing"),
    "native code": ("import ctypes", "native code: imports ctypes"),
    "pickles": ("import pickle", "pickles: imports pickle"),
    "read_pickle": ("pd.read_pickle(x)", "reaches outside: .read_pickle"),
    "eval": ("eval(x)", "dynamic code: eval()"),
    "exec": ("exec(x)", "dynamic code: exec()"),
    "dunder import": ('__import__("so" + "cket")', "dynamic code: __import__()"),
    "importlib": ("import importlib", "dynamic code: imports importlib"),
    "system": ("os.system(x)", "reaches outside: .system"),
    "absolute path": ('open("/etc/passwd")', "absolute path: '/etc/passwd'"),
    "home": ('open("~/x")', "absolute path: '~/x'"),
    "path in an f-string": ('open(f"/tmp/{x}")', "absolute path: '/tmp/'"),
    "mark": (f'data["{MARK}"]', f"reads the mark of the twin ({MARK}), which real data don't have"),
    "mark in a query": (
        f'data.query("{MARK} == 1")',
        f"reads the mark of the twin ({MARK}), which real data don't have",
    ),
    "mark as attribute": (f"data.{MARK}", f"reads the mark of the twin ({MARK}), which real data don't have"),
}
NO_FINDING = [
    "import socketserver_like",
    "import re\nre.compile(x)",
    "data.evaluate(x)",
    'print("/ and ~ alone", "/")',
    'x = "a/b"',
    'x = "see /etc/passwd for more"',
    "# import socket",
    'x = "import socket"',
    "from . import helper",
]
NOT_PARSED = {
    "syntax": ("x = 1\ny = = 2", 2, "invalid syntax"),
    "R": ("x <- 1\nlibrary(survival)\ny %>% z", 3, "invalid syntax"),
    "prose": ("Here is the program:", 1, "invalid syntax"),
    "tab trouble": ("if x:\n\ty\n        z", 3, "inconsistent use of tabs"),
    "null bytes": ("x = 1\x00", 1, "null bytes"),
    "lone surrogate": ("x = '\ud800'", 1, "surrogates"),
    "nested parentheses": ("(" * 5_000, 1, "too many nested parentheses"),
    "nested operators": ("-" * 100_000 + "1", 1, "nests too deeply"),
    "nested attributes": ("a" + ".b" * 100_000, 1, "recursion depth"),
    "nested lambdas": ("lambda:" * 5_000 + "1", 1, "nests too deeply"),
    "nested blocks": ("".join(" " * at + "if 1:\n" for at in range(150)), 101, "too many levels of indentation"),
    "long number": ("9" * 5_000, 1, "4300 digits"),
}


@pytest.mark.parametrize(("code", "text"), LOOKS.values(), ids=LOOKS)
def test_check_program_says_what_to_look_at_and_where(code: str, text: str) -> None:
    line = 3 + 1 + code.count("\n")
    assert StaticFinding(line=line, level="look", text=text) in check_program(_USES + code)


@pytest.mark.parametrize("code", NO_FINDING)
def test_check_program_leaves_ordinary_code_alone(code: str) -> None:
    assert check_program(_USES + code) == []


@pytest.mark.parametrize("needed", ["COUNTERPROOF_DATA", "COUNTERPROOF_OUT"])
def test_check_program_that_never_reads_its_inputs(needed: str) -> None:
    code = _USES.replace(needed, "ELSEWHERE")
    assert check_program(code) == [StaticFinding(line=1, level="error", text=f"it never reads {needed}")]


@pytest.mark.parametrize(("code", "line", "why"), NOT_PARSED.values(), ids=NOT_PARSED)
def test_check_program_that_does_not_parse(code: str, line: int, why: str) -> None:
    (found,) = check_program(code)
    assert (found.line, found.level) == (line, "error")
    assert found.text.startswith("it does not parse: ")
    assert why in found.text


def test_check_program_sorts_by_line_and_says_each_once() -> None:
    found = check_program(_USES + "import pickle, socket\nimport pickle\neval(x); eval(y)")
    assert [(finding.line, finding.text.split(":")[0]) for finding in found] == [
        (4, "network"),
        (4, "pickles"),
        (5, "pickles"),
        (6, "dynamic code"),
    ]


@given(st.text(max_size=80) | st.text(alphabet="abc()[]{}:=\n\t '\"\\#.,-*\x00\ud800", max_size=80))
@example("")
@example("\\")
@example("f'{")
def test_check_program_any_text_gives_findings(code: str) -> None:
    assert all(finding.line >= 1 for finding in check_program(code))
