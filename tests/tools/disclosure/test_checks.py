"""Each disclosure check finds what it is for, and leaves its sound twin alone."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from counterproof.tools.data import Table, read_table
from counterproof.tools.disclosure import OutputFile, Outputs, figure_item, review_outputs
from counterproof.tools.disclosure.cells import Cells
from counterproof.tools.disclosure.class_disclosure import in_table as class_disclosure
from counterproof.tools.disclosure.degrees import in_table as degrees
from counterproof.tools.disclosure.dominance import in_cell
from counterproof.tools.disclosure.objects import in_file
from counterproof.tools.disclosure.survival import in_table as survival
from counterproof.tools.disclosure.texts import Words
from counterproof.tools.results import Result

_SHA = "0" * 64


def _data() -> Table:
    source = np.random.default_rng(8)
    lines = ["site,arm,cost,age,diagnosis"]
    for at in range(200):
        site, cost = ("north" if at % 2 else "south"), source.uniform(100, 200)
        cost = 987654.25 if at == 7 else cost
        age, diagnosis = (96 if at == 3 else 40 + at % 30), ("Creutzfeldt" if at == 11 else ["flu", "none"][at % 2])
        lines.append(f"{site},{at % 2},{cost:.2f},{age},{diagnosis}")
    return read_table("d.csv", "\n".join(lines).encode())


DATA = _data()


def _cells(text: str) -> Cells:
    return Cells.read(text.encode())


def _checks(text: str, *, results: tuple[Result, ...] = ()) -> dict[str, str]:
    """Return the checks that find something in a table, each with its suggestion."""
    outputs = Outputs(
        results=results, flow=None, files=[OutputFile(name="tables/t.csv", data=text.encode(), sha256=_SHA)]
    )
    item = review_outputs(outputs, [DATA])[-1]
    return {finding.check: finding.suggestion for finding in item.findings}


SUMS = "site,cost\n" + "\n".join(
    f"{site},{DATA.columns[2].values[DATA.columns[0].values == site].sum():.2f}" for site in ("north", "south")
)
ROW = ",".join(str(column.values[7]) for column in DATA.columns)
TABLES: dict[str, tuple[str, str, str]] = {
    "small cells": ("group,n\na,50\nb,9\n", "group,n\na,50\nb,10\n", "merge"),
    "class disclosure": ("group,ill,well\na,40,0\nb,30,30\n", "group,ill,well\na,40,20\nb,30,30\n", "merge"),
    "dominance": (SUMS, SUMS.replace("north,", "north,1"), "suppress"),
    "extremes": ("what,value\noldest age,96\n", "what,value\nmean age,54.3\n", "suppress"),
    "degrees of freedom": ("model,df_resid\na,9\n", "model,df_resid\na,90\n", "suppress"),
    "survival": ("time,at_risk\n1,80\n9,0.0\n9,7\n", "time,at_risk\n1,80\n9,40\n", "suppress"),
    "words": ("group,n\nCreutzfeldt,50\n", "group,n\nflu,50\n", "suppress"),
    "rows": (f"a,b,c,d,e\n{ROW}\n", "a,b,c,d,e\nsouth,0,150.5,54,none\n", "suppress"),
    "differencing": ("group,n\na,50\nb,40\nTotal,97\n", "group,n\na,50\nb,40\nTotal,90\n", "round"),
    "form": ("", "group,n\na,50\n", "suppress"),
}


@pytest.mark.parametrize(("bad", "good", "suggestion"), TABLES.values(), ids=TABLES)
def test_a_check_finds_its_table_and_leaves_the_sound_one(
    request: pytest.FixtureRequest, bad: str, good: str, suggestion: str
) -> None:
    check = request.node.callspec.id
    assert _checks(bad)[check] == suggestion
    assert check not in _checks(good)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (
            [1000, 5, 5, 5],
            ["the 2 largest give at least 90%", "all but the 2 largest give less than 10% of the largest"],
        ),
        ([1000, 900, 500], ["all but"][:0]),
        ([100] * 30, []),
        ([50, 50, 1], ["the 2 largest give at least 90%", "all but the 2 largest give less than 10% of the largest"]),
        ([], []),
    ],
    ids=["one dominates", "three shares", "equal", "two dominate", "nobody"],
)
def test_dominance_of_a_cell(values: list[float], found: list[str]) -> None:
    assert [finding.text.partition(": ")[2] for finding in in_cell("x", np.array(values, dtype="float64"))] == found


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("group,n (%)\na,30 (100%)\n", ["row 1, n (%): 100 % of the group"]),
        ("group,n (%)\na,0 (0%)\n", []),
        ("group,x,y,total\na,30,10,40\n", []),
        ("group,x,y,total\na,0,40,40\n", ["row 1: all of it stands in y; a member of the group has that for sure"]),
        ("group,x,y,z\na,0,40,10\n", ["row 1: nobody of it is in x"]),
    ],
    ids=["all", "none", "both", "one cell", "an empty cell"],
)
def test_class_disclosure_of_a_table(table: str, found: list[str]) -> None:
    assert [finding.text for finding in class_disclosure(_cells(table))] == found


def test_more_coefficients_than_the_data_bear(result: Callable[..., Result]) -> None:
    rows = "\n".join(f"x{at},{at / 7:.3f}" for at in range(45))
    (finding,) = degrees(_cells(f"term,coef\n{rows}\n"), [result(n=50)])
    assert finding.text == "45 coefficients, and a result rests on n = 50: 5 are left, fewer than 10"
    assert degrees(_cells(f"term,coef\n{rows}\n"), [result(n=500)]) == []


def test_a_curve_that_steps_at_each_event_is_a_list_of_persons() -> None:
    fine = "time,survival\n" + "\n".join(f"{at},{1 - at / 200:.4f}" for at in range(150))
    coarse = "time,survival\n" + "\n".join(f"{at},{1 - at / 10:.4f}" for at in range(9))
    assert [finding.text for finding in survival(_cells(fine), persons=200)] == [
        "149 of 149 steps rest on fewer than 10 events"
    ]
    assert survival(_cells(coarse), persons=200) == []


WORDS = {
    "base64": "cGF0aWVudCA0MTogOTg3LjY1NDMyMQ==",
    "hexadecimal": "39 38 37".replace(" ", "") + "2e3635343332313b34313b3939",
    "many numbers": "987.654321;41;70.2;3",
    "unseen": "hazard\u200bratio",
    "a quotation": "all but creutzfeldt, who left",
}
PLAIN = ["hazard ratio (women/men)", "Cox, Efron ties, robust", "complete cases, n = 228", "mean_difference_adjusted"]


@pytest.mark.parametrize("text", WORDS.values(), ids=WORDS)
def test_words_that_carry_something_are_found(text: str) -> None:
    assert [finding.check for finding in Words([DATA]).look("label", text, free=False)][:1] == ["words"]


@pytest.mark.parametrize("text", PLAIN)
def test_ordinary_words_pass(text: str) -> None:
    assert Words([DATA]).look("label", text) == []


def _png(*chunks: tuple[bytes, bytes], tail: bytes = b"") -> bytes:
    whole = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", bytes(13)), *chunks, (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")):
        whole += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return whole + tail


FIGURES = {
    "a comment": (_png((b"tEXt", b"Comment\0arm,score\n1,987.65")), "holds 26 bytes beside the picture ('tEXt')"),
    "Exif": (_png((b"eXIf", b"II*\0rows")), "holds 8 bytes beside the picture ('eXIf')"),
    "a chunk of its own": (_png((b"roWs", b"1,2")), "holds 3 bytes beside the picture ('roWs')"),
    "a tail": (_png(tail=b"1,987.65"), "holds 8 bytes after its end"),
    "cut off": (_png()[:-20], "is no whole PNG"),
    "a comment in SVG": (b"<svg><!-- 41: 987.65 --></svg>", "holds a comment"),
    "a description": (b"<svg><desc>41</desc></svg>", "holds a description"),
    "an attribute": (b"<svg><path data-row='41'/></svg>", "holds data attributes"),
    "a data URI": (b"<svg><image href='data:text/csv;base64,NDE='/></svg>", "holds an embedded file"),
    "unseen text": (b"<svg><text style='opacity:0'>41</text></svg>", "holds text that nobody sees"),
    "a tail in SVG": (b"<svg></svg>41,987.65", "holds 9 characters after its end"),
    "points": (b"<svg>" + b"<use x='1'/>" * 201 + b"</svg>", "draws 201 symbols, which may be persons"),
    "no figure": (b"GIF89a", "is no PNG and no SVG, and can't be shown"),
}


@pytest.mark.parametrize(("data", "text"), FIGURES.values(), ids=FIGURES)
def test_what_a_figure_hides_is_found(data: bytes, text: str) -> None:
    item = figure_item("figures/f", data, _SHA)
    assert item.verdict == "suppress"
    assert text in [finding.text for finding in item.findings]


@pytest.mark.parametrize(
    "data",
    [
        _png(),
        _png((b"pHYs", bytes(9)), (b"tEXt", b"Software\0Matplotlib version3.11.0, https://matplotlib.org/")),
        b"<svg><!-- Created with matplotlib (https://matplotlib.org/) --><path d='M0'/></svg>",
    ],
    ids=["PNG", "PNG of Matplotlib", "SVG"],
)
def test_an_honest_figure_needs_a_look_only(data: bytes) -> None:
    item = figure_item("figures/f", data, _SHA)
    assert (item.verdict, [finding.suggestion for finding in item.findings]) == ("release", ["look"])


@pytest.mark.parametrize(
    "magic", [b"\x80\x04\x95", b"\x93NUMPY", b"PAR1", b"RDX3", b"PK\x03\x04", b"\x1f\x8b", b"a\0b"]
)
def test_a_saved_object_is_found_whatever_it_is_called(magic: bytes) -> None:
    (finding,) = in_file(magic + b"rows")
    assert (finding.check, finding.suggestion) == ("objects", "suppress")
    assert in_file(b"group,n\na,50\n") == []


def test_a_name_of_a_file_is_looked_at() -> None:
    name = "tables/cGF0aWVudDQxOTg3LjY1NDMyMQ.csv"
    outputs = Outputs(results=(), flow=None, files=[OutputFile(name=name, data=b"group,n\na,50\n", sha256=_SHA)])
    (item,) = review_outputs(outputs, [DATA])
    assert (item.verdict, item.findings[0].text) == ("suppress", "its name: reads like something encoded")


def test_a_value_that_the_plan_names_is_no_quotation() -> None:
    rare = Words([DATA]).look("label", "Creutzfeldt", free=False)
    assert [finding.check for finding in rare] == ["words"]
    assert Words([DATA], known="Patients with Creutzfeldt disease.").look("label", "Creutzfeldt", free=False) == []
    assert Words([DATA], known="Creutzfeldts").look("label", "Creutzfeldt", free=False) == rare
