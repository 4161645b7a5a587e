"""Scheduler and workers that listen at one port each, with TLS, and at no other.

`distributed` opens a second port in each of them, without a key, also where its dashboard is turned off: whoever
reaches it reads names of cells, logs and addresses, and at the scheduler of a batch system it is open to all machines.
Here that server is made, because other parts hold it, and is never told to listen.

It does not cover a scheduler that is there already, nor one whose dashboard was asked for (`QueueSettings.dashboard`).

Source: `distributed` 2026.8, `node.ServerNode.start_http_server`.
"""

from __future__ import annotations

from typing import Any

from distributed import Scheduler, Worker
from distributed.http.routing import RoutingApplication
from tornado.httpserver import HTTPServer

SETTINGS = {
    "distributed.admin.log-length": 200,
    "distributed.admin.low-level-log-length": 50,
    "distributed.worker.profile.enabled": False,
}
"""Dask keeps for its developers the last thousand messages and events, and where programs were every 10 ms: in a
campaign some 50 KB a cell."""


class _Quiet:
    http_application: RoutingApplication
    http_server: HTTPServer

    def start_http_server(self, *_asked: Any, **_options: Any) -> None:
        """Make the server that others hold, and open no port for it."""
        self.http_application = RoutingApplication([])
        self.http_server = HTTPServer(self.http_application)


class QuietScheduler(_Quiet, Scheduler):
    """A scheduler without a port for its dashboard."""


class QuietWorker(_Quiet, Worker):
    """A worker without a port for its dashboard."""
