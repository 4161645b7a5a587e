"""Where the data and the key go: to the configured address, with the configured key, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.sandbox import Environment, ExecutionSpec, Mount, Protection, run_all
from counterproof.sandbox._e2b_wire import STORE
from counterproof.sandbox.e2b import ALWAYS_DEGRADED, E2BSandbox, ThirdPartyRefused
from counterproof.sandbox.errors import SandboxUnavailable

from .conftest import MISSING_ROOTLESS, connect, run_program
from .server import Fault, LoopbackE2B

SECRET_ROW = "patient-0042;1931-02-03;stage IV\n"


@pytest.fixture
def trap() -> Iterator[tuple[str, list[str]]]:
    """An address that must not be connected to, and who did."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        met: list[str] = []
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", met
        try:
            listener.accept()[0].close()
            met.append("somebody connected")
        except BlockingIOError:
            pass
    assert met == []


@pytest.mark.canary
def test_forbidden_third_party_is_refused_before_any_request(
    e2b: LoopbackE2B, environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(SECRET_ROW)
    sandbox = connect(e2b, third_party_allowed=False)
    spec = ExecutionSpec(
        program=b"pass", environment=environment, inputs=(Mount(host=tmp_path / "a.csv", target="a.csv"),)
    )
    for attempt in (lambda: run_all(sandbox, [spec]), lambda: asyncio.run(sandbox.probe())):
        with pytest.raises(
            ThirdPartyRefused, match=r"forbids third parties.*Nothing was sent.*local sandbox"
        ) as caught:
            attempt()
        assert caught.value.exit_code == 2
    with pytest.raises(ThirdPartyRefused):
        asyncio.run(sandbox.open(spec))
    assert e2b.requests == []


@pytest.mark.canary
def test_inputs_are_not_sent_before_run(
    e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(SECRET_ROW)
    spec = ExecutionSpec(
        program=b"pass", environment=environment, inputs=(Mount(host=tmp_path / "a.csv", target="a.csv"),)
    )
    asyncio.run(proven.open(spec))
    assert e2b.requests == []
    run_all(proven, [spec])
    assert SECRET_ROW.encode() in e2b.everything


@pytest.mark.canary
def test_inputs_are_sent_under_their_digest_once(
    e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "patients.csv").write_text(SECRET_ROW)
    source = "import os; print(len(os.listdir(os.environ['COUNTERPROOF_DATA'])))"
    both = {"patients.csv": tmp_path / "patients.csv", "again.csv": tmp_path / "patients.csv"}
    done = run_program(proven, environment, source, both)
    assert done.stdout.data == b"2\n"
    assert e2b.everything.count(SECRET_ROW.encode()) == 1
    assert not [path for path in e2b.paths if "patients" in path]


@pytest.mark.canary
def test_file_that_the_template_brings_is_not_sent(
    e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment, tmp_path: Path
) -> None:
    path = tmp_path / "open.csv"
    path.write_text(SECRET_ROW)
    digest = sha256_bytes(SECRET_ROW.encode())
    e2b.baked = {f"{STORE}/{digest}": SECRET_ROW.encode()}
    source = "import os; print(open(os.environ['COUNTERPROOF_DATA'] + '/open.csv').read(), end='')"
    done = run_program(proven, environment, source, {"open.csv": path})
    assert done.stdout.data == SECRET_ROW.encode()
    assert SECRET_ROW.encode() not in e2b.everything
    e2b.baked = {f"{STORE}/{digest}": SECRET_ROW.upper().encode()}
    with pytest.raises(MachineTrouble, match="holds other bytes than its digest says"):
        run_program(proven, environment, source, {"open.csv": path})


@pytest.mark.canary
def test_key_appears_nowhere(
    e2b: LoopbackE2B, environment: Environment, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox = connect(e2b)
    done = run_program(sandbox, environment, "import os; print(os.environ)")
    texts = [repr(sandbox), str(vars(sandbox)), repr(done), repr(done.attestation), repr(sandbox._address)]
    for route, fault in {
        "create": Fault(kind="status", status=401, body={"code": 401, "message": f"bad key {e2b.api_key}"}),
        "execute": Fault(kind="status", status=400, body={"code": 400, "message": f"bad key {e2b.api_key}"}),
        "kill": Fault(kind="status", status=500, body={"code": 500, "message": f"bad key {e2b.api_key}"}),
    }.items():
        e2b.faults = {route: fault}
        with pytest.raises(MachineTrouble) as caught:
            run_program(sandbox, environment, "pass")
        texts.append("".join(_chain(caught.value)))
    for number in list(e2b.hosted):
        e2b.kill(number)
    printed = capfd.readouterr()
    everything = "\n".join([*texts, caplog.text, printed.out, printed.err])
    assert "(key)" in everything
    assert e2b.api_key not in everything
    assert e2b.api_key.encode() not in e2b.everything  # it travels in a header, to the API alone
    assert not [item for item in e2b.requests if "sandboxes" not in item.path and e2b.api_key in str(item.headers)]


def _chain(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield f"{error!r} {error} {vars(error)}"
        error = error.__cause__ or error.__context__


@pytest.mark.canary
def test_variables_of_the_environment_have_no_effect(
    e2b: LoopbackE2B, environment: Environment, trap: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = trap[0]
    for name in ("E2B_API_URL", "E2B_SANDBOX_URL", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, elsewhere)
    monkeypatch.setenv("E2B_API_KEY", "e2b_of_somebody_else")
    monkeypatch.setenv("E2B_ACCESS_TOKEN", "sk_of_somebody_else")
    monkeypatch.setenv("E2B_DOMAIN", "elsewhere.invalid")
    monkeypatch.setenv("E2B_DEBUG", "true")
    monkeypatch.setenv("E2B_HTTP_VERSION", "3")
    monkeypatch.setenv("E2B_CONNECTION_RETRIES", "many")
    assert run_program(connect(e2b), environment, "pass").status == "ok"
    assert "somebody_else" not in str(e2b.requests)
    assert {item.headers["x-api-key"] for item in e2b.requests if "sandboxes" in item.path} == {e2b.api_key}


@pytest.mark.canary
def test_key_of_the_environment_does_not_stand_in_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2B_API_KEY", "e2b_of_somebody_else")
    for empty in ("", "  ", SecretStr("")):
        with pytest.raises(UsageError, match="The E2B key is empty"):
            E2BSandbox(api_key=empty, third_party_allowed=True)


@pytest.mark.canary
def test_address_that_the_server_names_is_not_followed(
    e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment, trap: tuple[str, list[str]]
) -> None:
    headers = {"Location": f"{trap[0]}/v2/sandboxes"}
    e2b.faults["create"] = Fault(kind="status", status=307, headers=headers)
    with pytest.raises(MachineTrouble, match="did not run"):
        run_program(proven, environment, "pass")
    domain = {"templateID": "x", "sandboxID": "iabc", "clientID": "x", "envdVersion": "0.6.7", "domain": trap[0]}
    e2b.faults["create"] = Fault(kind="status", status=201, body=domain)
    with pytest.raises(MachineTrouble, match="did not run"):
        run_program(proven, environment, "pass")
    assert e2b.paths[-1] == "DELETE /sandboxes/iabc"


@pytest.mark.canary
def test_own_proxy_is_used_where_it_is_configured(e2b: LoopbackE2B, environment: Environment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sandbox = connect(e2b, proxy=f"http://127.0.0.1:{listener.getsockname()[1]}")

        async def asked() -> bytes:
            probing = asyncio.create_task(sandbox.probe())
            connection, _ = await asyncio.to_thread(listener.accept)
            with connection:
                first = await asyncio.to_thread(connection.recv, 100)
            with pytest.raises(MachineTrouble):
                await probing
            return first

        assert asyncio.run(asked()).startswith(f"POST {e2b.url}/v2/sandboxes".encode())
    assert e2b.requests == []


def test_machine_is_made_without_internet_and_ends_by_itself(
    e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment
) -> None:
    run_program(proven, environment, "pass", wall_s=7)
    asked = e2b.made[-1]
    assert asked["allow_internet_access"] is False
    assert asked["autoPause"] is False
    assert (asked["timeout"], asked["envVars"], asked["metadata"]) == (10 + 7 + 0 + 10 + 30, {}, {})


def test_other_packages_are_refused_unless_allowed(
    e2b: LoopbackE2B, proven: E2BSandbox, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = environment.distributions
    changed = (*(name for name in real if not name.startswith("pandas==")), "pandas==0.0.1")
    monkeypatch.setattr(Environment, "distributions", changed)
    with pytest.raises(MachineTrouble, match=r"other packages.*1 are missing and 1 are added.*pandas==0.0.1.*lock"):
        run_program(proven, environment, "pass")
    assert e2b.requests == []
    assert run_program(connect(e2b, allow_other_packages=True), environment, "pass").status == "ok"


def test_what_is_not_proven_must_be_allowed_by_name(e2b: LoopbackE2B, environment: Environment) -> None:
    strict = connect(e2b, allow_degraded=frozenset())
    with pytest.raises(SandboxUnavailable, match=r"disk_total.*orphans.*allow_degraded.*Nothing was run"):
        run_program(strict, environment, "pass")
    assert e2b.paths.count("POST /execute") == 1  # the probe
    spec = ExecutionSpec(program=b"pass", environment=environment, allow_degraded=MISSING_ROOTLESS)
    assert run_all(strict, [spec])[0].status == "ok"
    assert frozenset(Protection) > ALWAYS_DEGRADED


@pytest.mark.parametrize("address", ["http://example.org", "ftp://x", "https:/x", "example.org", "http://10.0.0.1"])
def test_address_that_is_readable_on_the_way_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="https, or http on this machine"):
        E2BSandbox(api_key="k", third_party_allowed=True, api_url=address)


def test_unknown_domain_needs_an_address() -> None:
    with pytest.raises(UsageError, match=r"'lab.example'.*sandbox_url"):
        E2BSandbox(api_key="k", third_party_allowed=True, domain="lab.example")


def _python(code: str) -> subprocess.CompletedProcess[str]:
    links = str(Path(__file__).parents[3] / ".links")
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {links!r})\n{code}"],
        env={"E2B_CONNECTION_RETRIES": "many"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_number_in_the_environment_that_is_none_is_told() -> None:
    done = _python("from counterproof.sandbox._e2b_net import load_sdk\nload_sdk()")
    assert "variable of the environment is not a number. Remove it" in done.stderr


@pytest.mark.canary
def test_sdk_that_is_built_otherwise_is_refused(e2b: LoopbackE2B, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("e2b.api.client_async._transports")
    with pytest.raises(MachineTrouble, match=r"built otherwise.*e2b 2\.63"):
        asyncio.run(connect(e2b).probe())
    assert e2b.requests == []


def test_missing_extra_is_named() -> None:
    done = _python(
        "sys.modules['e2b_code_interpreter'] = None\n"
        "from counterproof.sandbox.e2b import E2BSandbox\n"
        "import asyncio\n"
        "asyncio.run(E2BSandbox(api_key='k', third_party_allowed=True).probe())"
    )
    assert "The E2B SDK is not installed. Install the extra: pip install 'counterproof[e2b]'." in done.stderr


def test_sdk_is_not_imported_before_it_is_used() -> None:
    done = _python("import counterproof.sandbox.e2b\nassert not [n for n in sys.modules if n.startswith('e2b')]")
    assert done.returncode == 0, done.stderr
