"""Jobs of batch systems are asked for as they should be; a fake `sbatch` really runs them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from counterproof.agents.compare.clusters import QueueSettings, queue_cluster, queued_workers

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


def test_workers_come_from_jobs_and_the_jobs_end_with_the_campaign(batch: Path, tmp_path: Path) -> None:
    settings = QueueSettings(system="slurm", memory="1GiB", interface="lo")
    with queued_workers(settings, tmp_path / "campaign") as client:
        client.wait_for_workers(1, timeout=120)
        assert client.submit(os.getpid).result() != os.getpid()
        listed = subprocess.run(["squeue"], capture_output=True, text=True, check=True).stdout
    (script,) = (path.read_text() for path in batch.glob("script-*.sh"))
    assert "#SBATCH" in script
    (job,) = (path.read_text().strip() for path in batch.glob("job-*.pid"))
    assert f"{job} RUNNING" in listed
    assert job in (batch / "cancelled").read_text().split()
