"""One page driven with Streamlit's AppTest, and what tests read off it."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

_PAGE = """
from pathlib import Path
import streamlit as st
from counterproof.agents.study import open_workplace
from counterproof.ui.desk import Desk
from counterproof.ui.pages import {module}, ways
ways.arrive()
if "page" in st.query_params:
    st.text(f"to {{st.query_params.to_dict()}}")
else:
    {module}.{function}(Desk(workplace=open_workplace(Path({home!r}))))
"""


def page_of(home: Path, page: str, **where: str) -> AppTest:
    """Run a page (`inbox`, or `places.models`) over a store, in single-user mode; a way to another is shown as text."""
    module, _, function = page.partition(".")
    script = _PAGE.format(module=module, function=function or "show", home=str(home))
    test = AppTest.from_string(script, default_timeout=30)
    for name, value in where.items():
        test.query_params[name] = value
    return test.run()


def press(test: AppTest, label: str) -> AppTest:
    """Press the one button with this label."""
    (button,) = [button for button in test.button if button.label == label]
    return button.click().run()


def labels_of(test: AppTest, kind: str) -> list[str]:
    """Return the labels of all elements of a kind."""
    return [str(vars(element)["proto"].label) for element in test.get(kind)]


def text_of(test: AppTest) -> str:
    """Return what the page says, without tables and code."""
    shown = (test.title, test.markdown, test.caption, test.info, test.warning, test.error, test.success, test.text)
    return "\n".join(str(element.value) for elements in shown for element in elements)


def cells_of(test: AppTest) -> list[str]:
    """Return what stands in the cells of the page's tables, as a person reads it."""
    return [str(cell).replace("\\", "") for table in test.table for cell in table.value.to_numpy().ravel()]
