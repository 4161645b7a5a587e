"""Where the workers of a campaign are: on this machine, at a scheduler that is there, or in the jobs of a cluster.

Traffic between scheduler and workers is encrypted and mutually authenticated with keys that are made for the campaign,
because whoever may talk to a scheduler may run anything as its user. Nothing else listens (`nodes`), unless the
dashboard is asked for. At a scheduler that is there, its owner's settings count.

Source: Dask's `distributed` and `dask-jobqueue`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

import dask.config
from distributed import Client, Nanny, Scheduler, SpecCluster
from distributed.security import Security
from pydantic import BaseModel, ConfigDict, Field

from counterproof.agents.compare import nodes
from counterproof.provenance.errors import MachineTrouble, UsageError

Queue = Literal["slurm", "pbs", "lsf"]
_CLASSES: dict[Queue, str] = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster"}
_PATIENCE_S = 30


class QueueSettings(BaseModel):
    """How jobs of a batch system are asked for: the table `[queue]` of a campaign's cluster file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: Queue
    """The batch system."""
    jobs: int = Field(default=1, ge=1)
    """How many jobs; each is one worker."""
    cores: int = Field(default=1, ge=1)
    """Cores of a job."""
    memory: str = "4GiB"
    """Memory of a job."""
    walltime: str = "01:00:00"
    """Longest time of a job."""
    queue: str = ""
    """Partition or queue; "" for the default one."""
    account: str = ""
    """Account; "" for the default one."""
    interface: str = ""
    """Network interface that the machines reach each other by; "" for the default one."""
    directives: tuple[str, ...] = ()
    """Further lines for the head of the job script, without their mark."""
    prologue: tuple[str, ...] = ()
    """Shell lines before the worker starts, for example to load a module."""
    dashboard: str = Field(default="", pattern=r"^$|^[^:\s]+:\d{1,5}$")
    """Address and port at which Dask's dashboard listens, for example 127.0.0.1:8787; "" for nowhere. It asks for no
    password, and it can be read by whoever reaches it."""


@contextmanager
def local_workers(number: int) -> Iterator[Client]:
    """Start workers on this machine, each a process of its own; they end with the block."""
    security = Security.temporary()
    own = {"host": "127.0.0.1", "protocol": "tls://", "security": security}
    still = {"silence_logs": logging.WARNING}
    worker = {"cls": Nanny, "options": {**own, "nthreads": 1, "worker_class": nodes.QuietWorker, **still}}
    with (
        dask.config.set(nodes.SETTINGS),
        SpecCluster(
            scheduler={"cls": nodes.QuietScheduler, "options": {**own, "port": 0, "dashboard": False}},
            workers=dict.fromkeys(range(number), worker),
            security=security,
            **still,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def workers_at(address: str) -> Iterator[Client]:
    """Use the workers of a scheduler that is there.

    Raises:
        MachineTrouble: it does not answer.
    """
    try:
        client = Client(address, timeout=_PATIENCE_S)
    except (OSError, ValueError) as error:
        raise MachineTrouble(
            f"The scheduler {address} does not answer: {error}.", advice="Start it, or leave --scheduler away."
        ) from error
    with client:
        yield client


@contextmanager
def queued_workers(settings: QueueSettings, folder: Path) -> Iterator[Client]:
    """Ask a batch system for jobs, and use the workers in them; the jobs are cancelled with the block.

    Args:
        settings: what to ask for.
        folder: for keys and logs; all machines see it.

    Raises:
        UsageError: the extra is not installed.
        MachineTrouble: the batch system refused.
    """
    with dask.config.set(nodes.SETTINGS), closing(queue_cluster(settings, folder)) as cluster:
        try:
            cluster.scale(jobs=settings.jobs)
            client = Client(cluster)
        except (OSError, RuntimeError) as error:
            raise MachineTrouble(
                f"The batch system refused a job: {error}.", advice="Look at the job's settings; nothing is lost."
            ) from error
        with client:
            yield client


def queue_cluster(settings: QueueSettings, folder: Path) -> Any:
    """Return the cluster of a batch system, without any job yet; its `job_script()` shows what a job is.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        import dask_jobqueue  # extra: counterproof[hpc]
    except ImportError as error:
        raise UsageError(
            "dask-jobqueue is not installed.", advice="Install the extra: pip install 'counterproof[hpc]'."
        ) from error
    (folder / "jobs").mkdir(parents=True, exist_ok=True)
    named = {"queue": settings.queue, "account": settings.account, "interface": settings.interface}
    account = "project" if settings.system == "lsf" else "account"
    options = {name if name != "account" else account: value for name, value in named.items() if value}
    shown = {"dashboard": bool(settings.dashboard), "dashboard_address": settings.dashboard or None}
    return getattr(dask_jobqueue, _CLASSES[settings.system])(
        cores=settings.cores,
        processes=1,
        memory=settings.memory,
        walltime=settings.walltime,
        job_extra_directives=list(settings.directives),
        job_script_prologue=[
            "export LANGGRAPH_STRICT_MSGPACK=true LANGSMITH_TRACING=false",
            f"export {' '.join(_variables())}",
            *settings.prologue,
        ],
        log_directory=str(folder / "jobs"),
        python=sys.executable,
        protocol="tls://",
        security=Security.temporary(),
        shared_temp_directory=str(folder / "jobs"),
        scheduler_cls=Scheduler if settings.dashboard else nodes.QuietScheduler,
        scheduler_options=shown,
        worker_extra_args=["--worker-class", f"{nodes.__name__}.{nodes.QuietWorker.__name__}"],
        **options,
    )


def _variables() -> list[str]:
    """Return the settings of the workers as Dask reads them from the environment."""
    named = {name.replace(".", "__").replace("-", "_").upper(): value for name, value in nodes.SETTINGS.items()}
    return [f"DASK_{name}={value}" for name, value in named.items()]
