"""Jobs of batch systems are asked for as they should be; a fake `sbatch` really runs them; nothing listens unasked."""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest
from pydantic import ValidationError

from counterproof.agents.compare import run_campaign
from counterproof.agents.compare.clusters import QueueSettings, local_workers, queue_cluster, queued_workers
from counterproof.sandbox._watch import processes_of

from ..opened import opened_by
from .trivial import OneAnswer, plan_trivial, seat_of

pytestmark = pytest.mark.campaign

_SBATCH = """#!/bin/sh
cp "$1" {folder}/script-$$.sh
setsid sh {folder}/script-$$.sh > {folder}/job-$$.log 2>&1 &
echo $! > {folder}/job-$$.pid
echo "Submitted batch job $!"
"""
_SQUEUE = """#!/bin/sh
for file in {folder}/job-*.pid; do kill -0 $(cat $file) 2>/dev/null && echo "$(cat $file) RUNNING"; done; exit 0
"""
_SCANCEL = """#!/bin/sh
for job in "$@"; do kill -- -"$job" 2>/dev/null; echo "$job" >> {folder}/cancelled; done; exit 0
"""


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with `sbatch`, `squeue` and `scancel` on the path, which run jobs on this machine."""
    folder = tmp_path / "batch"
    folder.mkdir()
    for name, text in (("sbatch", _SBATCH), ("squeue", _SQUEUE), ("scancel", _SCANCEL)):
        (folder / name).write_text(text.format(folder=folder))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    yield folder
    subprocess.run([str(folder / "scancel"), *(path.read_text().strip() for path in folder.glob("*.pid"))], check=True)


SETTINGS = {"cores": 2, "memory": "8GiB", "walltime": "02:30", "queue": "short", "account": "lab7", "interface": "lo"}


@pytest.mark.parametrize(
    ("system", "wanted"),
    [
        ("slurm", ["#SBATCH -p short", "#SBATCH -A lab7", "#SBATCH --cpus-per-task=2", "#SBATCH --mem=8G"]),
        ("pbs", ["#PBS -q short", "#PBS -A lab7", "#PBS -l select=1:ncpus=2:mem=8192MB", "#PBS -l walltime=02:30"]),
        ("lsf", ["#BSUB -q short", '#BSUB -P "lab7"', "#BSUB -n 2", "#BSUB -W 02:30"]),
    ],
)
def test_a_job_asks_for_what_was_said(tmp_path: Path, system: str, wanted: list[str]) -> None:
    settings = QueueSettings.model_validate(
        {**SETTINGS, "system": system, "directives": ["--exclusive"], "prologue": ["module load bubblewrap"]}
    )
    cluster = queue_cluster(settings, tmp_path)
    try:
        script = cluster.job_script()
    finally:
        cluster.close()
    assert [line for line in wanted if line not in script.splitlines()] == []
    assert re.search(r"^#\w+ --exclusive$", script, re.MULTILINE)
    assert script.index("module load bubblewrap") < script.index("distributed.cli.dask_worker")
    assert "LANGGRAPH_STRICT_MSGPACK=true" in script
    assert "tls://" in script
    assert "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False" in script
    assert "--worker-class counterproof.agents.compare.nodes.QuietWorker" in script


def test_cells_are_done_in_jobs_and_the_jobs_end_with_the_campaign(batch: Path, tmp_path: Path) -> None:
    settings = QueueSettings(system="slurm", memory="1GiB", interface="lo")
    with OneAnswer() as model, queued_workers(settings, tmp_path / "campaign") as client:
        planned = plan_trivial(tmp_path / "trivial", 3, endpoint=model.base_url)
        client.wait_for_workers(1, timeout=120)
        assert client.submit(os.getpid).result() in _jobs(batch)
        run = run_campaign(planned.cells, seat_of(planned), client)
        assert {done.result.category for done in run.done.values()} == {"completed"}
        assert (len(run.done), run.troubles) == (3, {})
        listed = subprocess.run(["squeue"], capture_output=True, text=True, check=True).stdout
        ports = _ports(os.getpid()) | {port for pid in _jobs(batch) for port in _ports(pid)}
    assert len(ports) >= 3  # scheduler, nanny, worker
    assert [port for port in ports if _answers(port)] == []
    (script,) = (path.read_text() for path in batch.glob("script-*.sh"))
    assert "#SBATCH" in script
    (job,) = (path.read_text().strip() for path in batch.glob("job-*.pid"))
    assert f"{job} RUNNING" in listed
    assert job in (batch / "cancelled").read_text().split()


def _jobs(batch: Path) -> list[int]:
    """Return the processes of all jobs."""
    return [pid for path in batch.glob("job-*.pid") for pid in processes_of(int(path.read_text()))]


def _ports(pid: int) -> set[int]:
    """Return the TCP ports of any address at which a process listens."""
    sockets = {path.name.removeprefix("socket:[").removesuffix("]") for path in opened_by(pid)}
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {int(line[1].rpartition(":")[2], 16) for line in lines if line[3] == "0A" and line[9] in sockets}


def _answers(port: int) -> bool:
    """Say whether somebody without a key is answered there."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/json/identity.json", timeout=20).close()
    except (OSError, HTTPException):
        return False
    return True


def test_local_workers_answer_nobody_without_a_key() -> None:
    before = _ports(os.getpid())
    with local_workers(1) as client:
        (worker,) = client.run(os.getpid).values()
        ports = (_ports(os.getpid()) | _ports(worker)) - before
    assert len(ports) == 3  # scheduler, nanny, worker
    assert [port for port in ports if _answers(port)] == []


def test_the_dashboard_listens_where_it_was_asked_for(batch: Path, tmp_path: Path) -> None:
    settings = QueueSettings(system="slurm", memory="1GiB", interface="lo", dashboard="127.0.0.1:0")
    before = _ports(os.getpid())
    with queued_workers(settings, tmp_path / "campaign"):
        ports = _ports(os.getpid()) - before
        assert sum(map(_answers, ports)) == 1


def test_a_dashboard_without_an_address_is_refused() -> None:
    with pytest.raises(ValidationError, match="dashboard"):
        QueueSettings(system="slurm", dashboard=":8787")
