"""The graph's own checkpoints stay small, and grow with the number of steps, not with its square."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from counterproof.agents.shared_graph_store import open_shared_graph
from counterproof.provenance.leases import FileLease

from ..postgres import Server
from .stepping import step_in_file, step_through

STEP_BYTES, GROWTH = 4_000, 2.2


def test_a_step_takes_at_most_four_kilobytes_and_twice_the_steps_twice_that(tmp_path: Path) -> None:
    two, four = step_in_file(tmp_path / "200.sqlite", 200), step_in_file(tmp_path / "400.sqlite", 400)
    assert four / 400 <= STEP_BYTES, f"{four / 400:.0f} bytes a step"
    assert four / two <= GROWTH


def _on_server(url: str, steps: int) -> int:
    with open_shared_graph(url, FileLease()) as graph:
        assert graph.checkpointer
        step_through(graph.checkpointer, steps)  # type: ignore[arg-type]  # it is a saver here
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
            "WHERE relnamespace = 'langgraph'::regnamespace AND relkind = 'r'"
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.postgres
def test_so_it_is_on_a_server(postgresql: Server) -> None:
    two, four = _on_server(postgresql.new_database(), 200), _on_server(postgresql.new_database(), 400)
    assert four / 400 <= STEP_BYTES, f"{four / 400:.0f} bytes a step"
    assert four / two <= GROWTH
