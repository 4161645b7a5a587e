"""The form of the bench's lines; nothing is timed here."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import bench, twin_figures
from .bench import LINE, PARTS, Figure, main


@pytest.mark.parametrize(
    ("figure", "line"),
    [
        (Figure(name="help_s", value=0.1234567, unit="s", goal=0.2), "help_s 0.1235 s <=0.2 ok"),
        (Figure(name="help_s", value=0.25, unit="s", goal=0.2), "help_s 0.25 s <=0.2 short"),
        (Figure(name="a_ms", value=-0.5, unit="ms", goal=20), "a_ms -0.5 ms <=20 ok"),
        (
            Figure(name="n", value=151_234.5, unit="events/s", goal=150_000, wanted=">="),
            "n 151234 events/s >=150000 ok",
        ),
        (Figure(name="n", value=4.9, unit="times", goal=5, wanted=">="), "n 4.9 times >=5 short"),
    ],
)
def test_a_line_reads_back_as_its_figure(figure: Figure, line: str) -> None:
    assert figure.line() == line
    found = LINE.fullmatch(line)
    assert found is not None
    assert (found["name"], found["unit"], found["verdict"]) == (figure.name, figure.unit, figure.verdict)
    assert found["goal"] == f"{figure.wanted}{figure.goal:.10g}"


def test_the_docstring_says_how_each_cost_grows() -> None:
    text = bench.__doc__ or ""
    names = [
        "help_s",
        "demo_framework_s",
        "record_append_ratio",
        "tap_added_us_p50",
        "bundle_verify_s",
        "twin_vs_sdv_time_ratio",
        "engine_cell_",
    ]
    assert [name for name in names if name not in text] == []
    assert len(PARTS) == 15


def test_help_of_the_bench_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench.py", "--help"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert "--json" in capsys.readouterr().out


def test_without_sdv_the_bench_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=rf"no SDV in {tmp_path}: run `make \.venv/\.sdv`"):
        twin_figures.time_ratio(sdv_python=tmp_path / "python")
