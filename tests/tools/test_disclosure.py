"""Disclosure: what is proposed for release and what is not, and that nothing in a table stays unlooked at."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterproof.tools.disclosure import Item, figure_item, flow_item, result_item, table_item
from counterproof.tools.results import Flow, Result

_SHA = "0" * 64


def _texts(item: Item) -> tuple[str, ...]:
    return tuple(finding.text for finding in item.findings)


@pytest.mark.parametrize(("n", "verdict"), [(0, "release"), (1, "suppress"), (9, "suppress"), (10, "release")])
def test_result_item_small_denominators(result: Callable[..., Result], n: int, verdict: str) -> None:
    item = result_item(result(n=n), _SHA)
    assert item.verdict == verdict
    assert _texts(item) == ((f"rests on n = {n}, fewer than 10",) if verdict == "suppress" else ())


@pytest.mark.parametrize(
    ("value", "unit", "verdict"),
    [(0.0, "count", "release"), (3.0, "count", "suppress"), (10.0, "count", "release"), (3.0, "days", "release")],
)
def test_result_item_small_counts(result: Callable[..., Result], value: float, unit: str, verdict: str) -> None:
    item = result_item(result(value=value, unit=unit), _SHA)
    assert (item.verdict, bool(item.findings)) == (verdict, verdict == "suppress")


def test_result_item_names_both_findings(result: Callable[..., Result]) -> None:
    item = result_item(result(value=3.0, unit="count", n=4), _SHA)
    assert _texts(item) == ("rests on n = 4, fewer than 10", "is a count of 3, fewer than 10")


def test_result_item_shows_everything_that_would_leave(result: Callable[..., Result]) -> None:
    """The texts come from a program that saw real data, so a person reads them too."""
    item = result_item(result(), "abc")
    assert item.shows == (
        "hazard ratio: 0.588 (0.424 to 0.816), p = 0.0015 [ratio], n = 228; method: Cox; population: all"
    )
    assert (item.id, item.sha256) == ("result:hr", "abc")


def test_result_item_without_interval_and_p(result: Callable[..., Result]) -> None:
    item = result_item(result(ci_low=None, ci_high=None, ci_level=None, p_value=None), _SHA)
    assert item.shows.startswith("hazard ratio: 0.588 [ratio], n = 228;")


def _flow(assessed: int, analysed: int, *excluded: tuple[str, int]) -> Flow:
    parts = [{"reason": reason, "n": n} for reason, n in excluded]
    raw = {"schema": "counterproof/flow/1", "assessed": assessed, "excluded": parts, "analysed": analysed}
    return Flow.model_validate(raw)


@pytest.mark.parametrize(
    ("flow", "findings"),
    [
        (_flow(228, 228), ()),
        (_flow(228, 218, ("no time", 10), ("no age", 0)), ()),
        (_flow(228, 225, ("no time", 3)), ("excluded, no time: a count of 3, fewer than 10",)),
        (_flow(9, 9), ("assessed: a count of 9, fewer than 10", "analysed: a count of 9, fewer than 10")),
        (_flow(228, 205, ("late", 3), ("late", 20)), ("excluded, late: a count of 3, fewer than 10",)),
    ],
    ids=["none excluded", "ten", "three", "nine in all", "one reason twice"],
)
def test_flow_item_small_counts(flow: Flow, findings: tuple[str, ...]) -> None:
    item = flow_item(flow, _SHA)
    assert (_texts(item), item.verdict) == (findings, "suppress" if findings else "release")


def test_flow_item_shows_every_count() -> None:
    item = flow_item(_flow(228, 205, ("late", 3), ("late", 20)), "abc")
    assert item.shows == "assessed: 228; analysed: 205; excluded, late: 3; excluded, late: 20"
    assert (item.id, item.sha256) == ("flow", "abc")


TABLES: dict[str, tuple[str, str]] = {
    "count": ("group,n\na,9\n", "row 1, n: a count of 9, fewer than 10"),
    "count of one": ("group,n\na,50\nb,1\n", "row 2, n: a count of 1, fewer than 10"),
    "float count": ("group,n\na,3.0\n", "row 1, n: a count of 3, fewer than 10"),
    "float count, long": ("group,n\na,3.000\n", "row 1, n: a count of 3, fewer than 10"),
    "count with blanks": ("group,n\na, 3 \n", "row 1, n: a count of 3, fewer than 10"),
    "count with share": ("group,n\na,3 (12.5%)\n", "row 1, n: a count of 3, fewer than 10"),
    "count with share, close": ("group,n\na,3(12.5)\n", "row 1, n: a count of 3, fewer than 10"),
    "count of a total": ("group,n\na,3/20\n", "row 1, n: a count of 3, fewer than 10"),
    "leading zeros": ("group,n\na,003\n", "row 1, n: a count of 003, fewer than 10"),
    "beyond the header": ("group\na,3\n", "row 1, beyond the header: a count of 3, fewer than 10"),
    "free text": (f"group,note\na,{'x' * 61}\n", "row 1, note: free text of 61 characters"),
    "free text in the header": (f"group,{'x' * 61}\na,b\n", "the header: free text of 61 characters"),
    "101 rows": ("group,n\n" + "a,50\n" * 101, "has 101 rows: may be a list of persons"),
    "longer than shown": ("group,n\n" + f"{'x' * 50},50\n" * 90, "has 4,868 characters, of which the first 4,000"),
    "empty": ("", "holds nothing to look at"),
    "unclosed quote": ('group,n\n"a,3\n', "can't be read as a table"),
}


@pytest.mark.parametrize(("text", "finding"), TABLES.values(), ids=TABLES)
def test_table_item_suppresses_and_says_why(text: str, finding: str) -> None:
    item = table_item("tables/one.csv", text.encode(), _SHA)
    assert item.verdict == "suppress"
    assert any(found.startswith(finding) for found in _texts(item))


@pytest.mark.parametrize(
    "text",
    [
        "group,n\na,10\nb,0\n",
        "group,n\na,10.0\n",
        "group,n\na,10 (3%)\n",
        "term,estimate\nage,3.5\nsex,-3\n",
        "term,estimate\nage,0.3\n",
        "group,mean\na,3.5 (1.2)\n",
        "group,n\n" + "a,50\n" * 100,
        f"group,note\na,{'x' * 60}\n",
        "group,n\na\n",
        "group,n\na,²\n",
        "group\n",
    ],
    ids=["ten", "ten as float", "share", "estimates", "below one", "mean", "100 rows", "60", "short", "²", "no row"],
)
def test_table_item_releases(text: str) -> None:
    item = table_item("tables/one.csv", text.encode(), _SHA)
    assert (item.verdict, item.findings) == ("release", ())
    assert item.shows == text


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"group\nM\xfcller\n", "can't be read as a table"),
        ("a,b\n1,2".encode("utf-16"), "is a binary file: it can hold rows of the data"),
        (b"\x89PNG\x0d\x0a", "can't be read as a table"),
        (b"\x80\x05\x95\x0b", "is a pickle: it can hold rows of the data"),
    ],
    ids=["Latin-1", "UTF-16", "PNG", "pickle"],
)
def test_table_item_that_is_no_utf8(content: bytes, finding: str) -> None:
    item = table_item("tables/one.csv", content, _SHA)
    assert (item.verdict, _texts(item)) == ("suppress", (finding,))
    assert item.shows.startswith(f"{len(content)} bytes that are no")


def test_table_item_says_how_many_findings_it_leaves_out() -> None:
    item = table_item("tables/one.csv", b"group,n\n" + b"a,3\n" * 30, _SHA)
    assert len(item.findings) == 21
    assert _texts(item)[-1] == "and 10 more findings"


def test_figure_item_asks_a_person_to_look() -> None:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0'/></svg>"
    item = figure_item("figures/km.svg", svg, "abc")
    assert (item.id, item.shows, item.sha256, item.verdict) == ("figures/km.svg", "figure, 62 bytes", "abc", "release")
    assert _texts(item) == ("look at it: code can't tell whether single persons or small groups can be made out",)


@given(st.binary(max_size=80) | st.text(alphabet='a1,."\r\n²٣½ (/', max_size=40).map(str.encode))
def test_table_item_any_bytes_give_an_item(content: bytes) -> None:
    item = table_item("tables/one.csv", content, _SHA)
    assert (item.verdict == "suppress") is any(finding.stops for finding in item.findings)
