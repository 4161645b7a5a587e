"""The page of a comparison: figures hold what the tables say, fit their frame, and nothing is fetched or run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from counterproof.agents.compare import CampaignPlace, load_campaign, make_table
from counterproof.agents.compare.campaign import LoadedCampaign
from counterproof.agents.compare.cell import AgainstBaseline, Category, CellResult, Done, Probed, Spent
from counterproof.agents.compare.figures import Bar, Dot, Group, Line, completion_figure, score_figure
from counterproof.agents.compare.report import report_page

from .tiny import make_campaign

pytestmark = pytest.mark.campaign

SPENT = Spent(
    calls=1, failed_calls=0, tokens_in=10, tokens_out=5, cost=0.01, trials=1, programs_s=0.5, wall_s=1, attempts=1
)
REACHED = AgainstBaseline(kind="value", difference=0.1, p_value=0.01, reached=True)


def _done(
    name: str, repeat: int, value: float | None, *, category: Category = "completed", probed: Probed = "clean"
) -> Done:
    result = CellResult(
        cell=f"{name}-{repeat}",
        name=name,
        task="tiny",
        language="python" if name != "in-r" else "r",
        arm="single_shot",
        repeat=repeat,
        category=category,
        detail="",
        value=value,
        ci_low=None if value is None else value - 0.1,
        ci_high=None if value is None else value + 0.1,
        n=20,
        baseline=None if value is None else REACHED,
        probed="not_applicable" if value is None else probed,
    )
    return Done(result=result, spent=SPENT)


DONE = [
    _done("good", 1, 0.8),
    _done("good", 2, 0.9),
    _done("in-r", 1, 0.7),
    _done("in-r", 2, None, category="timeout"),
    _done("leaking", 1, 0.99, category="leaked", probed="leak"),
    _done("leaking", 2, 0.98, category="leaked", probed="leak"),
    _done("other", 1, 0.6, probed="inconclusive"),
    _done("other", 2, None, category="no_code"),
    _done("<script>prose", 1, None, category="no_code"),
    _done("<script>prose", 2, None, category="no_code"),
]


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedCampaign:
    """A campaign of one task."""
    return load_campaign(make_campaign(tmp_path, ["good"], repeats=2))


def _page(loaded: LoadedCampaign, done: list[Done], *, cells: int) -> str:
    table = make_table("tiny", [one.result for one in done], CampaignPlace(Path("/nowhere")), loaded.tasks, cells=cells)
    return report_page(loaded, table, done)


def _figures(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def _marks(figure: ElementTree.Element) -> Mapping[str, int]:
    dots = [circle.get("fill") for circle in figure.iter("circle")]
    return {
        "counts": dots.count("#111"),
        "unprobed": dots.count("#fff"),
        "leaked": sum(1 for path in figure.iter("path")),
        "dashed": sum(line.get("stroke-dasharray") is not None for line in figure.iter("line")),
    }


def test_each_repeat_is_a_dot_and_the_baseline_a_line(loaded: LoadedCampaign) -> None:
    completion, scores = _figures(_page(loaded, DONE, cells=10))
    assert _marks(scores) == {"counts": 3, "unprobed": 1, "leaked": 2, "dashed": 1}
    words = " ".join(text.text or "" for text in scores.iter("text"))
    assert "baseline: a coin (0.500)" in words
    assert "auroc (higher is better)" in words
    assert "Python, single shot" in words
    assert "R, single shot" in words
    assert [text.text for text in completion.iter("text")][:3] == ["good", "Python", "2 of 2"]


def test_a_model_without_a_score_says_why(loaded: LoadedCampaign) -> None:
    scores = _figures(_page(loaded, DONE, cells=10))[1]
    assert "the answer holds no program" in [text.text for text in scores.iter("text")]


def test_the_numbers_of_the_figures_stand_in_tables(loaded: LoadedCampaign) -> None:
    page = _page(loaded, DONE, cells=10)
    assert re.search(r"<td>good</td><td>2 of 2</td><td>0 of 0</td>", page)
    assert re.search(r'<td>good</td><td>Python</td><td>single shot</td><td class="n">0.800</td>', page)
    assert "<td>leaked 0.990</td>" in page
    assert "<td>timeout</td>" in page
    assert re.search(r'<td class="n">0.985</td><td>leaked 2</td>', page), "what the leak would have claimed"


def test_one_repeat_needs_no_table_of_repeats(loaded: LoadedCampaign) -> None:
    assert "What each repeat came to" in _page(loaded, DONE, cells=10)
    assert "What each repeat came to" not in _page(loaded, [_done("good", 1, 0.8)], cells=1)


def test_a_page_of_a_campaign_that_has_not_ended_says_so(loaded: LoadedCampaign) -> None:
    assert "2 cells are missing" in _page(loaded, DONE, cells=12)
    assert "1 cell is missing" in _page(loaded, DONE, cells=11)
    assert "missing" not in _page(loaded, DONE, cells=10)


def test_nothing_is_fetched_or_run_and_names_are_text(loaded: LoadedCampaign) -> None:
    page = _page(loaded, DONE, cells=10)
    assert not re.search(r"<script|<img|<link|url\((?!#)|https?://|@import|\son\w+=", page)
    assert page.count("&lt;script&gt;prose") >= 4


@pytest.mark.parametrize(
    "values", [[0.5], [0.0], [-3.0, 900.0], [1e-7, 2e-7], [12345.0, 12346.0], []], ids=lambda values: str(values)
)
@pytest.mark.parametrize("label", ["b", "a baseline with a very long name that says where it was published, and when"])
def test_everything_in_a_figure_of_scores_lies_within_its_frame(values: list[float], label: str) -> None:
    lines = tuple(Line(label=f"model {at}", dots=(Dot(value=one, kind="counts"),)) for at, one in enumerate(values))
    groups = [Group(label="Python, single shot", lines=(*lines, Line(label="prose", words="no program")))]
    baseline = (label, values[0]) if values else None
    figure = ElementTree.fromstring(
        score_figure(groups, title="Scores", axis="mae", baseline=baseline, least=(0.0, 1.0))
    )
    _, _, width, height = map(float, figure.attrib["viewBox"].split())
    for name in ("cx", "x", "x1", "x2"):
        assert all(0 <= float(one.get(name, 0)) <= width for one in figure.iter() if one.tag != "rect")
    for name in ("cy", "y", "y1", "y2"):
        assert all(0 <= float(one.get(name, 0)) <= height for one in figure.iter())
    for text in figure.iter("text"):
        half = len(text.text or "") * 7.3 / 2
        if text.get("text-anchor") == "middle" and text.text and "baseline" in text.text:
            assert half - 1 <= float(text.attrib["x"]) <= width - half + 1


def test_bars_are_as_long_as_the_share_that_was_completed() -> None:
    bars = [Bar(label="Python", completed=1, of=4), Bar(label="R", completed=0, of=0)]
    figure = ElementTree.fromstring(completion_figure([("m", bars)]))
    frames = [float(one.attrib["width"]) for one in figure.iter("rect") if one.get("fill") == "none"]
    filled = [float(one.attrib["width"]) for one in figure.iter("rect") if one.get("fill") == "#111"]
    assert filled == [pytest.approx(frames[0] / 4, abs=0.1)]
