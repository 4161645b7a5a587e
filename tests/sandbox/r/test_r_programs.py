"""R programs see the same world as Python programs, write the same outputs, and get the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from counterproof.sandbox import Environment, Execution, ExecutionSpec, LocalSandbox, Mount, find_environment, run_all
from counterproof.tools import parse_flow, parse_results

from .conftest import RunR

LUNG = Path(__file__).with_name("lung.R")
SCENARIO = Path(__file__).parents[3] / "scenarios" / "lung-survival"


@pytest.fixture(scope="module")
def lung(cold: LocalSandbox, r_environment: Environment) -> Execution:
    """The lung study in R, run once."""
    return _run_lung(cold, r_environment, LUNG)


def _run_lung(sandbox: LocalSandbox, environment: Environment, program: Path) -> Execution:
    spec = ExecutionSpec(
        program=program.read_bytes(),
        program_name=f"program{program.suffix}",
        environment=environment,
        inputs=(Mount(host=SCENARIO / "data" / "lung.csv", target="lung.csv"),),
    )
    return run_all(sandbox, [spec])[0]


def _file(execution: Execution, name: str) -> bytes:
    found = execution.artifact(name)
    assert found is not None, execution.stderr.data.decode()
    return found.data


# summary(coxph(Surv(time, status) ~ sex, lung)), survdiff() and survfit() of survival 3.5-3 on R 4.2.2
@pytest.mark.parametrize(
    ("result", "value"),
    [
        ("patients", 228),
        ("deaths", 165),
        ("hr_women_vs_men", 0.588003),
        ("logrank_chi2", 10.3267),
        ("median_women", 426),
        ("median_men", 270),
        ("median_all", 310),
        ("survival_one_year", 0.409242),
    ],
)
def test_lung_study_gives_the_known_numbers(lung: Execution, result: str, value: float) -> None:
    assert lung.status == "ok", lung.stderr.data.decode()
    results = parse_results(_file(lung, "results.json")).by_id()
    assert results[result].value == pytest.approx(value, rel=5e-6)


@pytest.mark.parametrize("program", ["primary.py", "replication.py"])
def test_lung_study_agrees_with_python(lung: Execution, cold: LocalSandbox, program: str) -> None:
    python = _run_lung(cold, find_environment(), SCENARIO / "authored" / program)
    theirs = parse_results(_file(python, "results.json")).by_id()
    ours = parse_results(_file(lung, "results.json")).by_id()
    assert len(ours) == 8
    for name, result in ours.items():
        for field in ("value", "ci_low", "ci_high", "p_value", "n"):
            their = getattr(theirs[name], field)
            # lifelines stops its iterations earlier than survival: the hazard ratios differ by 2e-6.
            assert getattr(result, field) == (None if their is None else pytest.approx(their, rel=1e-4)), (name, field)


def test_lung_study_writes_flow_table_and_figures(lung: Execution) -> None:
    assert parse_flow(_file(lung, "flow.json")).analysed == 228
    assert _file(lung, "tables/survival_by_sex.csv").startswith(b'"group","patients","median_days"\n"men",138,270\n')
    assert _file(lung, "figures/survival_by_sex.png").startswith(b"\x89PNG")
    assert b"<svg" in _file(lung, "figures/survival_by_sex.svg")
    assert lung.rejected == ()


def test_two_runs_give_the_same_bytes(lung: Execution, cold: LocalSandbox, r_environment: Environment) -> None:
    again = _run_lung(cold, r_environment, LUNG)
    assert [(item.name, item.sha256) for item in again.artifacts] == [
        (item.name, item.sha256) for item in lung.artifacts
    ]


def test_world_of_an_r_program(run_r: RunR, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n1\n")
    done = run_r(
        """
        cat(Sys.getenv(c("COUNTERPROOF_DATA", "COUNTERPROOF_OUT", "COUNTERPROOF_SEED", "TZ", "LANG")), "\\n")
        cat(getwd(), Sys.timezone(), Sys.getlocale("LC_COLLATE"), l10n_info()$`UTF-8`, "\\n")
        cat(Sys.getenv(c("OMP_NUM_THREADS", "MC_CORES")), list.files("/data"), interactive(), "\\n")
        cat(.libPaths(), "\\n")
        """,
        {"x.csv": tmp_path / "x.csv"},
        seed=7,
    )
    assert done.stdout.data.decode().splitlines() == [
        "/data /out 7 UTC C.UTF-8 ",
        "/out UTC C.UTF-8 TRUE ",
        "1 1 x.csv FALSE ",
        "/opt/r/library /usr/lib/R/library ",
    ], done.stderr.data.decode()


def test_values_at_top_level_are_printed_as_rscript_does(run_r: RunR) -> None:
    done = run_r("1 + 1\nx <- 3\ninvisible(4)\n'text'\n(x)\n")
    assert done.stdout.data.decode() == '[1] 2\n[1] "text"\n[1] 3\n'


def test_every_wanted_package_can_be_used(run_r: RunR, r_environment: Environment) -> None:
    names = ", ".join(f'"{name}"' for name in r_environment.packages)
    done = run_r(f"for (name in c({names})) loadNamespace(name)\ncat('loaded')")
    assert (done.status, done.stdout.data) == ("ok", b"loaded"), done.stderr.data.decode()


def test_packages_that_are_not_named_are_not_there(run_r: RunR, r_environment: Environment) -> None:
    outside = {path.name for path in Path("/usr/lib/R/site-library").glob("*")} - {
        item.partition("==")[0] for item in r_environment.distributions
    }
    if not outside:
        pytest.skip("no other R package is installed here")
    done = run_r(f"cat(requireNamespace('{min(outside)}', quietly = TRUE))")
    assert done.stdout.data == b"FALSE"


def test_numbers_keep_fifteen_digits_with_digits_na(run_r: RunR) -> None:
    done = run_r('jsonlite::write_json(list(x = pi), "results.json", auto_unbox = TRUE, digits = NA)')
    assert json.loads(_file(done, "results.json")) == {"x": 3.14159265358979}


def test_plot_without_a_device_leaves_no_file(run_r: RunR) -> None:
    done = run_r("plot(1:3)\ninvisible(dev.off())\n")
    assert (done.status, done.artifacts, done.rejected) == ("ok", (), ())


def test_figure_has_text_without_a_display(run_r: RunR) -> None:
    source = "dir.create('figures')\npng('figures/a.png')\nplot.new()\ntext(0.5, 0.5, '{}')\ninvisible(dev.off())"
    with_text, blank = run_r(source.format("Überleben ≥ 5")), run_r(source.format(""))
    assert len(_file(with_text, "figures/a.png")) > len(_file(blank, "figures/a.png")) + 500
    assert with_text.stderr.data == b""


def test_error_names_the_lines_of_the_program(run_r: RunR) -> None:
    done = run_r("check <- function(x) {\n  stop('x is ', x)\n}\n\nrun <- function() check(3)\nrun()\n")
    assert (done.status, done.exit_code) == ("error", 1)
    assert done.stderr.data.decode() == (
        "Traceback (the innermost line last):\n"
        "  /program/program.R#6\n"
        "  /program/program.R#5: check()\n"
        "  /program/program.R#2: stop()\n"
        "simpleError in check(3): x is 3\n"
    )


def test_error_that_the_program_handles_is_none(run_r: RunR) -> None:
    done = run_r("x <- tryCatch(stop('a'), error = function(e) 'handled')\ntry(log('a'), silent = TRUE)\ncat(x)")
    assert (done.status, done.stdout.data, done.stderr.data) == ("ok", b"handled", b"")


def test_syntax_error_names_its_line(run_r: RunR) -> None:
    done = run_r("x <- 1\ny y\n")
    assert done.status == "error"
    assert b"/program/program.R#2\n" in done.stderr.data
    assert b"unexpected symbol" in done.stderr.data


@pytest.mark.parametrize("code", [0, 1, 3])
def test_exit_code_is_the_program_s(run_r: RunR, code: int) -> None:
    done = run_r(f"quit(status = {code})")
    assert (done.status, done.exit_code) == ("ok" if code == 0 else "error", code)


def test_warning_is_printed_and_is_no_error(run_r: RunR) -> None:
    done = run_r("x <- as.numeric('a')\ncat('after')")
    assert (done.status, done.stdout.data) == ("ok", b"after")
    assert b"NAs introduced by coercion" in done.stderr.data


def test_seed_makes_random_numbers_the_same(run_r: RunR) -> None:
    source = 'set.seed(as.numeric(Sys.getenv("COUNTERPROOF_SEED")) %% .Machine$integer.max)\ncat(runif(1))'
    drawn = [run_r(source, seed=seed).stdout.data for seed in (7, 7, 2**32 - 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[2]


def test_other_r_processes_can_be_used(run_r: RunR) -> None:
    done = run_r("""
        cluster <- parallel::makeCluster(2)
        cat(unlist(parallel::parLapply(cluster, 1:2, sqrt)), unlist(parallel::mclapply(3:4, sqrt, mc.cores = 2)))
        parallel::stopCluster(cluster)
    """)
    assert done.stdout.data == b"1 1.414214 1.732051 2", done.stderr.data.decode()
