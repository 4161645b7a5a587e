"""Many studies, many checkpoints, many model calls: each query has its index, and the pages show them in Chromium.

How long a page takes is printed, one line a figure, which `make bench` reads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from counterproof.agents.models import ModelConfig
from counterproof.agents.study import Workplace, new_study, open_study, open_workplace
from counterproof.provenance.events import Actor
from counterproof.provenance.policy import SINGLE_USER
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import Status, Store
from counterproof.ui.desk import Desk
from counterproof.ui.history import study_list
from counterproof.ui.views import PER_PAGE, inbox_view
from counterproof.ui.web import WebApp
from tests.ui.sites import Site

STUDIES, WAITING, CALLS = 10_000, 1_000, 500
FIGURE = "figure {name} {seconds:.3f}"
_TIME, _LATER = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"


def _fill(workplace: Workplace, subject: dict[str, object]) -> None:
    """Enter many studies; those on the first page of the inbox are whole, the others are rows alone."""
    data = workplace.store.home / "d.csv"
    data.write_text("age,sex\n" + "1,2\n3,1\n" * 20)
    for number in range(PER_PAGE):
        study = new_study(
            workplace,
            question=f"Question {number}?",
            data=[data],
            model=ModelConfig(model="m", base_url="http://127.0.0.1:9/v1", api_key_env=""),
            policy=SINGLE_USER,
        )
        open_study(workplace, study).checkpoints.open(CheckpointKind.PLAN, 1, {**subject, "study": study})
        workplace.store.set_status(study, Status.WAITING)
    database = sa.create_engine(f"sqlite:///{workplace.store.home / 'store.sqlite'}")
    with database.begin() as db:
        db.execute(sa.text("UPDATE checkpoints SET opened_at = :at"), {"at": _TIME})
        rows = [
            {"id": f"study-{at:08x}", "status": "waiting" if at < WAITING else "done", "at": _LATER}
            for at in range(PER_PAGE, STUDIES)
        ]
        db.execute(
            sa.text(
                "INSERT INTO studies (id, title, status, detail, created_at, changed_at, run_asked) "
                "VALUES (:id, 'A study', :status, '', :at, :at, 0)"
            ),
            rows,
        )
        db.execute(
            sa.text(
                "INSERT INTO checkpoints (id, study, kind, subject, opened_at) "
                "VALUES (:id || '.plan.1', :id, 'plan', '00', :at)"
            ),
            [row for row in rows if row["status"] == "waiting"],
        )
    database.dispose()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, stages: dict[str, Site]) -> Workplace:
    """A store with many studies, of which many wait."""
    workplace = open_workplace(tmp_path_factory.mktemp("many") / "home")
    site = stages[CheckpointKind.PLAN]
    _fill(workplace, open_study(site.workplace, site.study).checkpoints.subject(site.checkpoint(CheckpointKind.PLAN)))
    return workplace


def test_many_are_counted_and_come_in_pages(many: Workplace) -> None:
    view = inbox_view(Desk(workplace=many))
    assert (view.total, view.pages, len(view.rows)) == (WAITING, WAITING // PER_PAGE, PER_PAGE)
    listed = study_list(Desk(workplace=many))
    assert (len(listed.rows), listed.pages) == (20, STUDIES // 20)


_QUERIES: dict[str, Callable[[Store], object]] = {
    "waiting": lambda store: store.waiting(limit=20),
    "waiting of kinds": lambda store: store.waiting(kinds=["plan", "code"], limit=20),
    "waiting of a study": lambda store: store.waiting(study="study-00000099"),
    "count waiting": lambda store: store.count_waiting(),
    "count waiting of kinds": lambda store: store.count_waiting(kinds=["release"]),
    "newest": lambda store: store.newest(20, skip=40),
    "count studies": lambda store: store.count_studies(),
    "one study": lambda store: store.study("study-00000099"),
    "asked": lambda store: store.asked(),
}


@pytest.mark.parametrize("name", list(_QUERIES))
def test_each_query_of_the_pages_is_indexed(many: Workplace, name: str) -> None:
    plans: list[str] = []

    def explain(
        connection: sa.Connection, _cursor: object, statement: str, given: Any, _context: object, _many: bool
    ) -> None:
        if statement.startswith("SELECT"):
            raw = connection.connection.cursor()
            raw.execute(f"EXPLAIN QUERY PLAN {statement}", given)
            plans.extend(str(row[-1]) for row in raw.fetchall())

    store = Store(many.store.home)
    sa.event.listen(store._engine, "before_cursor_execute", explain)
    _QUERIES[name](store)
    store.close()
    assert plans
    steps = [plan for plan in plans if plan.startswith(("SCAN", "SEARCH", "USE TEMP"))]
    assert [plan for plan in steps if "USING" not in plan] == []
    assert [plan for plan in steps if "TEMP B-TREE" in plan] == []


@pytest.mark.browser
def test_a_full_inbox_is_shown(page: Page, serve: Callable[[Path], WebApp], many: Workplace) -> None:
    url = serve(many.store.home).url
    page.goto(url)  # the first visit of a server loads what it is made of
    expect(page.get_by_role("button", name="Look and decide").first).to_be_visible()
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        page.goto(url)
        page.get_by_role("button", name="Look and decide").nth(PER_PAGE - 1).wait_for()
        taken.append(time.perf_counter() - began)
    print(FIGURE.format(name="page_inbox_s", seconds=median(taken)))


@pytest.mark.browser
def test_a_study_with_many_calls_is_shown(
    page: Page, serve: Callable[[Path], WebApp], site_at: Callable[[str], Site]
) -> None:
    site = site_at(CheckpointKind.PLAN)
    record = open_study(site.workplace, site.study).record
    for number in range(CALLS):
        asked = {"model": "m", "messages": [{"role": "user", "content": f"{number} " + "word " * 4000}]}
        request = record.put("request", json.dumps(asked).encode())
        told = {"attempt": 1, "key": f"plan/{number}/9", "kind": "model"}
        more = {"after_kill": False, "host": "127.0.0.1", "path": "/v1", "source": "live"}
        record.append("effect.started", data={**told, **more}, refs=[request], durable=False)
        body = json.dumps({"body": json.dumps({"usage": {"prompt_tokens": 5000, "completion_tokens": 10}})}).encode()
        refs = [request, record.put("response", body)]
        record.append(
            "effect.finished",
            actor=Actor(kind="agent", id="model"),
            data={**told, "duration_ms": 9, "headers": {}, "status": 200},
            refs=refs,
            durable=False,
        )
    url = serve(site.home).url
    page.goto(f"{url}/?page=inbox")
    expect(page.get_by_role("button", name="Look and decide")).to_be_visible()
    sections = {"timeline": "What happened", "costs": f"Model calls ({CALLS + 1})", "seen": "Message 1"}
    for section, words in sections.items():
        taken = []
        for _ in range(3):
            began = time.perf_counter()
            page.goto(f"{url}/?page=study&study={site.study}&section={section}")
            page.get_by_text(words).first.wait_for()
            taken.append(time.perf_counter() - began)
        print(FIGURE.format(name=f"page_study_{section}_s", seconds=median(taken)))
