"""Static checks of R programs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterproof.tools.programs import check_source
from counterproof.tools.static import StaticFinding
from counterproof.tools.static_r import check_r_program

_USES = 'x <- Sys.getenv("COUNTERPROOF_DATA"); y <- Sys.getenv("COUNTERPROOF_OUT")\n'


def _texts(code: str) -> list[str]:
    return [found.text for found in check_r_program(_USES + code)]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('system("ls")', "other processes: system()"),
        ('base::system2("ls")', "other processes: system2()"),
        ("f <- system", "other processes: system"),
        ('do.call("system", list("ls"))', "other processes: system by its name"),
        ('socketConnection("x", 80)', "network: socketConnection()"),
        ('read.csv("https://example.org/x.csv")', "network: 'https://example.org/x.csv'"),
        ("library(httr)", "network: uses httr"),
        ('requireNamespace("curl")', "network: uses curl"),
        ("processx::run()", "other processes: uses processx"),
        ('eval(parse(text = "1"))', "dynamic code: eval()"),
        ('eval(parse(text = "1"))', "dynamic code: parse()"),
        ('readRDS("x.rds")', "serialized objects: readRDS()"),
        ('.Call("x")', "native code: .Call()"),
        ('dyn.load("x.so")', "native code: dyn.load()"),
        ('install.packages("x")', "packages: install.packages()"),
        ('read.csv("/etc/passwd")', "absolute path: '/etc/passwd'"),
        ("read.csv('~/x.csv')", "absolute path: '~/x.csv'"),
        ('x <- r"(/etc/passwd)"', "absolute path: '/etc/passwd'"),
        ('x <- R"---[C:\\data]---"', "absolute path: 'C:\\\\data'"),
        ("data$synthetic_twin", "reads the mark of the twin (synthetic_twin), which real data don't have"),
        ('data[["synthetic_twin"]]', "reads the mark of the twin (synthetic_twin), which real data don't have"),
        ("`system`('ls')", "other processes: system()"),
    ],
)
def test_check_r_program_says_what_to_look_at(code: str, text: str) -> None:
    assert StaticFinding(line=2, level="look", text=text) in check_r_program(_USES + code)


@pytest.mark.parametrize(
    "code",
    [
        "# system('ls') and 'an open quote",
        "x <- 'system(1)'",
        "data$url <- 1; data$system <- 2",
        "list(save = 1, load = 2, url = 3)",
        "library(survival); library(ggplot2)",
        "a / b; x %in% y; -1e-5L; 0x1F; .5; ..1",
        'labs(y = "patients / year", x = "/")',
        "f <- \\(x) x^2; x |> f()",
        "if (TRUE) { c(1, 2)[[1]] }",
        's <- "a \\" b"; t <- \'it\\\'s\'; u <- r"-(a ")" b)-"',
        "`odd name` <- 1; größe <- 2",
    ],
)
def test_check_r_program_leaves_ordinary_code_alone(code: str) -> None:
    assert _texts(code) == []


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("x <- c(1,\n2", 2),
        ("x <- 1)\n", 2),
        ("f(a]\n)", 2),
        ("x <- 1\ny <- 'open\n", 3),
        ('x <- r"(open', 2),
        ("x = 1\nimport pandas as pd", 3),
    ],
)
def test_check_r_program_that_does_not_parse(code: str, line: int) -> None:
    errors = [found for found in check_r_program(_USES + code) if found.level == "error"]
    assert len(errors) == 1
    assert abs(errors[0].line - line) <= 1
    assert errors[0].text.startswith("it does not parse: ")


@pytest.mark.parametrize("needed", ["COUNTERPROOF_DATA", "COUNTERPROOF_OUT"])
def test_check_r_program_that_never_reads_its_inputs(needed: str) -> None:
    code = _USES.replace(needed, "X") + f"# {needed}"
    assert check_r_program(code) == [StaticFinding(line=1, level="error", text=f"it never reads {needed}")]


def test_check_source_follows_the_language() -> None:
    code = "import socket"
    assert "network: imports socket" in [found.text for found in check_source(code, "python")]
    assert "network: imports socket" not in [found.text for found in check_source(code, "r")]


@given(st.text(alphabet="abr'\"`\\#(){}[]-\n 1.:<$é"))
def test_check_r_program_takes_any_text(code: str) -> None:
    lines = code.count("\n") + 1
    assert all(1 <= found.line <= lines for found in check_r_program(code))
