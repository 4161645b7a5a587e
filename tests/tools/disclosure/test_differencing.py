"""The differencing attack: two safe tables whose difference is one person."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from counterproof.tools.disclosure import Item, OutputFile, Outputs, review_outputs
from counterproof.tools.results import Result

ALL = b"arm,ill,well\ndrug,41,60\nplacebo,30,70\n"
WITHOUT_ONE = b"arm,ill,well\ndrug,40,60\nplacebo,30,70\n"
OTHERS = b"arm,ill,well\ndrug,21,30\nplacebo,15,35\n"


def _outputs(*files: tuple[str, bytes], results: tuple[Result, ...] = ()) -> Outputs:
    return Outputs(
        results=results, flow=None, files=[OutputFile(name=name, data=data, sha256="0" * 64) for name, data in files]
    )


def _found(items: list[Item]) -> dict[str, list[str]]:
    return {item.id: [finding.text for finding in item.findings if finding.check == "differencing"] for item in items}


def test_two_tables_that_are_one_person_apart_are_found() -> None:
    """Each alone is safe; together they say that the one who was left out is ill."""
    items = review_outputs(_outputs(("tables/all.csv", ALL), ("tables/without.csv", WITHOUT_ONE)), [])
    assert [item.verdict for item in items] == ["release", "suppress"]
    assert _found(items)["tables/without.csv"] == [
        "differs from tables/all.csv by fewer than 10 persons: drug ill: 41 and 40 (1 such)"
    ]


def test_a_table_of_an_earlier_release_is_subtracted_too() -> None:
    earlier = {"study-1.release.1": _outputs(("tables/all.csv", ALL))}
    (item,) = review_outputs(_outputs(("tables/all.csv", WITHOUT_ONE)), [], earlier)
    assert item.verdict == "suppress"
    assert item.findings[-1].text.startswith("differs from tables/all.csv (study-1.release.1) by fewer than 10 persons")


@pytest.mark.parametrize("second", [ALL, OTHERS], ids=["the same again", "a clearly smaller group"])
def test_tables_that_tell_nothing_together_pass(second: bytes) -> None:
    items = review_outputs(_outputs(("tables/a.csv", ALL), ("tables/b.csv", second)), [])
    assert [item.verdict for item in items] == ["release", "release"]


def test_a_table_that_is_kept_back_anyway_can_not_be_subtracted() -> None:
    small = ALL.replace(b"30,70", b"3,70")
    items = review_outputs(_outputs(("tables/a.csv", small), ("tables/b.csv", ALL)), [])
    assert [item.verdict for item in items] == ["suppress", "release"]


def test_means_over_nearly_the_same_persons_ask_for_a_look(result: Callable[..., Result]) -> None:
    both = (result(id="all", n=228), result(id="some", n=227))
    items = review_outputs(_outputs(results=both), [])
    assert [item.verdict for item in items] == ["release", "release"]
    assert _found(items)["result:some"] == ["rests on n = 227, and all on n = 228: fewer than 10 persons apart"]


def test_the_same_number_over_nearly_the_same_persons_as_before_is_stopped(result: Callable[..., Result]) -> None:
    earlier = {"release.1": _outputs(results=(result(n=228),))}
    (item,) = review_outputs(_outputs(results=(result(n=227),)), [], earlier)
    assert (item.verdict, item.findings[0].suggestion) == ("suppress", "round")
