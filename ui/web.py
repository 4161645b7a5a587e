"""Starting the pages: Streamlit as a process of its own, with a configuration that is safe on a shared machine.

Streamlit's own defaults listen on all interfaces, accept any host name, report usage and show stack traces. Here it
listens on 127.0.0.1 only, for the hosts named below, without usage statistics, static files, error details, file
watching, and without the agent API, through which a program could click the approval of its own work. Options on the
command line win over configuration files and the environment, and the process gets neither API keys nor `STREAMLIT_*`.

It does not cover sign-in (`access`): where no account exists, whoever can reach the port on this machine sees the
pages, and signs only with a key file and its passphrase.

Source: the option list of Streamlit 1.67 (`streamlit run --help`).
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.ui import environment
from counterproof.ui.access.settings import provider_settings
from counterproof.ui.example import begin_example

ADDRESS = "127.0.0.1"
HOSTS = (ADDRESS, "localhost")
OPTIONS = {
    "server.address": ADDRESS,
    "server.headless": "true",
    "server.enableCORS": "true",
    "server.enableXsrfProtection": "true",
    "server.enableStaticServing": "false",
    "server.enableAgentApi": "false",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "server.maxUploadSize": "1024",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "client.toolbarMode": "minimal",
    "browser.gatherUsageStats": "false",
    "runner.magicEnabled": "false",
}
_SHARED = ("COUNTERPROOF_STORE", "COUNTERPROOF_BODIES")
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", *_SHARED)
_SERVED = Path(__file__).with_name("served.py")


@dataclass(frozen=True, kw_only=True)
class WebApp:
    """The running pages."""

    url: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End the process; the pages hold nothing that is not on disk."""
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(home: Path, port: int = 8501, *, example: bool = False) -> int:
    """Show the pages of a store until Ctrl-C or SIGTERM; return the exit code, 0 when told to stop.

    With `example`, a store without studies gets the example study. Only the main thread of a process may call this.

    Raises:
        UsageError: the port is taken.
        MachineTrouble: the pages did not come up.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app = launch(home, port)
    try:
        print(f"Counterproof is at {app.url} (this machine only). Ctrl-C ends it.", file=sys.stderr)
        if example:
            begin_example(home.resolve(), env=_passed_on(_PASSED_ON))
        return app.process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        app.stop()


def launch(home: Path, port: int = 8501, *, wait_s: float = 60) -> WebApp:
    """Start the pages of a store and return when they answer.

    Args:
        home: folder of the store.
        port: port on 127.0.0.1; 0 for a free one.
        wait_s: how long to wait for the first answer.

    Raises:
        UsageError: the port is taken.
        MachineTrouble: the pages did not come up.
    """
    port = _free_port(port)
    provider = provider_settings(home)
    passed_on = {*_PASSED_ON, provider.client_secret_env if provider else ""}
    process = subprocess.Popen(
        command(home.resolve(), port),
        cwd=_SERVED.parent,
        env=_passed_on(passed_on),
        stdin=subprocess.DEVNULL,
        stdout=2,  # its banner and tracebacks: standard output is for what a command gives
    )
    app = WebApp(url=f"http://{ADDRESS}:{port}", process=process)
    try:
        _wait_for(app, wait_s)
    except BaseException:
        app.stop()
        raise
    return app


def command(home: Path, port: int) -> list[str]:
    """Return the command that serves the pages of a store."""
    options = [f"--{name}={value}" for name, value in OPTIONS.items()]
    options += [f"--server.allowedHosts={host}" for host in HOSTS]
    return [
        *(sys.executable, "-P", "-m", "streamlit", "run", str(_SERVED)),
        *(f"--server.port={port}", *options),
        *("--", "--home", str(home)),
    ]


def _passed_on(names: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in environment.for_subprocess().items() if name in names}


def _wait_for(app: WebApp, wait_s: float) -> None:
    end = time.monotonic() + wait_s
    while not _answers(app.url):
        if app.process.poll() is not None:
            raise MachineTrouble(
                f"The pages did not come up at {app.url} (exit code {app.process.returncode}).",
                advice="The lines above say why. Try another --port.",
            )
        if time.monotonic() > end:
            raise MachineTrouble(
                f"The pages did not come up at {app.url} within {wait_s:g} s.",
                advice="The machine may be very busy: try again when it is less so.",
            )
        time.sleep(0.05)


def _free_port(port: int) -> int:
    try:
        with socket.create_server((ADDRESS, port)) as server:
            taken: int = server.getsockname()[1]
            return taken
    except OSError as error:
        raise UsageError(
            f"Port {port} on {ADDRESS} can't be used: {error.strerror}.", advice="Choose another with --port."
        ) from error


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
