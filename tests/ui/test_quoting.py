"""What a model, a data file or a person wrote is shown and never becomes markup of ours."""

from __future__ import annotations

import pytest

from counterproof.ui.quoting import breakable, defused, demoted, plain, tables_apart


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![x](http://e.org/a.png)", r"\![x]\(http://e.org/a.png)"),
        ("[approve](http://e.org)", r"[approve]\(http://e.org)"),
        ("[a][b]", r"[a]\[b]"),
        ("[b]: http://e.org", r"[b]\: http://e.org"),
        ("<img src=x onerror=y>", r"\<img src=x onerror=y>"),
        ("costs $5, or $6", r"costs \$5, or \$6"),
        (r"\$5\$", r"\\\$5\\\$"),
        (":red[x]", r"\:red[x]"),
        (r"| a \| b |", r"| a \| b |"),
        ("# **bold** `code`", "# **bold** `code`"),
    ],
    ids=["image", "link", "reference", "definition", "html", "formula", "escaped", "directive", "bar", "kept"],
)
def test_defused(text: str, shown: str) -> None:
    assert defused(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b *c* `d` | e", r"a\_b \*c\* \`d\` \| e"),
        ("# a\n- b\n1. c\n===", "\\# a\n\\- b\n1\\. c\n\\==="),
        ("    indented", "indented"),
        ("-5 to 36, 0.588", "-5 to 36, 0.588"),
        ("![x](y)", r"\!\[x\](y)"),
    ],
    ids=["signs", "lines", "indented", "numbers", "image"],
)
def test_plain(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_long_words_can_be_broken_and_digests_read() -> None:
    assert breakable(f"x {'a1' * 32} y") == f"x {'a1' * 16} {'a1' * 16} y"
    assert breakable("W" * 45) == f"{'W' * 20}\u200b{'W' * 20}\u200b{'W' * 5}"


def test_tables_are_taken_apart_and_uneven_ones_stay_text() -> None:
    assert tables_apart("a\n| x | y |\n|---|:-:|\n| 1 | 2\\|3 |\nb") == ["a", [["x", "y"], ["1", "2\\|3"]], "b"]
    assert tables_apart("| x | y |\n|---|---|\n| 1 |") == ["| x | y |\n|---|---|\n| 1 |"]
    assert demoted("# a\ntext # b") == "### a\ntext # b"
