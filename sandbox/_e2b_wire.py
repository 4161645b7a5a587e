"""One remote machine over the E2B SDK: made, filled, told to run one cell, read, killed.

The idea: every setting is passed explicitly, so that the SDK has nothing to look up in the environment; each
call has a deadline of ours; a foreign error becomes `WireBroken`, in whose text no secret is left. Only making and
killing a machine is ever tried again, never a cell.

It does not cover what the events of a run mean (`_e2b_report.py`).

Source: e2b 2.63 and e2b-code-interpreter 2.11.5, the only versions that it was tried with.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr

from counterproof.sandbox._e2b_net import capped_sandbox_class, install_transports, load_sdk
from counterproof.sandbox._e2b_report import plain

BASE = "/home/user/counterproof"
STORE = f"{BASE}/store"
_REQUEST_S, _KILL_S, _KILL_TRIES = 30.0, 10.0, 3
_SLOWEST_BYTES_S = 256 << 10
_T = TypeVar("_T")
_CELL = """
def _counterproof(base, runner, shim, plan):
    import hashlib, subprocess, sys
    for name in (runner, shim, plan):
        with open(f"{{base}}/store/{{name}}", "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() != name:
                print('{{"event": "refused", "reason": "an uploaded file holds other bytes"}}', flush=True)
                return
    command = [sys.executable, "-I", "-S", f"{{base}}/store/{{runner}}", base, shim, plan]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env={{}}) as process:
        for line in process.stdout:
            print(line.decode("ascii"), end="", flush=True)
_counterproof({base!r}, {runner!r}, {shim!r}, {plan!r})
"""


class WireBroken(Exception):
    """A call to the remote machine failed; `refused` where the server said no, so that nothing was done."""

    def __init__(self, text: str, *, refused: bool = False) -> None:
        self.refused = refused
        super().__init__(text)


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file for the remote machine: its digest, its size, its bytes or where they are, and where it goes."""

    sha256: str
    size: int
    source: bytes | Path
    path: str


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the provider is, and the key to it."""

    api_key: SecretStr
    domain: str
    api_url: str
    sandbox_url: str
    template: str
    proxy: str | None = None


class Provider:
    """Makes machines at one address.

    Raises:
        MachineTrouble: the SDK is not installed.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._class = capped_sandbox_class(load_sdk())
        self._params: dict[str, Any] = {
            "api_key": address.api_key.get_secret_value(),
            "domain": address.domain,
            "api_url": address.api_url,
            "sandbox_url": address.sandbox_url,
            "debug": False,
            "http_version": "2",
            "retries": 3,
            "request_timeout": _REQUEST_S,
            "proxy": install_transports((address.api_url, address.sandbox_url), address.proxy),
        }

    async def create(self, *, lifetime_s: int) -> Machine:
        """Make a machine that has no internet access and ends by itself after `lifetime_s`.

        Raises:
            WireBroken: there is none.
        """
        made = self._class.create(
            template=self._address.template,
            timeout=lifetime_s,
            allow_internet_access=False,
            metadata={},
            envs={},
            lifecycle={"on_timeout": "kill"},
            idempotency_key=str(uuid.uuid4()),
            **self._params,
        )
        return Machine(await self.guard(made, 2 * _REQUEST_S, "make a machine"), self)

    async def kill(self, machine_id: str) -> None:
        """End a machine, whatever it does; one that is not there any more is fine.

        Raises:
            WireBroken: the provider did not confirm it.
        """
        for left in reversed(range(_KILL_TRIES)):
            try:
                await self.guard(self._class.kill(machine_id, **self._params), _KILL_S, "end the machine")
            except WireBroken:
                if not left:
                    raise
                await asyncio.sleep(0.2)
            else:
                return

    async def guard(self, call: Awaitable[_T], within_s: float, doing: str) -> _T:
        """Wait for a call of the SDK until our own deadline, and translate its errors."""
        try:
            async with asyncio.timeout(within_s):
                return await call
        except TimeoutError:
            broken = WireBroken(f"no answer within {within_s:.0f} s when asked to {doing}")
        except Exception as error:  # the SDK raises KeyError and the like on replies that it does not expect
            text = self._without_secrets(f"{type(error).__name__}: {error}")
            status = re.match(r"\w+: (400|401|403|404|429)\b", text)
            refused = status is not None or type(error).__name__ in _REFUSALS
            broken = WireBroken(f"could not {doing}: {text}", refused=refused)
        raise broken  # outside, so that the SDK's error, which may quote the key, is not even its context

    def _without_secrets(self, text: str) -> str:
        key = self._address.api_key.get_secret_value()
        return plain(text.replace(key, "(key)"))


_REFUSALS = {"AuthenticationException", "RateLimitException", "NotFoundException", "SandboxNotFoundException"}


class Machine:
    """One remote machine."""

    def __init__(self, inner: Any, provider: Provider) -> None:
        self._inner = inner
        self._provider = provider
        self.id = str(inner.sandbox_id)

    async def upload(self, files: Iterable[Upload]) -> None:
        """Put files into the store, each under its digest; one that is there already is not sent.

        What arrived is verified on the machine, before the program starts (`_e2b_runner.py`).

        Raises:
            WireBroken: a file could not be sent.
        """
        present = await self._present()
        for file in files:
            if present.get(file.sha256) == file.size:
                continue
            present[file.sha256] = file.size
            await self._provider.guard(self._send(file), _REQUEST_S + file.size / _SLOWEST_BYTES_S, "take a file")

    async def _send(self, file: Upload) -> None:
        target = f"{STORE}/{file.sha256}"
        if isinstance(file.source, bytes):
            await self._inner.files.write(target, file.source)
            return
        with file.source.open("rb") as reader:
            await self._inner.files.write(target, reader)

    async def _present(self) -> dict[str, int]:
        """Return name and size of what the store has; a template may bring files of its own."""
        try:
            entries = await self._provider.guard(self._inner.files.list(STORE), _REQUEST_S, "list its store")
        except WireBroken as error:
            if "NotFound" in str(error):
                return {}
            raise
        return {str(entry.name): int(entry.size) for entry in entries}

    async def run(self, runner: str, shim: str, plan: str, on_text: Callable[[str], None]) -> None:
        """Run the cell that starts the runner, once; `on_text` gets what it prints.

        There is no deadline here: the SDK's own was measured to fire at twice its value, so the caller keeps one.

        Raises:
            WireBroken: the reply did not come to its end.
        """
        cell = _CELL.format(base=BASE, runner=runner, shim=shim, plan=plan)
        call = self._inner.run_code(cell, timeout=0, on_stdout=lambda message: on_text(str(message.line)))
        done = await self._provider.guard(call, _FOREVER_S, "run the program")
        if done.error is not None:
            raise WireBroken("the machine's interpreter could not start the runner")

    async def read(self, name: str, *, size: int) -> bytes:
        """Return a file of the report, which must have exactly this size.

        Raises:
            WireBroken: it can't be read, or has another size.
        """
        return await self._provider.guard(
            self._read(name, size), _REQUEST_S + size / _SLOWEST_BYTES_S, "give its report"
        )

    async def _read(self, name: str, size: int) -> bytes:
        data = bytearray()
        reader = await self._inner.files.read(f"{BASE}/report/{name}", format="stream")
        async with reader:
            async for chunk in reader:
                data += chunk
                if len(data) > size:
                    break
        if len(data) != size:
            raise WireBroken(f"the report has another size than {size} bytes")
        return bytes(data)

    async def kill(self) -> None:
        """End the machine.

        Raises:
            WireBroken: the provider did not confirm it.
        """
        await self._provider.kill(self.id)


_FOREVER_S = 10_000_000.0
